"""What happened in a call, as values; a sink watches them and never alters the flow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class CallEventKind(StrEnum):
    """The kinds of event a live call emits; `docs/architecture.md` lists the data of each."""

    STARTED = "started"
    CALLER_TURN = "caller_turn"
    AGENT_TURN = "agent_turn"
    TOOL = "tool"
    INTERRUPTION = "interruption"
    FALSE_ALARM = "false_alarm"
    BACKCHANNEL = "backchannel"
    DTMF = "dtmf"
    SILENCE = "silence"
    ACTION = "action"
    STAGE_FAILED = "stage_failed"
    RECONNECTED = "reconnected"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class CallEvent:
    """One event.

    Attributes:
        kind: What happened.
        at_ms: Milliseconds since the call's audio began.
        data: JSON values only.
    """

    kind: CallEventKind
    at_ms: int
    data: Mapping[str, Any] = field(default_factory=dict)


class EventSink(Protocol):
    """Watches one call. Every method is cheap and does not block."""

    def emit(self, event: CallEvent) -> None:
        """Takes an event."""
        ...

    def caller_audio(self, mulaw: bytes) -> None:
        """Takes what the caller said, 8 kHz mu-law; the hot path."""
        ...

    def agent_audio(self, mulaw: bytes) -> None:
        """Takes what the agent was made to say, as it is sent to the carrier."""
        ...

    def agent_cleared(self) -> None:
        """Learns that the carrier dropped what it had not played yet."""
        ...

    def stop_recording(self) -> None:
        """Keeps no audio from here on and discards what was kept."""
        ...
