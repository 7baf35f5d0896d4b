"""A call as it is stored, and how it ended."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class CallStatus(StrEnum):
    """Where a call stands. The last four are final."""

    RINGING = "ringing"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether the call is over."""
        return self not in (CallStatus.RINGING, CallStatus.IN_PROGRESS)


# Source: Plivo's CallStatus values on hangup.
FINAL_STATUS = {
    "completed": CallStatus.COMPLETED,
    "busy": CallStatus.BUSY,
    "no-answer": CallStatus.NO_ANSWER,
    "timeout": CallStatus.NO_ANSWER,
    "cancel": CallStatus.NO_ANSWER,
    "failed": CallStatus.FAILED,
}


@dataclass(frozen=True, slots=True)
class Call:
    """One telephone call of a tenant."""

    id: str
    tenant_id: str
    agent_id: str
    carrier_call_id: str
    direction: str
    from_number: str
    to_number: str
    status: CallStatus
    created_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    end_reason: str | None = None
    hangup_cause: str | None = None
    machine: str | None = None
    recording_bytes: int | None = None
    lost_events: int | None = None
    carrier_recording_url: str | None = None

    @property
    def contact_number(self) -> str:
        """The other party's number."""
        return self.from_number if self.direction == "inbound" else self.to_number

    @property
    def our_number(self) -> str:
        """The tenant's number."""
        return self.to_number if self.direction == "inbound" else self.from_number


def call_from_document(document: dict[str, Any]) -> Call:
    """Returns the call that a stored document holds."""
    fields = {name: document.get(name) for name in Call.__dataclass_fields__ if name not in ("id", "status")}
    return Call(id=document["_id"], status=CallStatus(document["status"]), **fields)  # type: ignore[arg-type]
