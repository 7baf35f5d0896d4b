"""What calls and WhatsApp share: the contact, the one open conversation, its messages, and what a call left behind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.conversations.kinds import (
    Author,
    Channel,
    Direction,
    HandoffStatus,
    MediaState,
    MessageKind,
    Owner,
    Reach,
    Status,
    is_phone,
)

__all__ = [
    "Author",
    "CallContext",
    "CallSnapshot",
    "Channel",
    "Contact",
    "Conversation",
    "Desk",
    "Direction",
    "HandoffResult",
    "HandoffStatus",
    "Media",
    "MediaState",
    "Message",
    "MessageKind",
    "NewMessage",
    "Owner",
    "Reach",
    "Reaction",
    "Status",
    "TranscriptLine",
    "is_phone",
]


@dataclass(frozen=True, slots=True)
class Contact:
    """A person, known by a telephone number (E.164), by the id that WhatsApp gives them for this business, or by both.

    `merged_into` names the contact that went on when two turned out to be one person.
    """

    contact_id: str
    tenant_id: str
    phone: str | None
    created_at: datetime
    wa_id: str | None = None
    name: str | None = None
    language: str | None = None
    whatsapp: Reach = Reach.UNKNOWN
    bsuid: str | None = None
    merged_into: str | None = None

    @property
    def address(self) -> str:
        """By what the contact is reached: the number where one is known, else the business-scoped user id."""
        return self.phone or self.bsuid or ""


@dataclass(frozen=True, slots=True)
class Desk:
    """What people made of a conversation, and how long the customer has waited.

    Attributes:
        assignee_id: The member who answers.
        team_id: The team that answers.
        labels: In alphabetical order.
        snoozed_until: When it comes back; None: it is not asleep.
        wants_person_since: Since when the bot answers only because nobody is free.
        told_waiting_at: When the customer was last told how long that may take.
        unread: Messages of the customer that no person has read.
        last_message_at: When the customer or we last said something.
        waiting_since: Since when the customer waits for an answer; after a call, since its end.
        due_at: When the answer is due, in the hours of the people.
        breached_at: When it was found that nobody had answered in time.
        first_responded_at: When a person first answered.
        resolved_at: When it was resolved last.
        reopened: How often it was reopened.
        rating: How content the customer was, 1 to 5.
        rating_asked_at: When they were asked.
        writes_latin: Whether the customer writes their language in Latin letters.
    """

    assignee_id: str | None = None
    team_id: str | None = None
    labels: tuple[str, ...] = ()
    snoozed_until: datetime | None = None
    wants_person_since: datetime | None = None
    told_waiting_at: datetime | None = None
    unread: int = 0
    last_message_at: datetime | None = None
    waiting_since: datetime | None = None
    due_at: datetime | None = None
    breached_at: datetime | None = None
    first_responded_at: datetime | None = None
    resolved_at: datetime | None = None
    reopened: int = 0
    rating: int | None = None
    rating_asked_at: datetime | None = None
    writes_latin: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    """Everything one contact and one tenant say to each other until it is closed, on whichever channel.

    Attributes:
        conversation_id: `conv_<ulid>`.
        tenant_id: Whose.
        contact_id: With whom.
        address: To whom we write: the number or business-scoped id that wrote last.
        created_at: Aware UTC.
        updated_at: Of anything.
        status: Open, asleep or closed.
        owner: Who answers.
        owner_version: Grows with every change of `owner`; a queued bot message names the one it was written under.
        language: BCP-47.
        agent_id: Whose bot answers.
        handoff_reason: Why a person was wanted.
        dialogue: The stored DialogueState of the chat, if there is one.
        version: Grows with whatever people decide: owner, assignment, labels, status.
        desk: What people made of it.
        business_number: Meta's id of the number that the customer wrote to last, from which we answer; None: never.
    """

    conversation_id: str
    tenant_id: str
    contact_id: str
    address: str
    created_at: datetime
    updated_at: datetime
    status: Status = Status.OPEN
    owner: Owner = Owner.BOT
    owner_version: int = 0
    language: str | None = None
    agent_id: str | None = None
    handoff_reason: str | None = None
    dialogue: Mapping[str, Any] | None = None
    version: int = 0
    desk: Desk = field(default_factory=Desk)
    business_number: str | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """The file of a message. `attachment_id` names it in sealed storage once it is `stored`."""

    state: MediaState
    mime_type: str
    attachment_id: str | None = None
    size_bytes: int | None = None
    file_name: str | None = None
    provider_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Reaction:
    """An emoji that somebody put on a message."""

    author: Author
    emoji: str
    at: datetime


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
        kind: What it is.
        author_id: The member or key behind a person's message.
        media: Its file, if it has one.
        extra: What else it holds, JSON values: a place, contact cards, the button chosen.
        reply_to: The provider's id of the message that it answers.
        reactions: Emojis on it, at most one of each author.
        edited_at: When its author last changed it; `earlier` counts the versions before.
        earlier: How many earlier versions are kept.
        removed_at: When its author took it back.
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
    kind: MessageKind = MessageKind.TEXT
    author_id: str | None = None
    media: Media | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    reply_to: str | None = None
    reactions: tuple[Reaction, ...] = ()
    edited_at: datetime | None = None
    earlier: int = 0
    removed_at: datetime | None = None


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
    kind: MessageKind = MessageKind.TEXT
    author_id: str | None = None
    media: Media | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    reply_to: str | None = None


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
    `fetched` is what the tenant's systems answered, `sentiment` the caller's anger (0 none, 1 enough for a person),
    `escalation` the rule that brought a person in, with its evidence.
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
    fetched: Sequence[Mapping[str, Any]] = ()
    sentiment: float | None = None
    escalation: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallSnapshot:
    """The immutable record of a call inside a conversation, attached once per call."""

    conversation_id: str
    context: CallContext
    attached_at: datetime


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
