"""The free entry point by hypothesis: 72 hours from an answer in time in whatever order; never a window."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp.costs.models import cost_of
from whatsapp.entry_point import ANSWER_WITHIN, FREE_FOR, EntryPoint, answered, came, referred
from whatsapp.window import Window

pytestmark = pytest.mark.unit
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=30)
moments = st.integers(min_value=-300_000, max_value=300_000).map(lambda s: NOON + timedelta(seconds=s))


def arrived(at: datetime = NOON, point: EntryPoint | None = None) -> EntryPoint:
    return came(point or EntryPoint(), at, "ad", "120", LATER)


@given(st.lists(moments, max_size=6), st.randoms())
def test_the_first_answer_in_time_opens_it_in_any_order(answers: list[datetime], shuffle: object) -> None:
    in_time = [at for at in answers if NOON <= at < NOON + ANSWER_WITHIN]
    mixed = list(answers)
    shuffle.shuffle(mixed)  # type: ignore[attr-defined]
    point = arrived()
    for at in mixed:
        point = answered(point, at)
    assert point.opened_at == min(in_time, default=None)
    assert point.free_until == (min(in_time) + FREE_FOR if in_time else None)
    assert (point.answer_by is None) is bool(in_time)


@given(st.lists(st.tuples(st.booleans(), moments), max_size=12))
def test_what_is_free_never_shrinks_and_needs_an_answer(history: list[tuple[bool, datetime]]) -> None:
    point = EntryPoint()
    for is_answer, at in sorted(history, key=lambda event: event[1]):
        after = answered(point, at) if is_answer else arrived(at, point)
        assert point.free_until is None or (after.free_until is not None and after.free_until >= point.free_until)
        point = after
    if not any(is_answer for is_answer, _ in history):
        assert point.free_until is None
    if point.free_until is not None:
        assert point.free_until <= max(at for is_answer, at in history if is_answer) + FREE_FOR


@given(st.permutations([0, 3600, 7200]))
def test_the_newest_entry_stays_whatever_the_order(order: list[int]) -> None:
    point = EntryPoint()
    for seconds in order:
        point = arrived(NOON + timedelta(seconds=seconds), point)
    assert point.came_at == NOON + timedelta(seconds=7200) and point.opened_at is None


def test_an_answer_after_a_day_opens_nothing() -> None:
    point = answered(arrived(), NOON + ANSWER_WITHIN)
    assert point.free_until is None and not point.is_free(NOON + ANSWER_WITHIN)
    assert answered(arrived(), NOON - timedelta(seconds=1)).free_until is None, "it was no answer to it"


def test_a_time_from_the_future_is_cut_back() -> None:
    assert came(EntryPoint(), NOON + timedelta(days=9), "ad", "1", NOON).came_at == NOON


def test_it_opens_no_window() -> None:
    point = answered(arrived(), NOON)
    assert point.is_free(NOON + timedelta(hours=71)) and not Window().is_open(NOON)


@pytest.mark.parametrize("odd", [{}, {"referral": None}, {"referral": "ad"}, {"referral": {"source_type": 5}}])
def test_messages_without_a_source_came_by_none(odd: dict[str, object]) -> None:
    assert referred(odd) is None


def test_meta_s_word_goes_before_our_reckoning() -> None:
    told = cost_of(
        "o", "c", "+91", {"category": "service", "type": "regular", "billable": True}, None, NOON, free_entry=True
    )
    assert told.billable and told.kind == "regular"
    untold = cost_of("o", "c", "+91", {"category": "service"}, None, NOON, free_entry=True)
    assert not untold.billable and untold.kind == "free_entry_point" and untold.amount_micros == 0
