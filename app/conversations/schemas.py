"""Conversations on the wire: the list, the agent's view, the messages."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from app.conversations.models import CallSnapshot, Contact, Conversation, is_phone
from app.conversations.ports import FreeEntry


class ConversationView(BaseModel):
    """A conversation in a list."""

    id: str = Field(examples=["conv_01k4n5c9t2v8x7q6m3b1a0zdef"])
    contact_id: str
    phone: str | None = Field(description="E.164; null where WhatsApp names only a business-scoped id.")
    business_number: str | None = Field(description="Meta's id of the WhatsApp number that was written to last.")
    status: Literal["open", "snoozed", "closed"]
    owner: Literal["bot", "person"]
    language: str | None
    agent_id: str | None
    handoff_reason: str | None
    version: int = Field(description="Grows with what people decide; send it as If-Match.")
    assignee_id: str | None = Field(description="The member who answers.")
    team_id: str | None
    labels: list[str]
    snoozed_until: datetime | None
    waiting_for_person_since: datetime | None = Field(description="Since when the bot answers only as nobody is free.")
    unread: int = Field(description="Messages of the customer that no person has read.")
    last_message_at: datetime | None
    waiting_since: datetime | None = Field(description="Since when the customer waits; after a call, since its end.")
    due_at: datetime | None = Field(description="When a person's answer is due.")
    breached_at: datetime | None = Field(description="When it was found that nobody had answered in time.")
    first_responded_at: datetime | None
    resolved_at: datetime | None
    reopened: int
    rating: int | None = Field(description="How content the customer was, 1 to 5.")
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, conversation: Conversation) -> Self:
        """Returns the wire form."""
        desk = conversation.desk
        return cls(
            id=conversation.conversation_id,
            contact_id=conversation.contact_id,
            phone=conversation.address if is_phone(conversation.address) else None,
            business_number=conversation.business_number,
            status=conversation.status.value,
            owner=conversation.owner.value,
            language=conversation.language,
            agent_id=conversation.agent_id,
            handoff_reason=conversation.handoff_reason,
            version=conversation.version,
            assignee_id=desk.assignee_id,
            team_id=desk.team_id,
            labels=list(desk.labels),
            snoozed_until=desk.snoozed_until,
            waiting_for_person_since=desk.wants_person_since,
            unread=desk.unread,
            last_message_at=desk.last_message_at,
            waiting_since=desk.waiting_since,
            due_at=desk.due_at,
            breached_at=desk.breached_at,
            first_responded_at=desk.first_responded_at,
            resolved_at=desk.resolved_at,
            reopened=desk.reopened,
            rating=desk.rating,
            created_at=conversation.created_at,
            updated_at=conversation.updated_at,
        )


class ContactView(BaseModel):
    """The person."""

    id: str
    phone: str | None = Field(description="E.164; null where WhatsApp names only a business-scoped id.")
    name: str | None
    wa_id: str | None
    language: str | None
    whatsapp: Literal["unknown", "yes", "no"] = Field(description="Whether the number can be reached on WhatsApp.")

    @classmethod
    def of(cls, contact: Contact) -> Self:
        """Returns the wire form."""
        return cls(
            id=contact.contact_id,
            phone=contact.phone,
            name=contact.name,
            wa_id=contact.wa_id,
            language=contact.language,
            whatsapp=contact.whatsapp.value,
        )


class TranscriptLineView(BaseModel):
    """One turn of a call."""

    author: Literal["customer", "bot", "person"]
    text: str
    language: str | None
    at_ms: int | None


class CallSnapshotView(BaseModel):
    """What a call left for the person who goes on."""

    call_id: str
    reason: str = Field(examples=["human_agent"])
    language: str
    intent: str | None
    slots: dict[str, str]
    request_text: str = Field(description="The caller's own words that asked for the handover.")
    transcript: list[TranscriptLineView]
    fetched: list[dict[str, Any]] = Field(description="What the tenant's systems answered during the call.")
    sentiment: float | None = Field(description="Anger in words and voice: 0 none, 1 enough to bring a person in.")
    escalation: dict[str, Any] = Field(description="The rule that brought a person in, what was heard, its evidence.")
    attached_at: datetime

    @classmethod
    def of(cls, snapshot: CallSnapshot) -> Self:
        """Returns the wire form."""
        context = snapshot.context
        return cls(
            call_id=context.call_id,
            reason=context.reason,
            language=context.language,
            intent=context.intent,
            slots=dict(context.slots),
            request_text=context.request_text,
            transcript=[
                TranscriptLineView(author=line.author.value, text=line.text, language=line.language, at_ms=line.at_ms)
                for line in context.transcript
            ],
            fetched=[dict(entry) for entry in context.fetched],
            sentiment=context.sentiment,
            escalation=dict(context.escalation),
            attached_at=snapshot.attached_at,
        )


class FreeEntryView(BaseModel):
    """The customer came by an advertisement or button; an answer within 24 hours makes 72 hours free of charge."""

    source: str = Field(description="As Meta names it.", examples=["ad"])
    source_id: str = Field(examples=["120208123456"])
    came_at: datetime
    answer_by: datetime | None = Field(description="Until when an answer opens it; null: it was answered.")
    free_until: datetime | None = Field(description="Until when messages are free; null: not opened.")

    @classmethod
    def of(cls, entry: FreeEntry) -> Self:
        """Returns the wire form."""
        return cls(
            source=entry.source,
            source_id=entry.source_id,
            came_at=entry.came_at,
            answer_by=entry.answer_by,
            free_until=entry.free_until,
        )


class WindowView(BaseModel):
    """WhatsApp's 24-hour window: free text may be sent while it is open."""

    open: bool
    expires_at: datetime | None
    free_entry_point: FreeEntryView | None = Field(description="For billing; it does not open the window.")


class ConversationDetail(ConversationView):
    """The agent's view: who, in which language, what the calls were about, and whether free text may be sent."""

    contact: ContactView
    calls: list[CallSnapshotView]
    whatsapp_window: WindowView
