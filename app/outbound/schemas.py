"""Calls to be placed, on the wire."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from app.compliance.calling_rules import CallPurpose
from app.compliance.calling_schemas import Moment
from app.compliance.gate import GateDecision, Reason
from app.outbound.models import OutboundCall, OutboundStatus
from app.outbound.service import CallRequest

E164 = Annotated[str, Field(pattern=r"^\+[1-9]\d{6,14}$")]
LanguageTag = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$")]
Topic = Annotated[str, Field(min_length=2, max_length=60, pattern=r"^[^{}<>\x00-\x1f]+$")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
Value = Annotated[str, Field(min_length=1, max_length=200)]


class CallCreate(BaseModel):
    """A call to be placed."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "to_number": "+919812345678",
                "agent_id": "agent_01k4n5c9t2v8x7q6m3b1a0zdef",
                "purpose": "service",
                "about": {"hi-IN": "आपके ऑर्डर", "en-IN": "your order"},
                "variables": {"order_id": "4512"},
                "wait_for_window": True,
            }
        },
    )

    to_number: E164 = Field(description="Who is called, E.164.")
    agent_id: str = Field(max_length=64)
    purpose: CallPurpose = Field(description="Any promotional content makes a call promotional.")
    about: dict[LanguageTag, Topic] = Field(
        min_length=1, max_length=20, description="What the call is about, by language, as the opening says it."
    )
    from_number: E164 | None = Field(default=None, description="The number shown; null: the agent's own.")
    language: LanguageTag | None = Field(default=None, description="Of the opening; null: the agent's first in about.")
    variables: dict[Name, Value] = Field(default={}, max_length=20, description="What the agent knows, by slot.")
    scheduled_at: Moment | None = Field(default=None, description="Not before; null: now.")
    wait_for_window: StrictBool = Field(
        default=False, description="Where waiting alone would do, wait instead of refusing."
    )
    detect_machine: StrictBool = Field(default=True, description="Notice answering machines, and hang up on them.")
    voicemail_number: E164 | None = Field(
        default=None,
        description="Leave the pack's approved message on a machine instead, with this number to call back.",
    )
    retries: StrictInt = Field(default=0, ge=0, le=3, description="How often to dial again when nobody answers.")
    retry_minutes: StrictInt = Field(default=30, ge=5, le=1_440)
    time_zone: str | None = Field(default=None, max_length=64, description="Where the person is, IANA.")
    registrations: dict[Name, Value] = Field(
        default={},
        max_length=10,
        description="Promotional: oap_notification_ref, dlt_entity_id, dlt_template_id.",
    )

    def request(self) -> CallRequest:
        """Returns the request as a value."""
        return CallRequest(**{name: getattr(self, name) for name in type(self).model_fields})


class ReasonView(BaseModel):
    """One reason against a call."""

    rule: str = Field(description="Its id in the calling rules.", examples=["IN-06"])
    code: str = Field(examples=["outside_hours"])
    detail: str
    instead: str = Field(description="What would be allowed.")
    until: datetime | None = Field(default=None, description="When this reason ends by itself.")


class OutboundCallView(BaseModel):
    """A call to be placed, or that was."""

    id: str = Field(examples=["call_01kq3v5h0d9m8w2r6t4y1b7c5e"], description="The live call has the same id.")
    agent_id: str
    purpose: CallPurpose
    from_number: str
    to_number: str
    language: str
    status: OutboundStatus
    due_at: datetime = Field(description="Not before.")
    created_at: datetime
    attempts_at: list[datetime] = Field(description="When it was dialled.")
    ended_at: datetime | None
    end_reason: str | None
    refusals: list[ReasonView] = Field(description="Why the gate last refused it.")

    @classmethod
    def of(cls, call: OutboundCall) -> Self:
        """Returns the view of a call."""
        values: dict[str, Any] = {name: getattr(call, name) for name in cls.model_fields if name != "id"}
        values["refusals"] = [ReasonView.model_validate(dict(refusal)) for refusal in call.refusals]
        values["attempts_at"] = list(call.attempts_at)
        return cls(id=call.call_id, **values)


class CallCheckView(BaseModel):
    """What the gate says of a call."""

    allowed: bool
    reasons: list[ReasonView]
    next_allowed_at: datetime | None = Field(description="When waiting alone would do; null: it would not.")
    rules_version: str

    @classmethod
    def of(cls, decision: GateDecision) -> Self:
        """Returns the view of a decision."""
        return cls(
            allowed=decision.allowed,
            reasons=[_reason(reason) for reason in decision.reasons],
            next_allowed_at=decision.next_allowed_at,
            rules_version=decision.rules_version,
        )


def _reason(reason: Reason) -> ReasonView:
    return ReasonView(
        rule=reason.rule, code=reason.code, detail=reason.detail, instead=reason.instead, until=reason.until
    )
