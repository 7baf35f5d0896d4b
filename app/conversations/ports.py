"""What conversations need from above: a way out to WhatsApp, the tenant's templates, storage of files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from app.conversations.models import Author, Conversation, Media, MessageKind
from app.errors import AppError


class OutboxState(StrEnum):
    """How far an outbound WhatsApp message got."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    PLAYED = "played"  # a voice message was listened to
    FAILED = "failed"
    UNKNOWN = "unknown"  # the send's answer was lost; a status webhook will tell


@dataclass(frozen=True, slots=True)
class MessageCost:
    """How Meta billed a delivered message; `amount_micros` are millionths of `currency`, None where no rate holds."""

    category: str
    kind: str
    billable: bool
    amount_micros: int | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class OutboxView:
    """An outbox row as others see it.

    Attributes:
        outbox_id: Which.
        state: How far it got.
        failure: Why it failed, as a stable name such as `window_closed`.
        language: BCP-47; of a template the one really used, once it left.
        error_code: Meta's code of the failure; None if our own rules refused.
        remedy: What follows from the failure, such as `retry` or `fix`.
        failure_texts: BCP-47 tag -> what an agent should know and may do instead.
        template: Meta's name of the template that was really sent, or tried last.
        cost: How it was billed; None before it was delivered.
        retry_of: The row that somebody had sent again by this one.
    """

    outbox_id: str
    state: OutboxState
    failure: str | None = None
    language: str | None = None
    error_code: int | None = None
    remedy: str | None = None
    failure_texts: Mapping[str, str] = field(default_factory=dict)
    template: str | None = None
    cost: MessageCost | None = None
    retry_of: str | None = None


@dataclass(frozen=True, slots=True)
class FreeEntry:
    """A customer came by an advertisement or a button: Meta charges nothing for 72 hours from an answer within 24.

    Attributes:
        source: ad, post ... as Meta names it.
        source_id: Meta's id of it.
        came_at: When they came.
        answer_by: Until when an answer opens it; None: it was answered.
        free_until: Until when messages are free; None: not yet answered, or not in time.
    """

    source: str
    source_id: str
    came_at: datetime
    answer_by: datetime | None
    free_until: datetime | None


class MessageOutbox(Protocol):
    """The durable queue of outbound WhatsApp messages. A repeated idempotency key returns the first row's id."""

    async def is_configured(self, tenant_id: str) -> bool:
        """Returns whether the tenant has a WhatsApp number."""
        ...

    async def add_template(
        self,
        conversation: Conversation,
        *,
        name: str,
        parameters: Mapping[str, Sequence[str]],
        idempotency_key: str,
        author: Author = Author.BOT,
    ) -> str:
        """Stores a template message and enqueues its dispatch; a person's is shown at once, before Meta took it.

        Args:
            conversation: To whom.
            name: The template's name in the packs.
            parameters: BCP-47 tag -> values of {{1}}, {{2}} ... in that language; the first tag is the first choice,
                the others are tried in order where the template is not approved.
            idempotency_key: Names this message.
            author: The bot, or the person who picked it.

        Returns:
            The outbox id.
        """
        ...

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

        A bot's text is dropped if a person takes the conversation before it leaves, unless it is its `last_words`.

        Raises:
            Conflict: The 24-hour window is closed (`window_closed`), or the person opted out (`opted_out`).
            Unprocessable: The tenant has no WhatsApp number.
        """
        ...

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
        """Queues a person's stored file; returns the outbox id.

        Raises:
            Conflict: The 24-hour window is closed (`window_closed`), or the person opted out (`opted_out`).
            Unprocessable: The tenant has no WhatsApp number.
        """
        ...

    async def text_refusal(self, tenant_id: str, phone: str, business_number: str | None = None) -> AppError | None:
        """Returns why free text may not go to a person now (`window_closed`, `opted_out`); None: it may.

        Args:
            tenant_id: Whose.
            phone: The contact's address.
            business_number: From which of the tenant's numbers; None: the first.
        """
        ...

    async def approved_body(self, conversation: Conversation, *, name: str, language: str) -> str | None:
        """Returns what would leave as a template of the packs, with {{1}}, {{2}} ...; None: nothing may now."""
        ...

    async def views(self, tenant_id: str, outbox_ids: Sequence[str]) -> dict[str, OutboxView]:
        """Returns the rows that exist, by id."""
        ...

    async def window_expires_at(
        self, tenant_id: str, phone: str, business_number: str | None = None
    ) -> datetime | None:
        """Returns when the contact's window shuts (or shut), None if it never opened.

        Args:
            tenant_id: Whose.
            phone: The contact's address.
            business_number: Towards which of the tenant's numbers; None: the first.
        """
        ...

    async def free_entry(self, tenant_id: str, phone: str, business_number: str | None = None) -> FreeEntry | None:
        """Returns by what the contact came last, for billing; None: by nothing. It permits no free text."""
        ...


class FileStore(Protocol):
    """Sealed storage of files by tenant and id."""

    async def put(self, tenant_id: str, file_id: str, content: bytes) -> None:
        """Stores a file, whole or not at all."""
        ...

    async def get(self, tenant_id: str, file_id: str) -> bytes:
        """Returns a file.

        Raises:
            NotFound: There is none.
        """
        ...

    async def delete(self, tenant_id: str, file_id: str) -> None:
        """Deletes a file; fine if there is none."""
        ...


class Topics(Protocol):
    """What a conversation is about, in words of a language; the packs know."""

    def phrase(self, language: str, intent: str | None, slots: Mapping[str, str]) -> str:
        """Returns a short noun phrase such as "your order 4512", in `language` (BCP-47)."""
        ...
