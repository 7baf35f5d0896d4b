"""What people do with conversations, on the wire: taking, assigning, labelling, snoozing, searching, calling back."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.conversations.callbacks import Callback
from app.conversations.listing import Counts
from app.conversations.search import Hit

Label = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$", examples=["vip"])]


class ConversationPatch(BaseModel):
    """Gives the conversation to the bot or a person, or closes it."""

    model_config = ConfigDict(extra="forbid")

    owner: Literal["bot", "person"] | None = None
    status: Literal["closed"] | None = None


class TakeBody(BaseModel):
    """Takes a conversation over."""

    model_config = ConfigDict(extra="forbid")

    force: bool = Field(default=False, description="Take it from another person; needs the scope inbox:write.")


class AssignBody(BaseModel):
    """Gives a conversation to a person, a team, or a person of a team; with neither, to nobody yet."""

    model_config = ConfigDict(extra="forbid")

    member_id: str | None = Field(default=None, max_length=64)
    team_id: str | None = Field(default=None, max_length=64)
    note: str | None = Field(default=None, min_length=1, max_length=4096, description="What the next one should know.")


class NoteBody(BaseModel):
    """A note that only people see."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=4096, examples=["Wants a call after six."])


class LabelsBody(BaseModel):
    """All labels of a conversation."""

    model_config = ConfigDict(extra="forbid")

    labels: list[Label] = Field(max_length=20, examples=[["vip"]])


class SnoozeBody(BaseModel):
    """Until when a conversation sleeps; the customer's next word wakes it sooner."""

    model_config = ConfigDict(extra="forbid")

    until: AwareDatetime | None = Field(description="null wakes it now.", examples=["2031-11-22T10:00:00+05:30"])


class CountsView(BaseModel):
    """How many conversations wait where; closed ones do not count."""

    open: int
    snoozed: int
    unread: int = Field(description="With messages that no person has read.")
    mine: int
    unassigned: int = Field(description="A person is to answer, and nobody has it.")
    overdue: int
    bot: int = Field(description="Answered by the bot.")

    @classmethod
    def of(cls, counts: Counts) -> Self:
        """Returns the wire form."""
        return cls(
            open=counts.open,
            snoozed=counts.snoozed,
            unread=counts.unread,
            mine=counts.mine,
            unassigned=counts.unassigned,
            overdue=counts.overdue,
            bot=counts.bot,
        )


class HitView(BaseModel):
    """A message, or a call's transcript, that holds all the words."""

    conversation_id: str
    message_id: str | None
    call_id: str | None
    excerpt: str
    at: datetime

    @classmethod
    def of(cls, hit: Hit) -> Self:
        """Returns the wire form."""
        return cls(
            conversation_id=hit.conversation_id,
            message_id=hit.message_id,
            call_id=hit.call_id,
            excerpt=hit.excerpt,
            at=hit.at,
        )


class CallbackBody(BaseModel):
    """A wish to be called."""

    model_config = ConfigDict(extra="forbid")

    at: AwareDatetime | None = Field(default=None, description="When; null: as soon as it is allowed.")
    phone: str | None = Field(default=None, pattern=r"^\+[1-9]\d{6,14}$", description="E.164; null: the customer's.")
    reason: str = Field(default="asked", min_length=1, max_length=200)


class CallbackView(BaseModel):
    """A wish to be called, and what came of it."""

    id: str
    conversation_id: str
    phone: str
    at: datetime
    reason: str
    asked_by: str = Field(description="A member, an API key, or `customer`.")
    state: Literal["waiting", "dialling", "done", "failed", "cancelled"]
    call_id: str | None
    failure: str | None
    created_at: datetime

    @classmethod
    def of(cls, callback: Callback) -> Self:
        """Returns the wire form."""
        return cls(
            id=callback.callback_id,
            conversation_id=callback.conversation_id,
            phone=callback.phone,
            at=callback.at,
            reason=callback.reason,
            asked_by=callback.asked_by,
            state=callback.state.value,
            call_id=callback.call_id,
            failure=callback.failure,
            created_at=callback.created_at,
        )


class MergeBody(BaseModel):
    """The contact that this one becomes part of."""

    model_config = ConfigDict(extra="forbid")

    into: str = Field(max_length=64, examples=["contact_01k4n5c9t2v8x7q6m3b1a0zdef"])
