"""The values that pass between a live channel (call or chat) and the dialogue: one turn in, one reply out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, Self

from app.dialogue.escalation import EscalationPolicy
from app.dialogue.hours import BusinessHours
from app.dialogue.verification import Factor, FactorCheck, VerificationPolicy

if TYPE_CHECKING:
    from app.dialogue.flow import Flows


class Expectation(StrEnum):
    """What the dialogue expects to hear next; the endpointer and the entity parser listen accordingly."""

    OPEN = "open"
    YES_NO = "yes_no"
    DIGITS = "digits"
    LANGUAGE = "language"
    DATE = "date"
    TIME = "time"
    TEXT = "text"  # a reason, an address, an item, a city: whatever is said is the answer
    NOTHING = "nothing"  # the call is ending


class ActionKind(StrEnum):
    """What the channel must do after (or beside) speaking."""

    HANDOFF_WHATSAPP = "handoff_whatsapp"
    TRANSFER = "transfer"
    CALLBACK = "callback"
    TICKET = "ticket"
    WHATSAPP_CONSENT = "whatsapp_consent"
    OPT_OUT = "opt_out"
    END = "end"
    STOP_RECORDING = "stop_recording"


class WhatsAppStanding(StrEnum):
    """What is known, when a conversation begins, of whether its caller may be written to on WhatsApp."""

    UNASKED = "unasked"
    AGREED = "agreed"
    DECLINED = "declined"  # before; they may be asked where they want what only a message can give
    CLOSED = "closed"  # opted out, no number, or the tenant has no WhatsApp: never asked


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
    flow: str | None = None  # the open frame's
    intent: str | None = None  # the last matter the caller came with, for the person who takes over
    slots: Mapping[str, str] = field(default_factory=dict)
    awaiting: str | None = None  # slot name, "language", "change", "verify:<factor>" or "confirm:<what>"
    misses: int = 0  # turns in a row that were not understood
    idle: int = 0  # turns in a row without a result
    failures: int = 0  # stages that failed
    not_found: int = 0  # values looked up in vain
    said: Mapping[str, int] = field(default_factory=dict)  # text -> times spoken since the last result
    often: Mapping[str, int] = field(default_factory=dict)  # text -> times spoken since the frame began
    used: Mapping[str, int] = field(default_factory=dict)  # response key -> times spoken in all
    last_replies: tuple[str, ...] = ()  # texts, newest last, for `repeat`
    last_language: str | None = None  # what the newest of them is spoken in
    language_votes: tuple[str, ...] = ()
    language_asked: str | None = None  # what the caller last asked to be spoken to in
    escalation_reason: str | None = None
    done: tuple[str, ...] = ()  # kinds of the actions decided so far
    verification: Mapping[str, Any] = field(default_factory=dict)  # `Verification.to_json`; holds no secret
    thread: str = ""  # names this conversation in the keys of writes
    frame: int = 0  # frames begun so far
    suspended: tuple[Mapping[str, Any], ...] = ()  # frames put aside, the last is taken up first
    pending: tuple[Mapping[str, Any], ...] = ()  # matters named beside another, served after it
    fetched: tuple[Mapping[str, Any], ...] = ()  # what the tenant's systems answered, for the person who takes over
    uncertain: int = 0  # turns in a row that were not understood
    mood: float = 0.0  # anger in words and voice, halved each turn
    voice: Mapping[str, float] = field(default_factory=dict)  # the caller's usual voice: `prosody.learnt`
    buying: tuple[str, ...] = ()  # signs of a wish to buy
    whatsapp: str = ""  # the question whether we may write there: "", asked, asked_again, yes, no
    handover: Mapping[str, Any] = field(default_factory=dict)  # what waits for the answer to it
    cut: bool = False  # the last question was not heard to its end
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
        return [_plain(item) for item in value]
    return {name: _plain(item) for name, item in value.items()} if isinstance(value, Mapping) else value


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
    tools: tuple[str, ...] = ("order_status",)
    tool_patience_ms: Mapping[str, int] = field(default_factory=dict)  # what a tool may take before "one moment"
    verification: VerificationPolicy | None = None  # None: nobody is asked who they are
    vocabulary: tuple[str, ...] = ()  # words and number formats that the recogniser leans towards
    escalation: EscalationPolicy = field(default_factory=EscalationPolicy)
    hours: BusinessHours = field(default_factory=BusinessHours)  # when people are there to take over
    flows: "Flows | None" = None  # the tenant's own version; None: the shipped one
    about: Mapping[str, str] = field(default_factory=dict)  # language -> why we ring; empty: they rang
    call_purpose: str = ""  # of a call that we place: promotional, service ...
    given: Mapping[str, str] = field(default_factory=dict)  # slots that are known before anything is said
    whatsapp: WhatsAppStanding = WhatsAppStanding.UNASKED  # of this caller
    asks_whatsapp: bool = False  # whether whoever was never asked is asked at the end of a call

    @property
    def order_lookup(self) -> bool:
        """Whether orders can be looked up."""
        return "order_status" in self.tools


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tenant's system answered. `ok` False means the system failed, not that nothing was found.

    Attributes:
        ok: The system answered within its contract, or a person was asked to approve.
        data: The answer.
        found: False: there is no such order, appointment ...
        elapsed_ms: How long it took.
        error: Why `ok` is False; for records, never spoken.
        awaiting_approval: A restricted write: it is done if and when a person approves it.
        unsettled: A write whose outcome is unknown; it is tried again with the same key until it is known.
        needs_verification: The tool gives account data, and this caller has not been verified.
        attempts: How often the system was asked.
        cached: It had been asked a moment ago.
    """

    ok: bool
    data: Mapping[str, Any] = field(default_factory=dict)
    found: bool = True
    elapsed_ms: float = 0.0
    error: str | None = None
    awaiting_approval: bool = False
    unsettled: bool = False
    needs_verification: bool = False
    attempts: int = 1
    cached: bool = False


class Tools(Protocol):
    """The systems of the tenant as the dialogue sees them, for one caller. Never raises for a failing system.

    A thought that may yet be thrown away sees them through `app.dialogue.speculation.ReadOnly`, which raises
    `CommitNeeded` for everything that is not a read; the turn is then answered again when it is committed. An engine
    lets that pass.
    """

    async def call(self, name: str, arguments: Mapping[str, str], *, key: str | None = None) -> ToolResult:
        """Calls a tool by name.

        Args:
            name: `order_status` and alike; the agent's own tools too.
            arguments: Slot values, all strings.
            key: Names a write within this conversation: required for a write, absent for a read. The same key with
                the same arguments is done once, and gives the same result ever after.
        """
        ...

    def offers(self, name: str) -> bool:
        """Returns whether the agent has that tool."""
        ...

    async def verify(self, factor: Factor, value: str) -> FactorCheck:
        """Compares what the caller gave with what the tenant's system holds for the calling number; counts a try.

        Args:
            factor: What was asked for.
            value: As heard: digits of a PIN or postcode, an ISO date of birth.
        """
        ...
