"""Times as the console shows them: in the tenant's zone, today's without a date, what is left to the minute."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.console.texts import texts_in
from app.console.when import Times
from app.dialogue.hours import BusinessHours

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 14, 20, 0, tzinfo=UTC)
TIMES = Times(BusinessHours("Asia/Kolkata"), NOW, texts_in("en"))


def test_a_time_is_the_tenants_and_bears_a_date_unless_it_is_todays() -> None:
    assert TIMES.at(NOW - timedelta(hours=1)).text == "00:30"
    assert TIMES.at(NOW - timedelta(hours=2)).text == "14/3 23:30"
    assert TIMES.at(NOW).iso == "2026-03-14T20:00:00+00:00"


@pytest.mark.parametrize(
    ("ahead", "text", "is_past"),
    [
        (timedelta(hours=24) - timedelta(milliseconds=300), "23 h 59 min", False),
        (timedelta(minutes=59, seconds=59), "59 min", False),
        (timedelta(seconds=-90), "1 min", True),
        (timedelta(0), "0 min", True),
    ],
)
def test_what_is_left_is_rounded_down(ahead: timedelta, text: str, is_past: bool) -> None:
    moment = TIMES.until(NOW + ahead)
    assert (moment.text, moment.is_past) == (text, is_past)


@given(st.integers(min_value=-10_000_000, max_value=10_000_000))
def test_more_time_never_shows_as_less(seconds: int) -> None:
    def minutes(ahead: int) -> int:
        words = TIMES.until(NOW + timedelta(seconds=ahead)).text.split()
        return int(words[0]) * 60 + int(words[2]) if "h" in words else int(words[0])

    assert minutes(abs(seconds)) <= minutes(abs(seconds) + 1) and minutes(seconds) == abs(seconds) // 60
