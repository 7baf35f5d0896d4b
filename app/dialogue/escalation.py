"""What brings a person in: an agent's policy, and the decision with its reason and evidence."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Trigger(StrEnum):
    """Why a person takes over."""

    EXPLICIT_REQUEST = "explicit_request"
    LOW_CONFIDENCE = "low_confidence"
    REPEATED_FAILURE = "repeated_failure"
    SENTIMENT = "sentiment"
    HIGH_REFUND = "high_refund"
    BILLING = "billing"
    LEGAL = "legal"
    FRAUD = "fraud"
    MEDICAL = "medical"
    SECURITY = "security"
    BUYING_INTENT = "buying_intent"
    AGE = "age"
    POLICY_EDGE = "policy_edge"
    SYSTEM_DOWN = "system_down"


class Target(StrEnum):
    """How a person is reached."""

    PHONE = "phone"
    WHATSAPP = "whatsapp"
    CALLBACK = "callback"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class EscalationPolicy:
    """An agent's triggers. A caller who asks for a person gets one whatever this says.

    Attributes:
        low_confidence: After how many turns in a row that were not understood a person is offered; 0: never.
        low_confidence_below: Under which confidence, 0..1, an intent is not understood; what names none never is.
        repeated_failure: After how many turns in a row that led nowhere.
        sentiment: At which score of anger, which words and voice add to and time halves; 0: never.
        prosody: Whether the voice counts beside the words.
        refund_over: Rupees; a refund or payment above it goes to a person. None: no limit.
        buying_intent: After how many signs: a budget, a wish to buy, who decides; 0: never.
        budget_over: Rupees; a budget from which one sign is enough. None: no such.
        billing: Whether a disputed bill goes to a person at once.
        legal: Whether threats of law do.
        fraud: Whether fraud does.
        medical: Whether a medical emergency does.
        security: Whether a breach of an account or a danger does.
        age: Whether a caller under 18 is handed over (rule IN-15).
        policy_edge: Whether what the tenant restricts is handed over; else it waits for approval.
        system_down: Whether a person is offered when the tenant's system fails.
        targets: In which order a person is reached; empty: the agent's `handoff` first, then the others.
    """

    low_confidence: int = 2
    low_confidence_below: float = 0.35
    repeated_failure: int = 3
    sentiment: float = 1.0
    prosody: bool = True
    refund_over: int | None = 25_000
    buying_intent: int = 2
    budget_over: int | None = 100_000
    billing: bool = True
    legal: bool = True
    fraud: bool = True
    medical: bool = True
    security: bool = True
    age: bool = True
    policy_edge: bool = False
    system_down: bool = True
    targets: tuple[Target, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON values; `EscalationPolicy.of` takes them back."""
        return {**asdict(self), "targets": [target.value for target in self.targets]}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "EscalationPolicy":
        """Rebuilds what `to_json` made."""
        values = {**stored, "targets": tuple(Target(name) for name in stored.get("targets", ()))}
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Escalation:
    """A decision to bring a person in.

    Attributes:
        trigger: Which rule.
        reason: An intent or a cause, for records.
        heard: The caller's words it rests on.
        evidence: The values that the rule looked at, JSON only.
    """

    trigger: Trigger
    reason: str
    heard: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return {
            "trigger": self.trigger.value,
            "reason": self.reason,
            "heard": self.heard,
            "evidence": dict(self.evidence),
        }
