"""Fetches the file of a message into the tenant's sealed storage, apart from the message; voice notes are written down.

A message never waits for its file; what must follow a voice note waits for its words.
"""

import base64
import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Final

import structlog

from app.conversations.attachments import Attachments, largest_of
from app.conversations.models import Direction, Media, MediaState, Message, MessageKind
from app.conversations.service import ConversationService
from app.errors import AsrError, MessagingError, NotFound, PayloadTooLarge, Unavailable, Unprocessable
from app.tenants.credentials import CredentialService
from app.tenants.models import WhatsAppCredentials
from whatsapp.graph_media import GraphMedia, MediaFacts, MediaGone, MediaTooLarge
from whatsapp.media import Fetch, MediaFetches
from whatsapp.ports import VoiceNotes
from whatsapp.receiving import Receiving

_STRANDED: Final = timedelta(seconds=120)
_CUSTOMER: Final = "customer"
_log = structlog.get_logger(__name__)


class MediaFetcher:
    """Run by the job `whatsapp.fetch_media`, once per file however often it is called."""

    def __init__(
        self,
        fetches: MediaFetches,
        graph: GraphMedia,
        credentials: CredentialService,
        conversations: ConversationService,
        attachments: Attachments,
        receiving: Receiving,
        notes: VoiceNotes,
    ) -> None:
        self._fetches = fetches
        self._graph = graph
        self._credentials = credentials
        self._conversations = conversations
        self._attachments = attachments
        self._receiving = receiving
        self._notes = notes

    async def fetch(self, tenant_id: str, message_id: str) -> None:
        """Fetches a file if it still waits; a failure that may pass is tried again until Meta keeps the file no longer.

        Raises:
            AppError: What follows a voice note met a passing failure; the job comes again.
        """
        fetch = await self._fetches.get(tenant_id, message_id)
        if fetch is None:
            return
        try:
            message = await self._conversations.message(tenant_id, message_id)
        except NotFound:
            await self._fetches.done(fetch)
            return
        media = message.media
        if media is not None and media.state is MediaState.PENDING:
            try:
                media = await self._stored(fetch, message, media)
            except Unavailable as error:
                if not self._fetches.is_over(fetch):
                    _log.info("whatsapp.media_waits", tenant_id=tenant_id, message_id=message_id, reason=error.detail)
                    await self._fetches.again(fetch)
                    return
                media = replace(media, state=MediaState.LOST, reason="Meta did not give the file in seven days")
            await self._conversations.note_media(tenant_id, message_id, media)
        if message.kind is MessageKind.VOICE and message.direction is Direction.INBOUND:
            words = await self._words(fetch, message, media)
            await self._receiving.follow(tenant_id, message, words, answerable=True)
        await self._fetches.done(fetch)

    async def sweep(self) -> int:
        """Takes up files whose job was lost; returns how many."""
        return await self._fetches.sweep(_STRANDED)

    async def _stored(self, fetch: Fetch, message: Message, media: Media) -> Media:
        """Returns the media as it stands after fetching: stored, refused or lost.

        Raises:
            Unavailable: It may still come.
        """
        credentials = await self._credentials.whatsapp(fetch.tenant_id, fetch.phone_number_id)
        if credentials is None:
            return replace(media, state=MediaState.LOST, reason="the WhatsApp number is gone")
        try:
            facts = await self._graph.facts(credentials, fetch.provider_id)
            content, mime_type = await self._content(credentials, facts, media)
            attachment = await self._attachments.add(
                fetch.tenant_id,
                content,
                mime_type,
                created_by=_CUSTOMER if message.direction is Direction.INBOUND else "person",
                file_name=media.file_name,
                conversation_id=message.conversation_id,
            )
        except MediaGone as error:
            return replace(media, state=MediaState.LOST, reason=error.detail)
        except (MediaTooLarge, PayloadTooLarge, Unprocessable) as error:
            return replace(media, state=MediaState.REFUSED, reason=error.detail)
        return replace(
            media,
            state=MediaState.STORED,
            mime_type=attachment.mime_type,
            attachment_id=attachment.attachment_id,
            size_bytes=attachment.size_bytes,
        )

    async def _content(self, credentials: WhatsAppCredentials, facts: MediaFacts, media: Media) -> tuple[bytes, str]:
        mime_type = facts.mime_type or media.mime_type
        largest = largest_of(mime_type)
        if facts.size_bytes is not None and facts.size_bytes > largest:
            raise MediaTooLarge(f"files of type {mime_type} have at most {largest} bytes")
        content = await self._graph.content(credentials, facts.url, largest)
        if facts.sha256 is not None and not _same(content, facts.sha256):
            raise Unavailable("the file came damaged")
        return content, mime_type

    async def _words(self, fetch: Fetch, message: Message, media: Media | None) -> str | None:
        """Returns what a voice note says, once it is stored; None where it says nothing that we understand."""
        if media is None or media.attachment_id is None:
            return None
        try:
            attachment = await self._attachments.get(fetch.tenant_id, media.attachment_id)
            words = await self._notes.written(await self._attachments.content(attachment))
        except (AsrError, MessagingError, NotFound, Unprocessable) as error:
            _log.warning("whatsapp.voice_note_not_written", tenant_id=fetch.tenant_id, code=error.code)
            return None
        if not words:
            return None
        await self._conversations.note_transcript(fetch.tenant_id, message.message_id, words, message.language)
        return words


def _same(content: bytes, told: str) -> bool:
    """Returns whether a hash of Meta's is the content's; webhooks write it in base64, the Graph API in hexadecimals."""
    digest = hashlib.sha256(content).digest()
    return told in (digest.hex(), base64.b64encode(digest).decode())
