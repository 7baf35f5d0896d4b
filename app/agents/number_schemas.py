"""Telephone numbers on the wire."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from app.agents.models import PhoneNumber
from app.agents.schemas import E164, LanguageTag
from app.compliance.calling_rules import CallPurpose

_AGENT: Any = Field(max_length=64, examples=["agent_01k4n5c9t2v8x7q6m3b1a0zdef"])
Purposes = Annotated[
    list[CallPurpose] | None,
    Field(
        max_length=len(CallPurpose),
        description="Which calls out may show it, as the calling rules allow its series; none: it only takes calls; "
        "null: whatever the rules allow.",
        examples=[["service"]],
    ),
]
Languages = Annotated[
    list[LanguageTag],
    Field(
        max_length=20,
        description="Which of the agent's languages are spoken to who rings here, the first one first; none: all.",
        examples=[["ta-IN", "en-IN"]],
    ),
]


class PhoneNumberPatch(BaseModel):
    """Changes to a number: only the fields that are named."""

    model_config = ConfigDict(extra="forbid")

    agent_id: Annotated[str, _AGENT] = ""
    purposes: Purposes = None
    languages: Languages = []

    def values(self) -> dict[str, Any]:
        """Returns the fields of `PhoneNumber` that are set."""
        values = self.model_dump(exclude_unset=True)
        if values.get("purposes") is not None:
            values["purposes"] = tuple(dict.fromkeys(values["purposes"]))
        if "languages" in values:
            values["languages"] = tuple(dict.fromkeys(values["languages"]))
        return values


class PhoneNumberCreate(PhoneNumberPatch):
    """A number and the agent that answers it."""

    number: E164
    agent_id: Annotated[str, _AGENT]


class PhoneNumberView(BaseModel):
    """A number."""

    id: str = Field(examples=["num_01k4n5c9t2v8x7q6m3b1a0zdef"])
    number: str
    agent_id: str
    purposes: list[CallPurpose] | None
    languages: list[str]
    series: str | None = Field(description="Of its country's number series; null: of none.", examples=["1600"])
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, entry: PhoneNumber, series: str | None) -> Self:
        """Returns the wire form."""
        return cls(
            id=entry.number_id,
            number=entry.number,
            agent_id=entry.agent_id,
            purposes=None if entry.purposes is None else list(entry.purposes),
            languages=list(entry.languages),
            series=series,
            created_at=entry.created_at,
            updated_at=entry.updated_at,
        )
