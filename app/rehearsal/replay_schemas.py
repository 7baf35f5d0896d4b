"""Replays on the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.agents.schemas import FlowSetName
from app.rehearsal.replays import Candidate, Order, Replay
from app.rehearsal.schemas import CannedAnswer

_ANSWERS = {"order_status": {"data": {"order_id": "4512", "status": "shipped"}}}


class CandidateBody(BaseModel):
    """What would go live: own intents, a version of a flow set, or both."""

    model_config = ConfigDict(extra="forbid")

    intents_version: int | None = Field(default=None, ge=1, le=1_000_000, examples=[2])
    flow_set: FlowSetName | None = None
    flow_version: int | None = Field(default=None, ge=1, le=1_000_000)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if (self.flow_set is None) != (self.flow_version is None):
            raise ValueError("give flow_set and flow_version together")
        if self.flow_set is None and self.intents_version is None:
            raise ValueError("give intents_version, or flow_set with flow_version, or both")
        return self


class ReplayCreate(BaseModel):
    """Past calls to be played against a candidate."""

    model_config = ConfigDict(extra="forbid")

    candidate: CandidateBody = Field(examples=[{"intents_version": 2}])
    calls: int = Field(default=50, ge=1, le=300, description="The newest finished calls of the agent, at most so many.")
    allowed_share: float = Field(default=0.02, ge=0, le=1, description="Share of calls that may go for the worse.")
    answers: dict[str, CannedAnswer] = Field(
        default={},
        max_length=64,
        examples=[_ANSWERS],
        description="What the tenant's systems are taken to answer, by tool; none is asked, and one without is down.",
    )

    def order(self) -> Order:
        """Returns the order."""
        answers = {
            name: {"ok": answer.ok, "found": answer.found and answer.ok, "data": answer.data}
            for name, answer in self.answers.items()
        }
        return Order(Candidate(**self.candidate.model_dump()), self.calls, self.allowed_share, answers)


class PlayedView(BaseModel):
    """What became of a turn."""

    intent: str = Field(description="Empty for keys, and for what proves who calls.")
    values: list[str] = Field(description="Kinds of the values in the words.")
    flow: str | None
    says: list[str] = Field(description="Sentences by key.")
    tools: list[str]
    writes: list[str]
    actions: list[str]
    ended: bool


class DifferenceView(BaseModel):
    """The first turn of a call in which the candidate goes another way."""

    call_id: str
    turn: int = Field(description="Number of the event in the call.")
    text: str | None = Field(description="What the caller said; null in lists, and where it was erased.")
    verdict: Literal["better", "changed", "worse", "broken"]
    live: PlayedView
    candidate: PlayedView | None = Field(description="Null where the candidate failed.")


class ReplayReport(BaseModel):
    """What came of it. It passes with no call broken and at most the allowed share worse, of at least one call."""

    passed: bool
    calls: int
    turns: int
    better: int
    changed: int
    worse: int
    broken: int
    worse_share: float
    allowed_share: float
    differences: list[DifferenceView] = Field(description="At most 100, the gravest first.")


class ReplayView(BaseModel):
    """A replay."""

    id: str = Field(examples=["replay_01k4n5c9t2v8x7q6m3b1a0zdef"])
    agent_id: str
    status: Literal["queued", "working", "done", "failed"]
    candidate: CandidateBody
    calls: int
    created_by: str
    created_at: datetime
    done_at: datetime | None
    failure: str | None
    report: ReplayReport | None

    @classmethod
    def of(cls, replay: Replay, words: Mapping[tuple[str, int], str] | None = None) -> Self:
        """Returns the wire form, with what callers said if `words` are given."""
        known = words or {}
        report: dict[str, Any] | None = None
        if replay.report is not None:
            rows = [{**row, "text": known.get((row["call_id"], row["turn"]))} for row in replay.report["differences"]]
            report = {**replay.report, "differences": rows}
        return cls(
            id=replay.replay_id,
            agent_id=replay.agent_id,
            status=replay.status.value,
            candidate=CandidateBody(
                intents_version=replay.order.candidate.intents_version,
                flow_set=replay.order.candidate.flow_set,
                flow_version=replay.order.candidate.flow_version,
            ),
            calls=replay.order.calls,
            created_by=replay.author,
            created_at=replay.created_at,
            done_at=replay.done_at if replay.status.value in ("done", "failed") else None,
            failure=replay.failure,
            report=ReplayReport.model_validate(report) if report is not None else None,
        )
