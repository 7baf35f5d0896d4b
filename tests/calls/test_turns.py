import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calls.turns import (
    LONGEST_TURN_MS,
    PATIENCE_ANSWERED_MS,
    PATIENCE_COMPLETE_MS,
    PATIENCE_MORE_DIGITS_MS,
    PATIENCE_SOME_DIGITS_MS,
    PATIENCE_TELLING_MS,
    PATIENCE_UNKNOWN_MS,
    WINDOW_MS,
    TurnEventKind,
    TurnTaker,
    patience,
)
from app.dialogue.turn import Expectation
from app.language.guess import LanguageGuess
from app.nlu.understanding import Entity, Understanding

pytestmark = pytest.mark.unit

SPEECH, SILENCE = 0.95, 0.02


def hear(taker: TurnTaker, *spans: tuple[float, int]) -> list[tuple[TurnEventKind, int]]:
    """Feeds (probability, milliseconds) spans; returns events with the position at which they came."""
    events = []
    for probability, span_ms in spans:
        for _ in range(span_ms // WINDOW_MS):
            if event := taker.hear(probability):
                events.append((event.kind, taker.position_ms))
    return events


def test_a_turn_has_an_onset_a_pause_and_an_end() -> None:
    taker = TurnTaker()
    events = hear(taker, (SILENCE, 640), (SPEECH, 960), (SILENCE, 1600))
    assert [kind for kind, _ in events] == [TurnEventKind.ONSET, TurnEventKind.PAUSE, TurnEventKind.ENDED]
    onset, pause, ended = (at for _, at in events)
    assert onset - 640 <= 2 * WINDOW_MS
    assert pause - 1600 <= 192
    assert PATIENCE_UNKNOWN_MS <= ended - 1600 <= PATIENCE_UNKNOWN_MS + WINDOW_MS


def test_a_thinking_pause_does_not_end_the_turn() -> None:
    taker = TurnTaker()
    events = hear(taker, (SPEECH, 640), (SILENCE, 480), (SPEECH, 640), (SILENCE, 1600))
    kinds = [kind for kind, _ in events]
    assert kinds == [
        TurnEventKind.ONSET,
        TurnEventKind.PAUSE,
        TurnEventKind.RESUMED,
        TurnEventKind.PAUSE,
        TurnEventKind.ENDED,
    ]


def test_less_patience_ends_the_turn_sooner() -> None:
    taker = TurnTaker()
    hear(taker, (SPEECH, 640), (SILENCE, 192))
    taker.patience_ms = PATIENCE_COMPLETE_MS
    ((kind, at),) = hear(taker, (SILENCE, 1600))
    assert kind is TurnEventKind.ENDED
    assert at - 640 <= PATIENCE_COMPLETE_MS + WINDOW_MS


def test_a_click_is_a_false_alarm() -> None:
    taker = TurnTaker()
    events = hear(taker, (SILENCE, 320), (SPEECH, 64), (SILENCE, 640))
    assert [kind for kind, _ in events] == [TurnEventKind.ONSET, TurnEventKind.FALSE_ALARM]
    assert not taker.in_turn


def test_one_weak_window_is_no_onset() -> None:
    taker = TurnTaker()
    assert hear(taker, (SILENCE, 320), (0.6, 32), (SILENCE, 320)) == []


def test_speech_after_the_end_but_before_the_answer_goes_on_with_the_turn() -> None:
    taker = TurnTaker()
    hear(taker, (SPEECH, 640), (SILENCE, 960))
    ((kind, _),) = hear(taker, (SPEECH, 64))
    assert kind is TurnEventKind.RESUMED


def test_a_turn_without_pause_is_cut_at_the_limit() -> None:
    taker = TurnTaker()
    events = hear(taker, (SPEECH, LONGEST_TURN_MS + 640))
    assert events[1][0] is TurnEventKind.ENDED


@given(st.lists(st.floats(0, 1), max_size=400))
def test_events_alternate_for_any_audio(probabilities: list[float]) -> None:
    taker = TurnTaker()
    open_turn = False
    for probability in probabilities:
        event = taker.hear(probability)
        if event is None:
            continue
        assert (event.kind is TurnEventKind.ONSET) != open_turn
        open_turn = event.kind is not TurnEventKind.FALSE_ALARM
        assert 0 <= event.at_ms <= taker.position_ms


def understood(intent: str, digits: str | None = None) -> Understanding:
    entities = (Entity("digits", digits, digits),) if digits else ()
    return Understanding("", intent, 0.9, LanguageGuess("hi-IN", 0.9), entities)


@pytest.mark.parametrize(
    ("digits", "resolved", "expected_ms"),
    [
        ("45", False, PATIENCE_MORE_DIGITS_MS),
        ("4512", False, PATIENCE_SOME_DIGITS_MS),
        ("4512", True, PATIENCE_COMPLETE_MS),
        ("4512451245", False, PATIENCE_COMPLETE_MS),
    ],
)
def test_patience_while_a_number_is_read_out(digits: str, resolved: bool, expected_ms: int) -> None:
    got = patience(understood("inform", digits), Expectation.DIGITS, (4, 10), resolved=resolved)
    assert got == expected_ms


def test_patience_follows_what_was_understood() -> None:
    assert patience(understood("affirm"), Expectation.YES_NO, None, resolved=True) == PATIENCE_ANSWERED_MS
    assert patience(understood("order_status"), Expectation.OPEN, None, resolved=True) == PATIENCE_COMPLETE_MS
    assert patience(understood("out_of_scope"), Expectation.OPEN, None, resolved=False) == PATIENCE_UNKNOWN_MS


def test_who_tells_an_address_or_a_story_may_think_longer_than_who_says_yes() -> None:
    told = patience(understood("inform"), Expectation.TEXT, None, resolved=True)
    assert told == PATIENCE_TELLING_MS > PATIENCE_UNKNOWN_MS
    assert patience(understood("human_agent"), Expectation.TEXT, None, resolved=True) == PATIENCE_COMPLETE_MS
