"""People, teams, canned replies and the inbox's settings, on the wire."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from app.conversations.canned import CannedReply
from app.conversations.models import Owner
from app.conversations.people import Person, Team
from app.conversations.settings import InboxSettings
from app.dialogue.hours_schemas import HoursBody

Tag = Annotated[str, Field(pattern=r"^[a-z]{2,3}-[A-Z]{2}$", examples=["hi-IN"])]
Words = Annotated[str, Field(min_length=1, max_length=4096)]


class PersonBody(BaseModel):
    """What a member answers."""

    model_config = ConfigDict(extra="forbid")

    languages: list[Tag] = Field(default=[], max_length=20, description="Which they can write; empty: any.")
    team_ids: list[str] = Field(default=[], max_length=50)
    capacity: StrictInt = Field(default=5, ge=1, le=100, description="How many open conversations they are given.")


class PersonView(BaseModel):
    """A member who answers customers."""

    member_id: str
    languages: list[str]
    team_ids: list[str]
    capacity: int
    presence: Literal["online", "away", "offline"]
    on_line: bool = Field(description="Whether conversations are routed to them now.")
    seen_at: datetime | None
    assigned_at: datetime | None

    @classmethod
    def of(cls, person: Person, now: datetime) -> Self:
        """Returns the wire form."""
        return cls(
            member_id=person.member_id,
            languages=list(person.languages),
            team_ids=list(person.team_ids),
            capacity=person.capacity,
            presence=person.presence.value,
            on_line=person.is_on_line(now),
            seen_at=person.seen_at,
            assigned_at=person.assigned_at,
        )


class PresenceBody(BaseModel):
    """Whether the member who asks takes conversations; `online` is believed for three minutes."""

    model_config = ConfigDict(extra="forbid")

    presence: Literal["online", "away", "offline"]


class TeamBody(BaseModel):
    """A team."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=80, examples=["Returns"])
    hours: HoursBody = Field(default_factory=HoursBody)


class TeamPatch(BaseModel):
    """What changes about a team."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(default=None, min_length=1, max_length=80)
    hours: HoursBody | None = None


class TeamView(BaseModel):
    """A team."""

    id: str
    name: str
    hours: HoursBody

    @classmethod
    def of(cls, team: Team) -> Self:
        """Returns the wire form."""
        return cls(id=team.team_id, name=team.name, hours=HoursBody.of(team.hours))


class CannedBody(BaseModel):
    """A canned reply: a short name, and the words in each language."""

    model_config = ConfigDict(extra="forbid")

    shortcut: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$", examples=["thanks"])
    texts: dict[Tag, Words] = Field(min_length=1, max_length=20, examples=[{"en-IN": "Thank you!", "hi-IN": "धन्यवाद!"}])


class CannedPatch(BaseModel):
    """The words of a canned reply, all of them."""

    model_config = ConfigDict(extra="forbid")

    texts: dict[Tag, Words] = Field(min_length=1, max_length=20, examples=[{"en-IN": "Thank you!", "hi-IN": "धन्यवाद!"}])


class CannedView(BaseModel):
    """A canned reply."""

    id: str
    shortcut: str
    texts: dict[str, str]

    @classmethod
    def of(cls, reply: CannedReply) -> Self:
        """Returns the wire form."""
        return cls(id=reply.reply_id, shortcut=reply.shortcut, texts=dict(reply.texts))


class FittingReplyView(BaseModel):
    """A canned reply in the conversation's language, where it is written in that."""

    id: str
    shortcut: str
    language: str
    text: str


class SettingsBody(BaseModel):
    """How the tenant's people work. What is left out takes its default."""

    model_config = ConfigDict(extra="forbid")

    hours: HoursBody = Field(default_factory=HoursBody)
    answer_minutes: StrictInt = Field(
        default=15, ge=1, le=10_080, description="How soon a person answers, in those hours."
    )
    default_agent_id: str | None = Field(
        default=None, max_length=64, description="The agent that answers customers who write first."
    )
    default_owner: Literal["bot", "person"] = Field(
        default="person", description="Who answers after a handoff while nobody's work is described."
    )
    ask_rating: bool = Field(default=True, description="Ask how content customers were, once resolved.")
    reopen_hours: StrictInt = Field(
        default=24, ge=0, le=720, description="For so long the customer's next word reopens what was resolved."
    )
    inform_minutes: StrictInt = Field(default=15, ge=5, le=240, description="How often those who wait are told so.")
    continue_dropped_calls: bool = Field(default=True, description="Go on in WhatsApp after a call broke off.")

    def settings(self) -> InboxSettings:
        """Returns the value that the inbox reads."""
        return InboxSettings(
            hours=self.hours.hours(),
            answer_minutes=self.answer_minutes,
            default_agent_id=self.default_agent_id,
            default_owner=Owner(self.default_owner),
            ask_rating=self.ask_rating,
            reopen_hours=self.reopen_hours,
            inform_minutes=self.inform_minutes,
            continue_dropped_calls=self.continue_dropped_calls,
        )

    @classmethod
    def of(cls, settings: InboxSettings) -> Self:
        """Returns the wire form."""
        return cls(
            hours=HoursBody.of(settings.hours),
            answer_minutes=settings.answer_minutes,
            default_agent_id=settings.default_agent_id,
            default_owner=settings.default_owner.value,
            ask_rating=settings.ask_rating,
            reopen_hours=settings.reopen_hours,
            inform_minutes=settings.inform_minutes,
            continue_dropped_calls=settings.continue_dropped_calls,
        )
