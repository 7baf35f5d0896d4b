"""Approvals on the wire."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from app.integrations.approvals import Approval


class ApprovalDecision(BaseModel):
    """What comes with a decision."""

    model_config = ConfigDict(extra="forbid")

    person: str | None = Field(default=None, min_length=1, max_length=100, description="Who decided.")
    note: str | None = Field(default=None, max_length=500, description="Why; the caller does not hear it.")


class ApprovalView(BaseModel):
    """A write that a person decides about."""

    id: str = Field(examples=["approval_01k4n5c9t2v8x7q6m3b1a0zdef"])
    tool: str = Field(examples=["cancel_order"])
    arguments: dict[str, Any]
    status: Literal["pending", "approved", "refused"]
    agent_id: str
    reference: str = Field(description="The call or conversation it was asked for in.")
    caller: str = Field(description="E.164, empty if it was withheld.")
    requested_at: datetime
    decided_at: datetime | None
    decided_by: str | None = Field(description="The API key that decided.")
    first_approved_by: str | None = Field(description="The first of two, where the tenant asks for two people.")
    person: str | None
    note: str | None
    write_id: str | None = Field(description="What came of it.")

    @classmethod
    def of(cls, approval: Approval) -> Self:
        """Returns the wire form."""
        return cls(
            id=approval.approval_id,
            tool=approval.order.tool,
            arguments=dict(approval.order.arguments),
            status=approval.status.value,
            agent_id=approval.order.agent_id,
            reference=approval.order.reference,
            caller=approval.order.caller,
            requested_at=approval.requested_at,
            decided_at=approval.decided_at,
            decided_by=approval.decided_by,
            first_approved_by=approval.first_approved_by,
            person=approval.person,
            note=approval.note,
            write_id=approval.write_id,
        )
