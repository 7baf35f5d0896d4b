"""The way out to WhatsApp for the rest of the house: checks what may be sent, stores the row, enqueues its dispatch."""

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime

from prometheus_client import Counter

from app.compliance.models import ConsentChannel
from app.compliance.suppression import Suppressions
from app.conversations.models import Author, Channel, Conversation, Direction, MessageKind, NewMessage, Owner
from app.conversations.ports import FreeEntry, OutboxView
from app.conversations.service import ConversationService
from app.errors import AppError, Conflict, Unprocessable
from app.kit.clock import Clock
from app.kit.jobs import Jobs
from app.language.packs import Pack
from app.tenants.credentials import CredentialService
from app.tenants.models import WhatsAppCredentials
from whatsapp.costs.ledger import Costs
from whatsapp.marketing import MarketingConsent
from whatsapp.models import Kind, OutboundFile, OutboxRow, TemplateVersion
from whatsapp.outbox import OutboxStore
from whatsapp.templates.components import rendered
from whatsapp.templates.door import Choice, TemplateDoor
from whatsapp.viewing import view_of
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
        door: TemplateDoor,
        costs: Costs,
        jobs: Jobs,
        clock: Clock,
    ) -> None:
        self._store = store
        self._windows = windows
        self._credentials = credentials
        self._suppressions = suppressions
        self._conversations = conversations
        self._marketing = MarketingConsent(suppressions, conversations)
        self._packs = packs
        self._door = door
        self._costs = costs
        self._jobs = jobs
        self._clock = clock
        self.refusals = Counter(
            "vaanisetu_whatsapp_refusals_total", "Messages refused by the rules", ("code",), registry=None
        )

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
        author: Author = Author.BOT,
        retry_of: str | None = None,
    ) -> str:
        """Stores a template message and enqueues its dispatch; a person's is shown at once, before Meta took it.

        Raises:
            Conflict: The person opted out (`opted_out`), wants no marketing (`opted_out_at_meta`, `no_consent`), or no
                template may be sent (`template_not_approved`): a bot's conversation then goes to a person.
            Unprocessable: The parameters do not fit the template of a language.
        """
        if await self._suppressions.is_suppressed(
            conversation.tenant_id, conversation.address, ConsentChannel.WHATSAPP
        ):
            self.refusals.labels("opted_out").inc()
            raise _opted_out()
        number = await self._number(conversation)
        versions = [self._version(name, language, values) for language, values in parameters.items()]
        known = await self._store.by_key(conversation.tenant_id, idempotency_key)
        if known is not None:
            return await self._enqueued(known)
        choice = await self._choice(conversation, name, versions, author)
        try:
            await self._marketing.check(
                conversation.tenant_id, conversation.conversation_id, conversation.address, choice.template
            )
        except Conflict as error:
            self.refusals.labels(error.code).inc()
            raise
        row, _ = await self._store.add(
            conversation.tenant_id,
            conversation.conversation_id,
            conversation.address,
            Kind.TEMPLATE,
            author,
            idempotency_key,
            text=rendered(choice.template.facts, choice.version.values),
            template=name,
            versions=versions,
            business_number=number,
            retry_of=retry_of,
        )
        if author is Author.PERSON:
            await self._conversations.append(conversation, outbound_message(row, conversation, self._clock.now()))
        return await self._enqueued(row)

    async def add_text(
        self,
        conversation: Conversation,
        *,
        text: str,
        author: Author,
        idempotency_key: str,
        last_words: bool = False,
        retry_of: str | None = None,
    ) -> str:
        """Stores a free text and enqueues its dispatch.

        A bot's text carries the owner's version: it is dropped if a person takes the conversation before it leaves,
        unless it is the bot's own last word at a handover.

        Raises:
            Conflict: The 24-hour window is closed (`window_closed`), or the person opted out (`opted_out`).
            Unprocessable: The tenant has no WhatsApp number.
        """
        number = await self._number(conversation)
        await self.check_text(conversation.tenant_id, conversation.address, number)
        row, _ = await self._store.add(
            conversation.tenant_id,
            conversation.conversation_id,
            conversation.address,
            Kind.TEXT,
            author,
            idempotency_key,
            text=text,
            owner_version=conversation.owner_version if author is Author.BOT and not last_words else None,
            business_number=number,
            retry_of=retry_of,
        )
        await self._conversations.append(conversation, outbound_message(row, conversation, self._clock.now()))
        return await self._enqueued(row)

    async def add_file(
        self, conversation: Conversation, *, file: OutboundFile, caption: str, idempotency_key: str
    ) -> str:
        """Stores a person's file and enqueues its dispatch.

        Raises:
            Conflict: The 24-hour window is closed (`window_closed`), or the person opted out (`opted_out`).
            Unprocessable: The tenant has no WhatsApp number.
        """
        number = await self._number(conversation)
        await self.check_text(conversation.tenant_id, conversation.address, number)
        row, _ = await self._store.add(
            conversation.tenant_id,
            conversation.conversation_id,
            conversation.address,
            Kind.FILE,
            Author.PERSON,
            idempotency_key,
            text=caption,
            business_number=number,
            file=file,
        )
        await self._conversations.append(conversation, outbound_message(row, conversation, self._clock.now()))
        return await self._enqueued(row)

    async def add_opt_out_confirmation(self, conversation: Conversation, *, text: str, idempotency_key: str) -> str:
        """Stores the one message that follows an opt-out, and enqueues its dispatch."""
        row, _ = await self._store.add(
            conversation.tenant_id,
            conversation.conversation_id,
            conversation.address,
            Kind.OPT_OUT_CONFIRMATION,
            Author.BOT,
            idempotency_key,
            text=text,
            business_number=await self._number(conversation),
        )
        return await self._enqueued(row)

    async def check_text(self, tenant_id: str, phone: str, business_number: str | None = None) -> None:
        """Checks that free text may go to a person now; what is refused is counted.

        Raises:
            Conflict: `window_closed` or `opted_out`.
            Unprocessable: The tenant has no WhatsApp number.
        """
        refusal = await self.text_refusal(tenant_id, phone, business_number)
        if refusal is not None:
            if isinstance(refusal, Conflict):
                self.refusals.labels(refusal.code).inc()
            raise refusal

    async def text_refusal(self, tenant_id: str, phone: str, business_number: str | None = None) -> AppError | None:
        """Returns why free text may not go to a person now from a number of the tenant; None: it may.

        After an opt-out only a question that the customer wrote later may be answered.
        """
        credentials = await self._sending(tenant_id, business_number)
        if credentials is None:
            return Unprocessable(
                "the tenant has no WhatsApp number; PUT /v1/credentials/whatsapp first", code="no_whatsapp_number"
            )
        window = await self._windows.get(tenant_id, credentials.phone_number_id, phone)
        if not window.is_open(self._clock.now()):
            return Conflict(
                "the customer wrote more than 24 hours ago, or never: only an approved template may be sent",
                code="window_closed",
            )
        suppression = await self._suppressions.find(tenant_id, phone, ConsentChannel.WHATSAPP)
        if suppression is not None and (window.last_inbound_at is None or window.last_inbound_at <= suppression.since):
            return _opted_out()
        return None

    async def approved_body(self, conversation: Conversation, *, name: str, language: str) -> str | None:
        """Returns what would leave for a purpose in a language, with its placeholders; None: nothing may now."""
        pack = self._packs[language]
        examples = pack.templates[name].examples
        version = TemplateVersion(language, pack.manifest.whatsapp_code, examples)
        credentials = await self._sending(conversation.tenant_id, conversation.business_number)
        account_id = credentials.business_account_id if credentials else None
        try:
            choice = await self._door.choose(conversation.tenant_id, account_id, name, [version])
        except Conflict:
            return None
        return rendered(choice.template.facts, [f"{{{{{place}}}}}" for place in range(1, len(examples) + 1)])

    async def views(self, tenant_id: str, outbox_ids: Sequence[str]) -> dict[str, OutboxView]:
        """Returns the rows that exist, by id."""
        rows = await self._store.get_many(tenant_id, outbox_ids)
        costs = await self._costs.of_messages(tenant_id, [row.outbox_id for row in rows])
        return {row.outbox_id: view_of(row, costs.get(row.outbox_id), self._packs) for row in rows}

    async def window_expires_at(
        self, tenant_id: str, phone: str, business_number: str | None = None
    ) -> datetime | None:
        """Returns when the contact's window shuts (or shut), None if it never opened."""
        credentials = await self._sending(tenant_id, business_number)
        if credentials is None:
            return None
        return (await self._windows.get(tenant_id, credentials.phone_number_id, phone)).expires_at

    async def free_entry(self, tenant_id: str, phone: str, business_number: str | None = None) -> FreeEntry | None:
        """Returns by which advertisement or button the contact came last; None: by none. It permits no free text."""
        credentials = await self._sending(tenant_id, business_number)
        if credentials is None:
            return None
        point = await self._windows.entries.get(tenant_id, credentials.phone_number_id, phone)
        if point.came_at is None:
            return None
        return FreeEntry(point.source or "", point.source_id or "", point.came_at, point.answer_by, point.free_until)

    async def _sending(self, tenant_id: str, business_number: str | None) -> WhatsAppCredentials | None:
        """Returns the number that was written to, or the tenant's first where that one is not theirs any more."""
        own = await self._credentials.whatsapp(tenant_id, business_number)
        return own if own is not None or business_number is None else await self._credentials.whatsapp(tenant_id)

    async def _number(self, conversation: Conversation) -> str | None:
        """Returns Meta's id of the number that a conversation is answered from."""
        credentials = await self._sending(conversation.tenant_id, conversation.business_number)
        return credentials.phone_number_id if credentials else None

    async def _choice(
        self, conversation: Conversation, name: str, versions: Sequence[TemplateVersion], author: Author
    ) -> Choice:
        """Returns what may leave; where nothing may, a person has to reach the customer in another way.

        Raises:
            Conflict: Nothing may (`template_not_approved`).
        """
        credentials = await self._sending(conversation.tenant_id, conversation.business_number)
        account_id = credentials.business_account_id if credentials else None
        try:
            return await self._door.choose(conversation.tenant_id, account_id, name, versions)
        except Conflict as error:
            self.refusals.labels(error.code).inc()
            if author is Author.BOT and conversation.owner is Owner.BOT:
                with contextlib.suppress(Conflict):
                    await self._conversations.hand_to(conversation, Owner.PERSON, reason=error.code)
            raise

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
    kind, media, text = MessageKind.TEXT, None, row.text
    if row.file is not None:
        kind, media, text = row.file.kind, row.file.media, f"[{row.file.kind}] {row.text}".rstrip()
    return NewMessage(
        channel=Channel.WHATSAPP,
        direction=Direction.OUTBOUND,
        author=row.author,
        text=text,
        kind=kind,
        media=media,
        sent_at=at,
        language=row.language or conversation.language,
        provider_id=row.wamid,
        outbox_id=row.outbox_id,
        dedupe_key=f"outbox:{row.outbox_id}",
    )
