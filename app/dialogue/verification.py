"""Who is calling, made sure of in two factors before account data is spoken: the number, and what only they know.

A pure machine: the engine feeds it, the tool port compares (`Tools.verify`). Expected values never come here.

The engine's side of it: before a tool for which `needed_for` says so, speak `question(...).keys`, await
`question(...).awaiting`, and expect its digits. The next words or keys go through `value_of` and `Tools.verify`, and
what that answers through `Verification.after`, until the machine is verified (`verified_thanks`, go on with what was
asked) or failed (`verification_failed`, a person).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any, Final, Protocol, Self

AWAIT_FACTOR: Final = "verify:"
"""What `DialogueState.awaiting` begins with while a factor is asked for: what is said then is kept out of records."""

ACCOUNT_TOOLS = (
    "order_status",
    "cancel_order",
    "return_order",
    "refund_status",
    "change_address",
    "reschedule_delivery",
    "payment_issue",
    "reschedule_appointment",
    "cancel_appointment",
    "confirm_appointment",
)


class Factor(StrEnum):
    """What a caller proves beside the number they call from."""

    PIN = "pin"
    DATE_OF_BIRTH = "date_of_birth"
    POSTCODE = "postcode"


class FactorCheck(StrEnum):
    """What came of a comparison."""

    MATCHED = "matched"
    MISMATCHED = "mismatched"
    UNKNOWN_CALLER = "unknown_caller"  # the number is nobody's, or its owner has no such factor
    LOCKED = "locked"  # too many tries from this number, over all its calls
    UNAVAILABLE = "unavailable"  # the tenant's system did not say who calls


@dataclass(frozen=True, slots=True)
class VerificationPolicy:
    """What an agent asks for.

    Attributes:
        factors: Asked in this order, all of them.
        tries: Wrong answers allowed in one call, and from one number within `lock_minutes`.
        lock_minutes: How long a number is locked out.
        tools: What may only be called for a verified caller.
    """

    factors: tuple[Factor, ...] = (Factor.PIN,)
    tries: int = 3
    lock_minutes: int = 30
    tools: tuple[str, ...] = ACCOUNT_TOOLS


class VerificationStatus(StrEnum):
    """How far a caller has come."""

    PENDING = "pending"
    VERIFIED = "verified"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verification:
    """Where a caller's verification stands: a value, kept in `DialogueState.verification`.

    Attributes:
        status: Failed is final for the conversation.
        passed: Factors that matched.
        wrong: Wrong answers so far.
        reason: Why it failed: `tries`, or the `FactorCheck` that ended it.
    """

    status: VerificationStatus = VerificationStatus.PENDING
    passed: tuple[Factor, ...] = ()
    wrong: int = 0
    reason: str | None = None

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Rebuilds what `to_json` made; an empty mapping is a beginning."""
        return cls(
            status=VerificationStatus(stored.get("status", VerificationStatus.PENDING)),
            passed=tuple(Factor(name) for name in stored.get("passed", ())),
            wrong=int(stored.get("wrong", 0)),
            reason=stored.get("reason"),
        )

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return {
            "status": self.status.value,
            "passed": [factor.value for factor in self.passed],
            "wrong": self.wrong,
            "reason": self.reason,
        }

    @property
    def verified(self) -> bool:
        """Whether account data may be spoken."""
        return self.status is VerificationStatus.VERIFIED

    def next_factor(self, policy: VerificationPolicy) -> Factor | None:
        """Returns what to ask for, or None when nothing is left to ask."""
        if self.status is not VerificationStatus.PENDING:
            return None
        return next((factor for factor in policy.factors if factor not in self.passed), None)

    def after(self, check: FactorCheck, factor: Factor, policy: VerificationPolicy) -> "Verification":
        """Returns the machine after a comparison.

        Args:
            check: What `Tools.verify` answered.
            factor: What was compared.
            policy: The agent's.
        """
        if self.status is not VerificationStatus.PENDING:
            return self
        if check is FactorCheck.MATCHED:
            passed = (*self.passed, factor) if factor not in self.passed else self.passed
            done = all(needed in passed for needed in policy.factors)
            return replace(self, passed=passed, status=VerificationStatus.VERIFIED if done else self.status)
        if check is not FactorCheck.MISMATCHED:
            return replace(self, status=VerificationStatus.FAILED, reason=check.value)
        wrong = self.wrong + 1
        if wrong >= policy.tries:
            return replace(self, wrong=wrong, status=VerificationStatus.FAILED, reason="tries")
        return replace(self, wrong=wrong)


class _Heard(Protocol):
    """An entity of `app.nlu.understanding`, as far as it matters here."""

    @property
    def kind(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def resolved(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask next.

    Attributes:
        factor: What is asked for.
        keys: Responses, best first.
        awaiting: For `DialogueState.awaiting`.
        digits: Fewest and most, by voice or keypad.
    """

    factor: Factor
    keys: tuple[str, ...]
    awaiting: str
    digits: tuple[int, int]


_DIGITS: Final[Mapping[Factor, tuple[int, int]]] = {
    Factor.PIN: (4, 8),
    Factor.DATE_OF_BIRTH: (8, 8),
    Factor.POSTCODE: (6, 6),
}
_OLDEST_YEAR: Final = 1900


def question(verification: Verification, policy: VerificationPolicy) -> Question | None:
    """Returns what to ask next, or None when the caller is verified or has failed."""
    factor = verification.next_factor(policy)
    if factor is None:
        return None
    first, again = f"ask_{factor}", f"ask_{factor}_again"
    keys = (again, first) if verification.wrong else (first, again)
    return Question(factor, keys, f"{AWAIT_FACTOR}{factor}", _DIGITS[factor])


def awaited_factor(awaiting: str | None) -> Factor | None:
    """Returns the factor that a dialogue state awaits, or None."""
    if awaiting is None or not awaiting.startswith(AWAIT_FACTOR):
        return None
    return Factor(awaiting.removeprefix(AWAIT_FACTOR))


def value_of(factor: Factor, entities: "tuple[_Heard, ...]", today: date) -> str | None:
    """Returns what the caller gave for a factor, in the form that is compared; None: nothing that could be it.

    Args:
        factor: What was asked for.
        entities: What was found in the words.
        today: In the agent's time zone: a day named without its year lies ahead, and nobody is born then.
    """
    if factor is Factor.DATE_OF_BIRTH:
        dates = [entity.resolved for entity in entities if entity.kind == "date"]
        for day in dates:
            if day and (found := canonical(factor, day)) and found < today.isoformat():
                return found
        if dates:
            return None
    for entity in entities:
        if entity.kind in ("digits", "number", "phone") and (found := canonical(factor, entity.value)):
            return found
    return None


def canonical(factor: Factor, value: str) -> str | None:
    """Returns digits of a PIN or postcode, or an ISO date of birth; None when it cannot be one.

    A date of birth in digits is day, month, year: `15081990`, or `1581990` where that can be one day only.
    """
    if factor is Factor.DATE_OF_BIRTH:
        return _birth(value)
    digits = re.sub(r"[\s-]", "", value)
    fewest, most = _DIGITS[factor]
    return digits if digits.isascii() and digits.isdigit() and fewest <= len(digits) <= most else None


def _birth(value: str) -> str | None:
    if re.fullmatch(r"\d{6,8}", value, re.ASCII):
        front, year = value[:-4], value[-4:]
        splits = (front[:at] + "-" + front[at:] for at in (1, 2) if 1 <= len(front) - at <= 2)
        days = {day for split in splits if (day := _day(year, *reversed(split.split("-")))) is not None}
        return days.pop() if len(days) == 1 else None
    match = re.fullmatch(r"(\d{4})-(\d{2})-(\d{2})", value, re.ASCII)
    return _day(*match.groups()) if match else None


def _day(year: str, month: str, day: str) -> str | None:
    try:
        found = date(int(year), int(month), int(day))
    except ValueError:
        return None
    return found.isoformat() if found.year >= _OLDEST_YEAR else None


def needed_for(policy: VerificationPolicy | None, tool: str, verification: Verification) -> bool:
    """Returns whether the caller must be verified before `tool` is called."""
    return policy is not None and tool in policy.tools and not verification.verified
