"""Own intents on the wire."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from app.agents.schemas import LanguageTag
from app.intents.models import IntentVersion, OwnIntent

Sentence = Annotated[str, Field(min_length=1, max_length=200)]
Sentences = Annotated[list[Sentence], Field(max_length=200)]


_GIFT: Final[dict[str, Any]] = {
    "name": "gift_wrapping",
    "means": "wants an order wrapped as a gift",
    "examples": {
        "en-IN": [
            "can you wrap it as a gift",
            "i want gift wrapping for this order",
            "please pack it in gift paper",
            "put a birthday card inside the parcel",
            "gift pack kar dena please",
            "send it gift wrapped to my sister",
            "it is a wedding present so wrap it nicely",
            "remove the price tag it is a gift",
        ]
    },
    "tests": {
        "en-IN": [
            "could you gift wrap the parcel",
            "i need it in gift packing with a card",
            "it is a birthday gift wrap it please",
        ]
    },
}


class OwnIntentBody(BaseModel):
    """One intent: what callers say when they want it."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{2,39}$", examples=[_GIFT["name"]])
    means: str = Field(min_length=3, max_length=200, examples=[_GIFT["means"]])
    examples: dict[LanguageTag, Sentences] = Field(
        max_length=20,
        description="At least 8 different sentences in each language of the agent; native, romanised and mixed alike.",
        examples=[_GIFT["examples"]],
    )
    tests: dict[LanguageTag, Sentences] = Field(
        max_length=20,
        description="At least 3 in each language, no example among them: they judge the version.",
        examples=[_GIFT["tests"]],
    )

    def value(self) -> OwnIntent:
        """Returns the intent."""
        return OwnIntent(self.name, self.means, dict(self.examples), dict(self.tests))


class IntentDraft(BaseModel):
    """All own intents of an agent; a version replaces the one before as a whole."""

    model_config = ConfigDict(extra="forbid")

    intents: list[OwnIntentBody] = Field(min_length=1, max_length=50, examples=[[_GIFT]])


class LastReplay(BaseModel):
    """What came of the last replay."""

    id: str
    passed: bool
    done_at: datetime


class IntentVersionView(BaseModel):
    """A version of an agent's own intents."""

    id: str
    agent_id: str
    version: int
    status: Literal["queued", "training", "ready", "failed", "live", "retired"]
    author: str
    created_at: datetime
    trained_at: datetime | None
    published_at: datetime | None
    published_by: str | None
    failure: str | None = Field(description="Why it may not serve.")
    report: dict[str, Any] | None = Field(
        description="Own tests understood, those missed, and sentences of shipped intents that it takes."
    )
    replay: LastReplay | None = Field(description="The last replay of past calls against this version.")
    intents: list[OwnIntentBody]

    @classmethod
    def of(cls, version: IntentVersion) -> Self:
        """Returns the wire form."""
        return cls(
            id=version.version_id,
            agent_id=version.agent_id,
            version=version.version,
            status=version.status.value,
            author=version.author,
            created_at=version.created_at,
            trained_at=version.trained_at,
            published_at=version.published_at,
            published_by=version.published_by,
            failure=version.failure,
            report=dict(version.report) if version.report is not None else None,
            replay=LastReplay(**version.replay) if version.replay is not None else None,
            intents=[
                OwnIntentBody(
                    name=intent.name,
                    means=intent.means,
                    examples={tag: list(texts) for tag, texts in intent.examples.items()},
                    tests={tag: list(texts) for tag, texts in intent.tests.items()},
                )
                for intent in version.intents
            ],
        )


class LiveIntents(BaseModel):
    """What serves after going back: a version, or null for the shipped intents alone."""

    live: IntentVersionView | None
