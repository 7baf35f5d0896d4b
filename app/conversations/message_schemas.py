"""Messages on the wire: what was said and written, with files, reactions, edits and delivery."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from app.conversations.models import Media, Message
from app.conversations.ports import MessageCost, OutboxView


class CostView(BaseModel):
    """How Meta billed a message."""

    category: str = Field(examples=["utility"])
    kind: str = Field(description="regular, free_customer_service, free_entry_point.", examples=["regular"])
    billable: bool
    amount_micros: int | None = Field(description="Millionths of the currency's unit; null: no rate was entered.")
    currency: str | None = Field(examples=["INR"])

    @classmethod
    def of(cls, cost: MessageCost) -> Self:
        """Returns the wire form."""
        return cls(
            category=cost.category,
            kind=cost.kind,
            billable=cost.billable,
            amount_micros=cost.amount_micros,
            currency=cost.currency,
        )


class DeliveryView(BaseModel):
    """How far an outbound WhatsApp message got."""

    state: Literal["queued", "sending", "sent", "delivered", "read", "played", "failed", "unknown"]
    failure: str | None = Field(description="Why it failed, as a stable name.", examples=["window_closed"])
    error_code: int | None = Field(description="Meta's code of the failure; null: our own rules.", examples=[131047])
    remedy: str | None = Field(description="What follows from the failure.", examples=["close_window"])
    failure_texts: dict[str, str] = Field(
        description="By language: why it failed and what may be done instead, for the agent.",
        examples=[{"en-IN": "The customer last wrote more than 24 hours ago. Only an approved template can be sent."}],
    )

    template: str | None = Field(description="Meta's name of the template that was really sent.")
    cost: CostView | None = Field(description="How it was billed; null before it was delivered.")
    retry_of: str | None = Field(description="The outbox id of the message that was sent again by this one.")

    @classmethod
    def of(cls, row: OutboxView) -> Self:
        """Returns the wire form."""
        return cls(
            state=row.state.value,
            failure=row.failure,
            error_code=row.error_code,
            remedy=row.remedy,
            failure_texts=dict(row.failure_texts),
            template=row.template,
            cost=CostView.of(row.cost) if row.cost else None,
            retry_of=row.retry_of,
        )


class MediaView(BaseModel):
    """The file of a message: fetch it by `attachment_id` once it is `stored`."""

    state: Literal["pending", "stored", "refused", "lost"]
    mime_type: str
    attachment_id: str | None
    size_bytes: int | None
    file_name: str | None
    reason: str | None = Field(description="Why it was refused or lost.")

    @classmethod
    def of(cls, media: Media) -> Self:
        """Returns the wire form."""
        return cls(
            state=media.state.value,
            mime_type=media.mime_type,
            attachment_id=media.attachment_id,
            size_bytes=media.size_bytes,
            file_name=media.file_name,
            reason=media.reason,
        )


class ReactionView(BaseModel):
    """An emoji on a message."""

    author: Literal["customer", "bot", "person", "system"]
    emoji: str
    at: datetime


class MessageView(BaseModel):
    """One thing said or written."""

    id: str = Field(examples=["msg_01k4n5c9t2v8x7q6m3b1a0zdef"])
    conversation_id: str
    channel: Literal["call", "whatsapp"]
    direction: Literal["inbound", "outbound", "internal"]
    author: Literal["customer", "bot", "person", "system"]
    kind: str = Field(description="text, template, image, voice, note, event ...", examples=["text"])
    author_id: str | None = Field(description="The member or API key behind a person's message or an event.")
    text: str = Field(description="The words; of an event what happened, such as `taken_over`; empty once removed.")
    media: MediaView | None
    extra: dict[str, Any] = Field(description="A place, contact cards, the button chosen, what an event changed.")
    reply_to: str | None = Field(description="WhatsApp's id of the message that it answers.")
    reactions: list[ReactionView]
    edited_at: datetime | None
    earlier_versions: int
    removed_at: datetime | None
    language: str | None
    intent: str | None
    provider_id: str | None
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
            kind=message.kind.value,
            author_id=message.author_id,
            text="" if message.removed_at else message.text,
            media=MediaView.of(message.media) if message.media else None,
            extra=dict(message.extra),
            reply_to=message.reply_to,
            reactions=[
                ReactionView(author=reaction.author.value, emoji=reaction.emoji, at=reaction.at)
                for reaction in message.reactions
            ],
            edited_at=message.edited_at,
            earlier_versions=message.earlier,
            removed_at=message.removed_at,
            provider_id=message.provider_id,
            language=message.language,
            intent=message.intent,
            sent_at=message.sent_at,
            created_at=message.created_at,
            delivery=DeliveryView.of(row) if row else None,
        )


class MessageCreate(BaseModel):
    """A free text of a person to the customer's WhatsApp."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=4096, examples=["Your order is on its way."])


class VersionView(BaseModel):
    """Earlier words of an edited message."""

    text: str
    until: datetime = Field(description="When they were replaced.")
