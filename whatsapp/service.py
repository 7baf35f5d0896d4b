"""The way out to WhatsApp for the rest of the house: checks what may be sent, stores the row, enqueues its dispatch."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from app.compliance.models import ConsentChannel
from app.compliance.suppression import Suppressions
from app.conversations.models import Author, Channel, Conversation, Direction, NewMessage
from app.conversations.ports import OutboxView
from app.conversations.service import ConversationService
from app.errors import Conflict, Unprocessable
from app.kit.clock import Clock
from app.kit.jobs import Jobs
from app.language.packs import Pack
from app.tenants.credentials import CredentialService
from whatsapp.models import Kind, OutboxRow, TemplateVersion
from whatsapp.outbox import OutboxStore
from whatsapp.windows import Windows

DISPATCH = "whatsapp.dispatch"


class WhatsAppOutbox:
    """Implements `app.conversations.ports.MessageOutbox`."""

    def __init__(
        self,
        store: OutboxStore,
        windows: Windows,
        credentials: CredentialService,
        suppressions: Suppressions,
        conversations: ConversationService,
        packs: Mapping[str, Pack],
        jobs: Jobs,
        clock: Clock,
    ) -> None:
        self._store = store
        self._windows = windows
        self._credentials = credentials
        self._suppressions = suppressions
        self._conversations = conversations
        self._packs = packs
        self._jobs = jobs
        self._clock = clock

    async def is_configured(self, tenant_id: str) -> bool:
        """Returns whether the tenant has a WhatsApp number."""
        return await self._credentials.whatsapp(tenant_id) is not None

    async def add_template(
        self,
        conversation: Conversation,
        *,
        name: str,
        parameters: Mapping[str, Sequence[str]],
        idempotency_key: str,
    ) -> str:
        """Stores a template message and enqueues its dispatch.

        Raises:
            Conflict: The person opted out (`opted_out`).
            Unprocessable: The parameters do not fit the template of a language.
        """
        if await self._suppressions.is_suppressed(conversation.tenant_id, conversation.phone, ConsentChannel.WHATSAPP):
            raise _opted_out()
        versions = [self._version(name, language, values) for language, values in parameters.items()]
        row, _ = await self._store.add(
            conversation.tenant_id,
            conversation.conversation_id,
            conversation.phone,
            Kind.TEMPLATE,
            Author.BOT,
            idempotency_key,
            text=filled(self._packs[versions[0].language].whatsapp_templates[name], versions[0].values),
            template=name,
            versions=versions,
        )
        return await self._enqueued(row)

    async def add_text(
        self,
        conversation: Conversation,
        *,
        text: str,
        author: Author,
        idempotency_key: str,
        last_words: bool = False,
    ) -> str:
        """Stores a free text and enqueues its dispatch.

        A bot's text carries the owner's version: it is dropped if a person takes the conversation before it leaves,
        unless it is the bot's own last word at a handover.

        Raises:
            Conflict: The 24-hour window is closed (`window_closed`), or the person opted out (`opted_out`).
            Unprocessable: The tenant has no WhatsApp number.
        """
        await self.check_text(conversation.tenant_id, conversation.phone)
        row, _ = await self._store.add(
            conversation.tenant_id,
            conversation.conversation_id,
            conversation.phone,
            Kind.TEXT,
            author,
            idempotency_key,
            text=text,
            owner_version=conversation.owner_version if author is Author.BOT and not last_words else None,
        )
        await self._conversations.append(conversation, outbound_message(row, conversation, self._clock.now()))
        return await self._enqueued(row)

    async def add_opt_out_confirmation(self, conversation: Conversation, *, text: str, idempotency_key: str) -> str:
        """Stores the one message that follows an opt-out, and enqueues its dispatch."""
        row, _ = await self._store.add(
            conversation.tenant_id,
            conversation.conversation_id,
            conversation.phone,
            Kind.OPT_OUT_CONFIRMATION,
            Author.BOT,
            idempotency_key,
            text=text,
        )
        return await self._enqueued(row)

    async def check_text(self, tenant_id: str, phone: str) -> None:
        """Checks that free text may go to a person now.

        After an opt-out only a question that the customer wrote later may be answered.

        Raises:
            Conflict: `window_closed` or `opted_out`.
            Unprocessable: The tenant has no WhatsApp number.
        """
        credentials = await self._credentials.whatsapp(tenant_id)
        if credentials is None:
            raise Unprocessable("the tenant has no WhatsApp number; PUT /v1/credentials/whatsapp first")
        window = await self._windows.get(tenant_id, credentials.phone_number_id, phone)
        if not window.is_open(self._clock.now()):
            raise Conflict(
                "the customer wrote more than 24 hours ago, or never: only an approved template may be sent",
                code="window_closed",
            )
        suppression = await self._suppressions.find(tenant_id, phone, ConsentChannel.WHATSAPP)
        if suppression is not None and (window.last_inbound_at is None or window.last_inbound_at <= suppression.since):
            raise _opted_out()

    async def views(self, tenant_id: str, outbox_ids: Sequence[str]) -> dict[str, OutboxView]:
        """Returns the rows that exist, by id."""
        rows = await self._store.get_many(tenant_id, outbox_ids)
        return {row.outbox_id: OutboxView(row.outbox_id, row.state, row.failure, row.language) for row in rows}

    async def window_expires_at(self, tenant_id: str, phone: str) -> datetime | None:
        """Returns when the contact's window shuts (or shut), None if it never opened."""
        credentials = await self._credentials.whatsapp(tenant_id)
        if credentials is None:
            return None
        return (await self._windows.get(tenant_id, credentials.phone_number_id, phone)).expires_at

    async def _enqueued(self, row: OutboxRow) -> str:
        await self._jobs.enqueue(DISPATCH, {"tenant_id": row.tenant_id, "outbox_id": row.outbox_id})
        return row.outbox_id

    def _version(self, name: str, language: str, values: Sequence[str]) -> TemplateVersion:
        pack = self._packs[language]
        body = pack.whatsapp_templates[name]
        expected = sum(f"{{{{{place}}}}}" in body for place in range(1, 10))
        cleaned = tuple(" ".join(value.split()) for value in values)
        if len(cleaned) != expected or not all(cleaned):
            raise Unprocessable(f"template {name} in {language} takes {expected} values, none of them empty")
        return TemplateVersion(language, pack.manifest.whatsapp_code, cleaned)


def _opted_out() -> Conflict:
    return Conflict("the customer opted out of WhatsApp messages", code="opted_out")


def outbound_message(row: OutboxRow, conversation: Conversation, at: datetime) -> NewMessage:
    """Returns the message of a row; at most one message exists per row."""
    return NewMessage(
        channel=Channel.WHATSAPP,
        direction=Direction.OUTBOUND,
        author=row.author,
        text=row.text,
        sent_at=at,
        language=row.language or conversation.language,
        provider_id=row.wamid,
        outbox_id=row.outbox_id,
        dedupe_key=f"outbox:{row.outbox_id}",
    )


def filled(body: str, values: Sequence[str]) -> str:
    """Returns the template as the customer reads it."""
    for place, value in enumerate(values, start=1):
        body = body.replace(f"{{{{{place}}}}}", value)
    return body
