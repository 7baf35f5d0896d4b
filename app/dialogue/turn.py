"""The values that pass between a live channel (call or chat) and the dialogue: one turn in, one reply out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Protocol, Self


class Expectation(StrEnum):
    """What the dialogue expects to hear next; the endpointer and the entity parser listen accordingly."""

    OPEN = "open"
    YES_NO = "yes_no"
    DIGITS = "digits"
    LANGUAGE = "language"
    NOTHING = "nothing"  # the call is ending


class ActionKind(StrEnum):
    """What the channel must do after (or beside) speaking."""

    HANDOFF_WHATSAPP = "handoff_whatsapp"
    TRANSFER = "transfer"
    OPT_OUT = "opt_out"
    END = "end"
    STOP_RECORDING = "stop_recording"


@dataclass(frozen=True, slots=True)
class Say:
    """One sentence to speak or send.

    `interruptible` is False for disclosures. `fixed` marks text that does not depend on the caller, so that its
    audio may be kept.
    """

    text: str
    language: str
    interruptible: bool = True
    fixed: bool = False
    disclosure: str | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """A side effect that the dialogue decided on; the channel carries it out, once."""

    kind: ActionKind
    reason: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """Everything the channel does in answer to one turn, in order: speak, then act."""

    says: tuple[Say, ...]
    actions: tuple[Action, ...] = ()
    expectation: Expectation = Expectation.OPEN
    expected_digits: tuple[int, int] | None = None  # fewest and most digits, for DIGITS


@dataclass(frozen=True, slots=True)
class DialogueState:
    """Where a conversation stands. A value: each turn returns a new one; stored as JSON by `to_json`."""

    language: str
    languages: tuple[str, ...]  # what the agent may speak
    flow: str | None = None
    intent: str | None = None  # the last matter the caller came with, for the person who takes over
    slots: Mapping[str, str] = field(default_factory=dict)
    awaiting: str | None = None  # slot name, "language" or "confirm:<what>"
    misses: int = 0  # turns in a row that were not understood
    idle: int = 0  # turns in a row without a result
    failures: int = 0  # stages that failed
    not_found: int = 0  # values looked up in vain
    said: Mapping[str, int] = field(default_factory=dict)  # text -> times spoken since the last result
    used: Mapping[str, int] = field(default_factory=dict)  # response key -> times spoken in all
    last_replies: tuple[str, ...] = ()  # texts, newest last, for `repeat`
    last_language: str | None = None  # what the newest of them is spoken in
    language_votes: tuple[str, ...] = ()
    escalation_reason: str | None = None
    done: tuple[str, ...] = ()  # kinds of the actions decided so far
    ended: bool = False
    turn: int = 0

    def to_json(self) -> dict[str, Any]:
        """Returns the state as plain JSON values."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Rebuilds a state that `to_json` made.

        Raises:
            TypeError: A name is not a field, or a required one is missing.
        """
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in stored.items()}
        return cls(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


@dataclass(frozen=True, slots=True)
class AgentProfile:
    """What the dialogue must know of the agent: from the tenant's configuration, never from the caller."""

    tenant_id: str
    agent_id: str
    entity_name: str  # the legal entity, as spoken
    languages: tuple[str, ...]
    default_language: str
    purpose: str = "support"
    handoff: str = "whatsapp"  # whatsapp | phone
    transfer_number: str | None = None
    order_lookup: bool = True


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tenant's system answered. `ok` False means the system failed, not that nothing was found."""

    ok: bool
    data: Mapping[str, Any] = field(default_factory=dict)
    found: bool = True
    elapsed_ms: float = 0.0
    error: str | None = None


class Tools(Protocol):
    """The tenant's systems as the dialogue sees them; wired by the root. Never raises for a failing system."""

    async def call(self, name: str, arguments: Mapping[str, str]) -> ToolResult:
        """Calls a tool by name.

        Args:
            name: `order_status` and alike.
            arguments: Slot values, all strings.
        """
        ...
