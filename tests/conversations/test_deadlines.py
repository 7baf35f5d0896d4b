"""When answers are due: working minutes only, whatever the hours are."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.conversations.deadlines import closing, due, opening
from app.dialogue.hours import WEEKDAYS, BusinessHours

pytestmark = pytest.mark.unit

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
OFFICE = BusinessHours.of(
    "Asia/Kolkata", {day: [{"opens": "10:00", "closes": "19:00"}] for day in WEEKDAYS if day != "sunday"}
)
clocks = st.integers(0, 24 * 60 - 1).map(lambda minute: f"{minute // 60:02d}:{minute % 60:02d}")
spans = st.fixed_dictionaries({"opens": clocks, "closes": clocks})
weeks = st.dictionaries(st.sampled_from(WEEKDAYS), st.lists(spans, min_size=1, max_size=2), min_size=1)
hours = st.builds(BusinessHours.of, st.sampled_from(["Asia/Kolkata", "UTC", "Europe/Berlin"]), weeks)
moments = st.integers(0, 2 * 365 * 24 * 60).map(lambda minute: NEW_YEAR + timedelta(minutes=minute))


def kolkata(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+05:30")


@pytest.mark.parametrize(
    ("start", "minutes", "expected"),
    [
        ("2026-11-20T11:00", 30, "2026-11-20T11:30"),
        ("2026-11-20T18:50", 30, "2026-11-21T10:20"),
        ("2026-11-21T18:50", 30, "2026-11-23T10:20"),
        ("2026-11-22T08:00", 0, "2026-11-23T10:00"),
        ("2026-11-20T09:00", 9 * 60 + 1, "2026-11-21T10:01"),
    ],
)
def test_runs_only_while_people_are_there(start: str, minutes: int, expected: str) -> None:
    assert due(OFFICE, kolkata(start), minutes) == kolkata(expected)


def test_without_hours_people_are_always_there() -> None:
    start = kolkata("2026-11-22T03:00")
    assert due(BusinessHours(), start, 45) == start + timedelta(minutes=45)
    assert closing(BusinessHours(), start) is None


@given(hours, moments, st.integers(1, 600))
def test_is_never_early_never_in_closed_hours_and_grows(week: BusinessHours, start: datetime, minutes: int) -> None:
    answer = due(week, start, minutes)
    assert answer >= start + timedelta(minutes=minutes)
    assert week.is_open(answer - timedelta(microseconds=1)), "the last working minute is one of theirs"
    assert due(week, start, minutes + 1) > answer
    assert due(week, start + timedelta(minutes=5), minutes) >= answer


@given(hours, moments)
def test_opening_is_the_first_moment_at_which_people_are_there(week: BusinessHours, at: datetime) -> None:
    first = opening(week, at)
    assert first >= at and week.is_open(first)
    if first > at:
        assert not week.is_open(at)
        halfway = at + (first - at) / 2
        assert not week.is_open(halfway)
