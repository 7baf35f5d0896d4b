"""Proposed changes and the rules about them on the wire."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from app.changes.kinds import Area
from app.changes.service import Change, ChangeStatus


class ChangeRulesBody(BaseModel):
    """Which areas take two people; areas that are not named stay as they are."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"agents": True, "routing": True}})

    agents: StrictBool | None = Field(
        default=None, description="Prompts and persona: the whole configuration of agents."
    )
    flows: StrictBool | None = Field(default=None, description="Approving a draft of a flow set.")
    routing: StrictBool | None = Field(default=None, description="Which number rings at which agent.")
    restricted_actions: StrictBool | None = Field(default=None, description="Writes that a person decides about.")

    def changes(self) -> dict[Area, bool]:
        """Returns what is to be changed."""
        return {Area(name): value for name, value in self.model_dump(exclude_none=True).items()}


class ChangeRulesView(BaseModel):
    """Which areas take two people."""

    agents: bool
    flows: bool
    routing: bool
    restricted_actions: bool

    @classmethod
    def of(cls, areas: dict[Area, bool]) -> Self:
        """Returns the wire form."""
        return cls(**{area.value: needed for area, needed in areas.items()})


class ChangeDecision(BaseModel):
    """A decision about a change."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"note": "agreed with legal"}})

    note: str | None = Field(default=None, max_length=500)


class ChangeView(BaseModel):
    """A proposed change. `result` is the id it was done to once `applied`, an error's code once `failed`."""

    id: str = Field(examples=["chg_01k4n5c9t2v8x7q6m3b1a0zdef"])
    kind: str = Field(examples=["agent.update"])
    area: Area
    target: str
    payload: dict[str, Any]
    status: ChangeStatus
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    note: str | None
    result: str | None

    @classmethod
    def of(cls, change: Change) -> Self:
        """Returns the wire form."""
        return cls(
            id=change.change_id,
            payload=dict(change.payload),
            **{name: getattr(change, name) for name in cls.model_fields if name not in ("id", "payload")},
        )
