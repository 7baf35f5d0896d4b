"""Calls as the API shows them."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field


class ShownStatus(StrEnum):
    """Where a call stands; the first three are only a call out's."""

    QUEUED = "queued"
    DIALLING = "dialling"
    CANCELLED = "cancelled"
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    FAILED = "failed"


class CallView(BaseModel):
    """One call."""

    id: str = Field(examples=["call_01kq3v5h0d9m8w2r6t4y1b7c5e"])
    agent_id: str
    direction: str = Field(examples=["inbound"])
    from_number: str = Field(examples=["+919812345678"])
    to_number: str = Field(examples=["+918012345678"])
    status: ShownStatus
    carrier_call_id: str | None = Field(description="The carrier's own id; null until a call out is answered.")
    created_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    end_reason: str | None = Field(
        default=None,
        description="caller_hung_up, stop_contact, transferred, silence, max_duration, failed ...",
    )
    hangup_cause: str | None = Field(default=None, description="The carrier's word for it.")
    machine: str | None = Field(default=None, description="`machine` or `human`, where detection ran.")
    recording_bytes: int | None = Field(default=None, description="Size of the recording, if there is one.")


class TranscriptTurn(BaseModel):
    """One thing that was said, in order."""

    role: str = Field(description="`caller` or `agent`.", examples=["caller"])
    at_ms: int = Field(description="When it was over, in milliseconds since the audio began.")
    text: str = Field(description="The words; of the agent, those that the caller heard.")
    language: str | None = Field(default=None, examples=["hi-IN"])
    by: str | None = Field(default=None, description="`voice` or `keypad`, of the caller.")
    intent: str | None = None
    confidence: float | None = None
    entities: list[dict[str, str]] = Field(default_factory=list)
    disclosure: str | None = Field(default=None, description="The key of the fixed disclosure that this is.")
    full_text: str | None = Field(default=None, description="What the agent would have said, where it was cut off.")
    reply_ms: float | None = Field(default=None, description="From the end of speech to this reply's first audio.")
    stages_ms: dict[str, float] = Field(default_factory=dict)


class Transcript(BaseModel):
    """A call's words."""

    call_id: str
    data: list[TranscriptTurn]


class CallEventView(BaseModel):
    """One event of a call."""

    number: int
    kind: str
    at_ms: int
    data: dict[str, Any]


class CallEvents(BaseModel):
    """Everything that happened in a call, in order."""

    call_id: str
    data: list[CallEventView]


def turn_of(event: dict[str, Any]) -> TranscriptTurn:
    """Returns the transcript's view of a stored `caller_turn` or `agent_turn` event."""
    data = event["data"]
    if event["kind"] == "agent_turn":
        return TranscriptTurn(
            role="agent",
            at_ms=event["at_ms"],
            text=data["heard_text"],
            language=data["language"],
            disclosure=data.get("disclosure"),
            full_text=None if data["complete"] else data["text"],
            reply_ms=data.get("reply_ms"),
        )
    return TranscriptTurn(
        role="caller",
        at_ms=data.get("ended_at_ms", event["at_ms"]),
        text=data["text"],
        language=data.get("language"),
        by=data.get("by"),
        intent=data.get("intent"),
        confidence=data.get("confidence"),
        entities=data.get("entities", []),
        stages_ms=data.get("stages_ms", {}),
    )
