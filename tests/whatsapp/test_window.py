"""The window by hypothesis: monotonic, never longer than Meta's, deaf to our own clock's lag."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp.window import WINDOW, Window, closed_by_meta, meta_time, opened

pytestmark = pytest.mark.unit
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
moments = st.integers(min_value=-200_000, max_value=200_000).map(lambda s: NOON + timedelta(seconds=s))


@given(st.lists(st.tuples(moments, moments), min_size=1, max_size=8))
def test_behaviour_06_never_shrinks_and_never_outlasts_metas_own(arrivals: list[tuple[datetime, datetime]]) -> None:
    window = Window()
    for sent_at, now in arrivals:
        after = opened(window, sent_at, now)
        assert window.expires_at is None or (after.expires_at is not None and after.expires_at >= window.expires_at)
        window = after
    newest = max(sent_at for sent_at, _ in arrivals)
    assert window.expires_at is not None and window.expires_at < newest + WINDOW


@given(st.permutations([0, 3600, 7200, 86_399]))
def test_behaviour_06_the_order_of_webhooks_does_not_matter(order: list[int]) -> None:
    window = Window()
    for seconds in order:
        window = opened(window, NOON + timedelta(seconds=seconds), NOON + timedelta(days=3))
    assert window.last_inbound_at == NOON + timedelta(seconds=86_399)


def test_behaviour_06_a_timestamp_from_the_future_is_cut_back_and_flagged() -> None:
    window = opened(Window(), NOON + timedelta(days=9), NOON)
    assert window.clamped and window.last_inbound_at == NOON


def test_behaviour_07_counts_from_metas_time_not_from_arrival() -> None:
    window = opened(Window(), NOON, NOON + timedelta(hours=23))
    assert window.is_open(NOON + timedelta(hours=23, minutes=58))
    assert not window.is_open(NOON + timedelta(hours=23, minutes=59, seconds=30))


def test_what_meta_closed_opens_again_with_the_next_message() -> None:
    window = closed_by_meta(opened(Window(), NOON, NOON), NOON + timedelta(hours=1))
    assert not window.is_open(NOON + timedelta(hours=1))
    later = NOON + timedelta(hours=2)
    assert opened(window, later, later).is_open(later)


def test_never_opened_is_closed_and_odd_times_are_refused() -> None:
    assert not Window().is_open(NOON)
    assert meta_time("1795262400") == datetime.fromtimestamp(1795262400, UTC)
    for odd in ("", "soon", "9" * 30):
        with pytest.raises(ValueError):
            meta_time(odd)
