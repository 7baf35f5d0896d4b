"""Conversations on the wire: the list, the agent's view, the messages."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from app.conversations.models import CallSnapshot, Contact, Conversation, Message
from app.conversations.ports import OutboxView


class ConversationView(BaseModel):
    """A conversation in a list."""

    id: str = Field(examples=["conv_01k4n5c9t2v8x7q6m3b1a0zdef"])
    contact_id: str
    phone: str
    status: Literal["open", "closed"]
    owner: Literal["bot", "person"]
    language: str | None
    agent_id: str | None
    handoff_reason: str | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, conversation: Conversation) -> Self:
        """Returns the wire form."""
        return cls(
            id=conversation.conversation_id,
            contact_id=conversation.contact_id,
            phone=conversation.phone,
            status=conversation.status.value,
            owner=conversation.owner.value,
            language=conversation.language,
            agent_id=conversation.agent_id,
            handoff_reason=conversation.handoff_reason,
            created_at=conversation.created_at,
            updated_at=conversation.updated_at,
        )


class ContactView(BaseModel):
    """The person."""

    id: str
    phone: str
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


class CallView(BaseModel):
    """What a call left for the person who goes on."""

    call_id: str
    reason: str = Field(examples=["human_agent"])
    language: str
    intent: str | None
    slots: dict[str, str]
    request_text: str = Field(description="The caller's own words that asked for the handover.")
    transcript: list[TranscriptLineView]
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
            attached_at=snapshot.attached_at,
        )


class WindowView(BaseModel):
    """WhatsApp's 24-hour window: free text may be sent while it is open."""

    open: bool
    expires_at: datetime | None


class ConversationDetail(ConversationView):
    """The agent's view: who, in which language, what the calls were about, and whether free text may be sent."""

    contact: ContactView
    calls: list[CallView]
    whatsapp_window: WindowView


class DeliveryView(BaseModel):
    """How far an outbound WhatsApp message got."""

    state: Literal["queued", "sending", "sent", "delivered", "read", "failed", "unknown"]
    failure: str | None = Field(description="Why it failed, as a stable name.", examples=["window_closed"])


class MessageView(BaseModel):
    """One thing said or written."""

    id: str = Field(examples=["msg_01k4n5c9t2v8x7q6m3b1a0zdef"])
    conversation_id: str
    channel: Literal["call", "whatsapp"]
    direction: Literal["inbound", "outbound"]
    author: Literal["customer", "bot", "person"]
    text: str
    language: str | None
    intent: str | None
    sent_at: datetime = Field(description="By the provider's clock.")
    created_at: datetime = Field(description="When it reached us.")
    delivery: DeliveryView | None

    @classmethod
    def of(cls, message: Message, outbox: Mapping[str, OutboxView]) -> Self:
        """Returns the wire form.

        Args:
            message: The message.
            outbox: Outbox rows by id, for the delivery.
        """
        row = outbox.get(message.outbox_id or "")
        return cls(
            id=message.message_id,
            conversation_id=message.conversation_id,
            channel=message.channel.value,
            direction=message.direction.value,
            author=message.author.value,
            text=message.text,
            language=message.language,
            intent=message.intent,
            sent_at=message.sent_at,
            created_at=message.created_at,
            delivery=DeliveryView(state=row.state.value, failure=row.failure) if row else None,
        )


class MessageCreate(BaseModel):
    """A free text of a person to the customer's WhatsApp."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=4096)


class ConversationPatch(BaseModel):
    """Gives the conversation to the bot or a person, or closes it."""

    model_config = ConfigDict(extra="forbid")

    owner: Literal["bot", "person"] | None = None
    status: Literal["closed"] | None = None
