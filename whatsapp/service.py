"""The way out to WhatsApp for the rest of the house: stores each message as a row, and enqueues its dispatch."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from prometheus_client import Counter

from app.compliance.suppression import Suppressions
from app.conversations.models import Author, Conversation, Media, MessageKind
from app.conversations.ports import FreeEntry, OutboxView
from app.conversations.service import ConversationService
from app.errors import AppError
from app.kit.clock import Clock
from app.kit.jobs import Jobs
from app.language.packs import Pack
from app.tenants.credentials import CredentialService
from whatsapp.costs.ledger import Costs
from whatsapp.marketing import MarketingConsent
from whatsapp.models import Kind, OutboundFile, OutboxRow
from whatsapp.outbox import OutboxStore
from whatsapp.permission import Permission
from whatsapp.template_choice import TemplateChoice
from whatsapp.templates.components import rendered
from whatsapp.templates.door import TemplateDoor
from whatsapp.viewing import outbound_message, view_of
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
        self._credentials = credentials
        self._conversations = conversations
        self._packs = packs
        self._costs = costs
        self._jobs = jobs
        self._clock = clock
        self._permission = Permission(windows, credentials, suppressions, clock)
        marketing = MarketingConsent(suppressions, conversations)
        self._templates = TemplateChoice(self._permission, conversations, packs, door, marketing)

    @property
    def refusals(self) -> Counter:
        """Counts what the rules refused, by code."""
        return self._permission.refusals

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
        await self._permission.check_reachable(conversation)
        number = await self._permission.number(conversation)
        versions = self._templates.versions(name, parameters)
        known = await self._store.by_key(conversation.tenant_id, idempotency_key)
        if known is not None:
            return await self._enqueued(known)
        choice = await self._templates.choose(conversation, name, versions, author)
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
        number = await self._permission.number(conversation)
        await self._permission.check_text(conversation.tenant_id, conversation.address, number)
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
        self,
        conversation: Conversation,
        *,
        kind: MessageKind,
        media: Media,
        caption: str,
        idempotency_key: str,
        retry_of: str | None = None,
    ) -> str:
        """Stores a person's file and enqueues its dispatch.

        Raises:
            Conflict: The 24-hour window is closed (`window_closed`), or the person opted out (`opted_out`).
            Unprocessable: The tenant has no WhatsApp number.
        """
        number = await self._permission.number(conversation)
        await self._permission.check_text(conversation.tenant_id, conversation.address, number)
        row, _ = await self._store.add(
            conversation.tenant_id,
            conversation.conversation_id,
            conversation.address,
            Kind.FILE,
            Author.PERSON,
            idempotency_key,
            text=caption,
            business_number=number,
            file=OutboundFile(kind, media),
            retry_of=retry_of,
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
            business_number=await self._permission.number(conversation),
        )
        return await self._enqueued(row)

    async def check_text(self, tenant_id: str, phone: str, business_number: str | None = None) -> None:
        """Checks that free text may go to a person now; what is refused is counted.

        Raises:
            Conflict: `window_closed` or `opted_out`.
            Unprocessable: The tenant has no WhatsApp number.
        """
        await self._permission.check_text(tenant_id, phone, business_number)

    async def text_refusal(self, tenant_id: str, phone: str, business_number: str | None = None) -> AppError | None:
        """Returns why free text may not go to a person now from a number of the tenant; None: it may."""
        return await self._permission.text_refusal(tenant_id, phone, business_number)

    async def approved_body(self, conversation: Conversation, *, name: str, language: str) -> str | None:
        """Returns what would leave for a purpose in a language, with its placeholders; None: nothing may now."""
        return await self._templates.approved_body(conversation, name=name, language=language)

    async def views(self, tenant_id: str, outbox_ids: Sequence[str]) -> dict[str, OutboxView]:
        """Returns the rows that exist, by id."""
        rows = await self._store.get_many(tenant_id, outbox_ids)
        costs = await self._costs.of_messages(tenant_id, [row.outbox_id for row in rows])
        return {row.outbox_id: view_of(row, costs.get(row.outbox_id), self._packs) for row in rows}

    async def window_expires_at(
        self, tenant_id: str, phone: str, business_number: str | None = None
    ) -> datetime | None:
        """Returns when the contact's window shuts (or shut), None if it never opened."""
        return await self._permission.window_expires_at(tenant_id, phone, business_number)

    async def free_entry(self, tenant_id: str, phone: str, business_number: str | None = None) -> FreeEntry | None:
        """Returns by which advertisement or button the contact came last; None: by none. It permits no free text."""
        return await self._permission.free_entry(tenant_id, phone, business_number)

    async def _enqueued(self, row: OutboxRow) -> str:
        await self._jobs.enqueue(DISPATCH, {"tenant_id": row.tenant_id, "outbox_id": row.outbox_id})
        return row.outbox_id
