"""The door by which a person sends a file that was uploaded before."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from app.auth.replay import respond
from app.conversations.doors import Write, conversations_of, inbox_of
from app.conversations.message_schemas import MessageView
from app.conversations.models import Media, MediaState, MessageKind, Owner
from app.errors import FieldError, Unprocessable
from app.kit.idempotency import Outcome, RequiredIdempotencyKey
from app.kit.problem import responses
from whatsapp.models import OutboundFile
from whatsapp.service import WhatsAppOutbox

router = APIRouter(tags=["conversations"], responses=responses(401, 403, 422, 429, 503))
_WORDLESS = frozenset({MessageKind.AUDIO, MessageKind.STICKER})


class FileCreate(BaseModel):
    """A file to the customer's WhatsApp."""

    model_config = ConfigDict(extra="forbid")

    attachment_id: str = Field(
        max_length=64, description="From POST /v1/attachments.", examples=["att_01k4n5c9t2v8x7q6m3b1a0zdef"]
    )
    caption: str = Field(default="", max_length=1024, examples=["Your invoice"])


@router.post(
    "/conversations/{conversation_id}/files",
    operation_id="send_file",
    summary="Send a file to the customer on WhatsApp",
    status_code=202,
    response_model=MessageView,
    responses=responses(404, 409),
)
async def send_file(
    request: Request, subject: Write, conversation_id: str, body: FileCreate, idempotency_key: RequiredIdempotencyKey
) -> JSONResponse:
    """Queues a file, only while the 24-hour window is open; sending takes the conversation over from the bot."""

    async def send() -> Outcome:
        tenant_id, service, inbox = subject.tenant_id, conversations_of(request), inbox_of(request)
        outbox: WhatsAppOutbox = request.app.state.services.whatsapp_outbox
        conversation = await service.get(tenant_id, conversation_id)
        attachment = await inbox.attachments.get(tenant_id, body.attachment_id)
        if body.caption and attachment.kind in _WORDLESS:
            detail = f"must be empty: WhatsApp shows no words with {attachment.kind}"
            raise Unprocessable("no caption goes here", errors=[FieldError("/body/caption", detail)])
        await inbox.attachments.belongs_to(attachment, conversation_id)
        media = Media(
            MediaState.STORED,
            attachment.mime_type,
            attachment.attachment_id,
            attachment.size_bytes,
            attachment.file_name,
        )
        outbox_id = await outbox.add_file(
            conversation,
            file=OutboundFile(attachment.kind, media),
            caption=body.caption,
            idempotency_key=f"api:{tenant_id}:{idempotency_key}",
        )
        message = await service.message_of_outbox(tenant_id, outbox_id)
        await service.note_author(tenant_id, message.message_id, subject.key_id)
        if conversation.owner is Owner.BOT or conversation.desk.assignee_id is None:
            await inbox.desk.take(tenant_id, conversation_id, subject.key_id, force=True)
        message = await service.message_of_outbox(tenant_id, outbox_id)
        view = MessageView.of(message, await outbox.views(tenant_id, [outbox_id]))
        return Outcome(202, view.model_dump(mode="json"))

    return await respond(request, subject.tenant_id, idempotency_key, send)
