"""The machine that makes sure who calls: every factor, few tries, failure for good, and nothing secret in its state."""

from dataclasses import dataclass
from datetime import date

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dialogue.turn import AgentProfile, DialogueState, ToolResult
from app.dialogue.verification import (
    Factor,
    FactorCheck,
    Verification,
    VerificationPolicy,
    VerificationStatus,
    awaited_factor,
    canonical,
    needed_for,
    question,
    value_of,
)

pytestmark = pytest.mark.unit

TWO = VerificationPolicy(factors=(Factor.PIN, Factor.POSTCODE), tries=3)


@dataclass(frozen=True)
class Found:
    kind: str
    value: str
    resolved: str | None = None


def test_all_factors_must_match_in_turn() -> None:
    start = Verification()
    first = question(start, TWO)
    assert first is not None and first.keys[0] == "ask_pin" and first.awaiting == "verify:pin"
    halfway = start.after(FactorCheck.MATCHED, Factor.PIN, TWO)
    assert not halfway.verified and needed_for(TWO, "refund_status", halfway)
    second = question(halfway, TWO)
    assert second is not None and second.factor is Factor.POSTCODE and second.digits == (6, 6)
    done = halfway.after(FactorCheck.MATCHED, Factor.POSTCODE, TWO)
    assert done.verified and question(done, TWO) is None and not needed_for(TWO, "refund_status", done)


def test_wrong_answers_are_counted_over_all_factors_and_the_third_is_final() -> None:
    machine = Verification().after(FactorCheck.MISMATCHED, Factor.PIN, TWO)
    again = question(machine, TWO)
    assert again is not None and again.keys[0] == "ask_pin_again"
    machine = machine.after(FactorCheck.MATCHED, Factor.PIN, TWO).after(FactorCheck.MISMATCHED, Factor.POSTCODE, TWO)
    assert machine.status is VerificationStatus.PENDING
    machine = machine.after(FactorCheck.MISMATCHED, Factor.POSTCODE, TWO)
    assert machine.status is VerificationStatus.FAILED and machine.reason == "tries"
    assert not machine.after(FactorCheck.MATCHED, Factor.POSTCODE, TWO).verified, "failure is final"


@pytest.mark.parametrize("check", [FactorCheck.UNKNOWN_CALLER, FactorCheck.LOCKED, FactorCheck.UNAVAILABLE])
def test_whatever_is_no_comparison_fails_closed(check: FactorCheck) -> None:
    machine = Verification().after(check, Factor.PIN, TWO)
    assert machine.status is VerificationStatus.FAILED and machine.reason == check.value
    assert question(machine, TWO) is None and needed_for(TWO, "order_status", machine)


@given(st.lists(st.tuples(st.sampled_from(FactorCheck), st.sampled_from([Factor.PIN, Factor.POSTCODE])), max_size=12))
def test_nobody_is_verified_without_a_match_of_every_factor(answers: list[tuple[FactorCheck, Factor]]) -> None:
    machine = Verification()
    for check, factor in answers:
        machine = machine.after(check, factor, TWO)
        assert Verification.from_json(machine.to_json()) == machine
        assert machine.wrong <= TWO.tries
    if machine.verified:
        assert {(FactorCheck.MATCHED, factor) for factor in TWO.factors} <= set(answers)


def test_the_state_keeps_the_machine_and_no_policy_asks_nothing() -> None:
    machine = Verification().after(FactorCheck.MISMATCHED, Factor.PIN, TWO)
    state = DialogueState(language="xx", languages=("xx",), verification=machine.to_json())
    stored = DialogueState.from_json(orjson.loads(orjson.dumps(state.to_json())))
    assert Verification.from_json(stored.verification) == machine
    assert Verification.from_json({}) == Verification()
    assert not needed_for(None, "order_status", Verification())
    assert not needed_for(TWO, "store_hours", Verification())
    assert AgentProfile("t", "a", "E", ("xx",), "xx").verification is None and not ToolResult(True).needs_verification


@pytest.mark.parametrize(
    ("factor", "said", "meant"),
    [
        (Factor.PIN, "4321", "4321"),
        (Factor.PIN, "43 21-56", "432156"),
        (Factor.PIN, "123", None),
        (Factor.PIN, "123456789", None),
        (Factor.PIN, "४३२१", None),
        (Factor.POSTCODE, "411001", "411001"),
        (Factor.POSTCODE, "41100", None),
        (Factor.DATE_OF_BIRTH, "15081990", "1990-08-15"),
        (Factor.DATE_OF_BIRTH, "1990-08-15", "1990-08-15"),
        (Factor.DATE_OF_BIRTH, "1581990", "1990-08-15"),
        (Factor.DATE_OF_BIRTH, "581990", "1990-08-05"),
        (Factor.DATE_OF_BIRTH, "1121990", None),  # 1 December or 11 February
        (Factor.DATE_OF_BIRTH, "31021990", None),
        (Factor.DATE_OF_BIRTH, "15081790", None),
        (Factor.DATE_OF_BIRTH, "150890", None),
        (Factor.DATE_OF_BIRTH, "15th", None),
    ],
)
def test_values_are_compared_in_one_form(factor: Factor, said: str, meant: str | None) -> None:
    assert canonical(factor, said) == meant


def test_the_value_is_found_among_the_entities() -> None:
    today, born = date(2026, 11, 21), Factor.DATE_OF_BIRTH
    assert value_of(Factor.PIN, (Found("date", "kal", "2026-11-22"), Found("digits", "4321")), today) == "4321"
    assert value_of(born, (Found("date", "x", "1990-08-15"),), today) == "1990-08-15"
    assert value_of(born, (Found("digits", "15081990"),), today) == "1990-08-15"
    assert value_of(born, (Found("digits", "99"), Found("date", "kal", None)), today) is None
    assert value_of(born, (Found("date", "15 august", "2027-08-15"), Found("digits", "90")), today) is None
    assert value_of(Factor.POSTCODE, (), today) is None


def test_only_an_awaited_factor_is_one() -> None:
    assert awaited_factor("verify:date_of_birth") is Factor.DATE_OF_BIRTH
    assert awaited_factor("confirm:order_id") is None and awaited_factor(None) is None
