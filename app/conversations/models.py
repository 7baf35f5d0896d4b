"""What calls and WhatsApp share: the contact, the one open conversation, its messages, and what a call left behind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Channel(StrEnum):
    """Where a message was said or written."""

    CALL = "call"
    WHATSAPP = "whatsapp"


class Direction(StrEnum):
    """Towards us or from us."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Author(StrEnum):
    """Who said it."""

    CUSTOMER = "customer"
    BOT = "bot"
    PERSON = "person"


class Owner(StrEnum):
    """Who answers the customer."""

    BOT = "bot"
    PERSON = "person"


class Status(StrEnum):
    """Whether the conversation goes on."""

    OPEN = "open"
    CLOSED = "closed"


class Reach(StrEnum):
    """What we know about the contact's WhatsApp."""

    UNKNOWN = "unknown"
    YES = "yes"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Contact:
    """A person, known by the telephone number (E.164) and, once they wrote, by the id WhatsApp gives them."""

    contact_id: str
    tenant_id: str
    phone: str
    created_at: datetime
    wa_id: str | None = None
    name: str | None = None
    language: str | None = None
    whatsapp: Reach = Reach.UNKNOWN


@dataclass(frozen=True, slots=True)
class Conversation:
    """Everything one contact and one tenant say to each other until it is closed, on whichever channel.

    `owner_version` grows with every change of `owner`; a queued bot message names the version it was written under.
    `dialogue` is the stored DialogueState of the chat, if there is one.
    """

    conversation_id: str
    tenant_id: str
    contact_id: str
    phone: str
    created_at: datetime
    updated_at: datetime
    status: Status = Status.OPEN
    owner: Owner = Owner.BOT
    owner_version: int = 0
    language: str | None = None
    agent_id: str | None = None
    handoff_reason: str | None = None
    dialogue: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One thing said or written.

    Attributes:
        message_id: `msg_<ulid>`.
        conversation_id: Where it belongs.
        channel: Call or WhatsApp.
        direction: Towards us or from us.
        author: Who.
        text: The words; a placeholder such as `[image]` for what has none.
        created_at: When we stored it, aware UTC.
        sent_at: When it was said or written, by the provider's clock, aware UTC.
        language: BCP-47, when known.
        intent: What understanding made of it.
        provider_id: The WhatsApp message id, or the call id of a spoken one.
        outbox_id: The outbox row that carries an outbound WhatsApp message.
        handled: False while what must follow an inbound message (opt-out, answer) is not finished.
    """

    message_id: str
    conversation_id: str
    channel: Channel
    direction: Direction
    author: Author
    text: str
    created_at: datetime
    sent_at: datetime
    language: str | None = None
    intent: str | None = None
    provider_id: str | None = None
    outbox_id: str | None = None
    handled: bool = True


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What a channel says about a message to append; `dedupe_key` names what may arrive twice."""

    channel: Channel
    direction: Direction
    author: Author
    text: str
    sent_at: datetime
    language: str | None = None
    intent: str | None = None
    provider_id: str | None = None
    outbox_id: str | None = None
    handled: bool = True
    dedupe_key: str | None = None


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """One turn of the call, as a person reads it. `at_ms` counts from the start of the audio."""

    author: Author
    text: str
    language: str | None = None
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class CallContext:
    """What the call knows when it hands over.

    `request_text` holds the caller's own words that asked for it, the evidence of consent; empty when nobody asked.
    """

    call_id: str
    language: str
    reason: str
    agent_id: str | None = None
    entity_name: str | None = None
    intent: str | None = None
    slots: Mapping[str, str] = field(default_factory=dict)
    transcript: tuple[TranscriptLine, ...] = ()
    request_text: str = ""
    request_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class CallSnapshot:
    """The immutable record of a call inside a conversation, attached once per call."""

    conversation_id: str
    context: CallContext
    attached_at: datetime


class HandoffStatus(StrEnum):
    """How a handoff to WhatsApp went."""

    SENT = "sent"  # Meta took the message
    QUEUED = "queued"  # stored, on its way, no answer from Meta yet
    NO_WHATSAPP = "no_whatsapp"
    NO_CONSENT = "no_consent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class HandoffResult:
    """What became of a handoff request. `message` says it in English, for logs and the agent's view."""

    status: HandoffStatus
    message: str
    conversation_id: str | None = None
    outbox_id: str | None = None
    language: str | None = None

    @property
    def on_its_way(self) -> bool:
        """Whether the caller may be told that a message comes."""
        return self.status in {HandoffStatus.SENT, HandoffStatus.QUEUED}
