"""Carries a person's file to Meta: up to the Graph API first, then to the customer by the id that it got."""

from app.conversations.attachments import Attachments
from app.conversations.models import MessageKind
from app.errors import MessagingError, NotFound, Unavailable
from app.tenants.models import WhatsAppCredentials
from whatsapp.failures import failure_of
from whatsapp.graph_media import GraphMedia
from whatsapp.models import OutboxRow
from whatsapp.sender import Accepted, GraphSender, NotSent

_BUSY = 131016
_UPLOAD_REFUSED = 131053


class OutgoingFiles:
    """Sends the file of an outbox row."""

    def __init__(self, attachments: Attachments, media: GraphMedia, sender: GraphSender) -> None:
        self._attachments = attachments
        self._media = media
        self._sender = sender

    async def send(self, row: OutboxRow, credentials: WhatsAppCredentials, to: str) -> Accepted:
        """Uploads and sends; an upload that failed has reached nobody, so that it may be repeated.

        Raises:
            NotSent: Refused, or never left.
            OutcomeUnknown: Nobody knows.
        """
        file = row.file
        if file is None or file.media.attachment_id is None:
            raise NotSent("the row holds no file", failure_of(_UPLOAD_REFUSED))
        try:
            attachment = await self._attachments.get(row.tenant_id, file.media.attachment_id)
            content = await self._attachments.content(attachment)
            name = attachment.file_name or attachment.attachment_id
            media_id = await self._media.upload(credentials, content, attachment.mime_type, name)
        except Unavailable as error:
            raise NotSent(error.detail, failure_of(_BUSY)) from error
        except (MessagingError, NotFound) as error:
            raise NotSent(error.detail, failure_of(_UPLOAD_REFUSED)) from error
        part = {"id": media_id, **({"caption": row.text} if row.text else {})}
        if file.kind is MessageKind.DOCUMENT:
            part["filename"] = name
        return await self._sender.send_file(credentials, to=to, kind=file.kind.value, part=part, tracker=row.outbox_id)
