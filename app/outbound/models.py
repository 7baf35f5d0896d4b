"""A call to be placed, from the wish to its end; once it is answered, a live call of the same id goes on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from app.compliance.calling_rules import CallPurpose


class OutboundStatus(StrEnum):
    """Where it stands."""

    QUEUED = "queued"
    DIALLING = "dialling"
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens."""
        return self not in ACTIVE and self is not OutboundStatus.QUEUED


ACTIVE: Final = (OutboundStatus.DIALLING, OutboundStatus.RINGING, OutboundStatus.IN_PROGRESS)
"""What holds a line."""


@dataclass(frozen=True, slots=True)
class OutboundCall:
    """One call to be placed.

    Attributes:
        call_id: `call_<ulid>`; the live call has the same.
        tenant_id: Whose.
        agent_id: Who speaks.
        purpose: Why, for the gate.
        from_number: Ours, E.164.
        to_number: Theirs, E.164.
        language: What the opening is in.
        about: Language -> what the call is about, as the opening says it.
        variables: What the agent knows from the start, by slot.
        status: Where it stands.
        due_at: Not before (UTC).
        created_at: When it was asked for.
        created_by: The key that asked.
        wait_for_window: A refusal that waiting cures moves the call instead of ending it.
        detect_machine: Whether a machine that answers is hung up on.
        voicemail_number: Where a message on a machine says to call back, E.164; None: no message.
        retries: How often it is dialled again when nobody answers.
        retry_minutes: How long after.
        time_zone: Where the person is, if known.
        registrations: Registrations and notices, by name.
        attempts_at: When it was dialled.
        faults: How often the carrier did not take it.
        ended_at: When it was over.
        end_reason: Why, where the status does not say it.
        refusals: The gate's reasons, as JSON, of the last refusal.
    """

    call_id: str
    tenant_id: str
    agent_id: str
    purpose: CallPurpose
    from_number: str
    to_number: str
    language: str
    about: Mapping[str, str]
    variables: Mapping[str, str]
    status: OutboundStatus
    due_at: datetime
    created_at: datetime
    created_by: str
    wait_for_window: bool = False
    detect_machine: bool = True
    voicemail_number: str | None = None
    retries: int = 0
    retry_minutes: int = 30
    time_zone: str | None = None
    registrations: Mapping[str, str] = field(default_factory=dict)
    attempts_at: tuple[datetime, ...] = ()
    faults: int = 0
    ended_at: datetime | None = None
    end_reason: str | None = None
    refusals: tuple[Mapping[str, Any], ...] = ()
