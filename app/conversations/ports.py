"""What conversations need from above: a way out to WhatsApp and the tenant's templates; the root wires them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from app.conversations.models import Author, Conversation


class OutboxState(StrEnum):
    """How far an outbound WhatsApp message got."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    UNKNOWN = "unknown"  # the send's answer was lost; a status webhook will tell


@dataclass(frozen=True, slots=True)
class OutboxView:
    """An outbox row as others see it. `failure` is a stable name such as `window_closed`."""

    outbox_id: str
    state: OutboxState
    failure: str | None = None
    language: str | None = None


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
    ) -> str:
        """Stores a template message and enqueues its dispatch.

        Args:
            conversation: To whom.
            name: The template's name in the packs.
            parameters: BCP-47 tag -> values of {{1}}, {{2}} ... in that language; the first tag is the first choice,
                the others are tried in order where the template is not approved.
            idempotency_key: Names this message.

        Returns:
            The outbox id.
        """
        ...

    async def add_text(self, conversation: Conversation, *, text: str, author: Author, idempotency_key: str) -> str:
        """Stores a free text and enqueues its dispatch.

        Raises:
            Conflict: The 24-hour window is closed (`window_closed`), or the person opted out (`opted_out`).
            Unprocessable: The tenant has no WhatsApp number.
        """
        ...

    async def views(self, tenant_id: str, outbox_ids: Sequence[str]) -> dict[str, OutboxView]:
        """Returns the rows that exist, by id."""
        ...

    async def window_expires_at(self, tenant_id: str, phone: str) -> datetime | None:
        """Returns when the contact's window shuts (or shut), None if it never opened."""
        ...


class Topics(Protocol):
    """What a conversation is about, in words of a language; the packs know."""

    def phrase(self, language: str, intent: str | None, slots: Mapping[str, str]) -> str:
        """Returns a short noun phrase such as "your order 4512", in `language` (BCP-47)."""
        ...
