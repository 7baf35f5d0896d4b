import pytest

from app.simulate.carrier import CallEvent
from app.simulate.measure import Act, percentile, timings
from app.simulate.media import Utterance
from app.simulate.playout import HeardFrame
from app.simulate.voices import Spoken

pytestmark = pytest.mark.unit


def said(start: float, milliseconds: int, *, trailing_ms: int = 0, **fields: bool) -> Act:
    utterance = Utterance(b"\x00" * (8 * (milliseconds + trailing_ms)), started_at=start)
    utterance.end(start + (milliseconds + trailing_ms) / 1000)
    spoken = Spoken(utterance.mulaw, 0.0, float(milliseconds))
    return Act("steps[0]", "voice", "words", fields.pop("answered", True), spoken=spoken, utterance=utterance, **fields)


def agent(*stretches: tuple[float, float]) -> list[HeardFrame]:
    frames = []
    for begin, end in stretches:
        frames += [HeardFrame(begin + 0.02 * k, b"\x10" * 160, True) for k in range(round((end - begin) / 0.02))]
    return frames


def test_a_reply_is_measured_from_the_last_loud_sample_not_from_the_silence_after_it() -> None:
    (turn,) = timings([said(1.0, 1010, trailing_ms=300)], agent((0.0, 0.5), (2.5, 3.0)), [], answered_at=0.0)
    assert turn.reply_ms == pytest.approx(500, abs=0.5)
    assert turn.at_ms == 1000 and turn.barge_in_ms is None and not turn.talked_over


def test_silent_frames_are_no_reply() -> None:
    heard = [HeardFrame(2.1, b"\xff" * 160, False), *agent((2.8, 3.0))]
    (turn,) = timings([said(1.0, 1010)], heard, [], answered_at=0.0)
    assert turn.reply_ms == pytest.approx(800, abs=0.5)


def test_an_answer_that_came_after_the_next_words_is_not_the_first_words_answer() -> None:
    first, second = said(1.0, 500), said(3.0, 500)
    turns = timings([first, second], agent((4.0, 4.5)), [], answered_at=0.0)
    assert turns[0].reply_ms is None and turns[1].reply_ms is not None


def test_what_needs_no_answer_has_no_reply_time() -> None:
    (turn,) = timings([said(1.0, 500, answered=False)], agent((2.0, 3.0)), [], answered_at=0.0)
    assert turn.reply_ms is None


def test_barge_in_ends_with_the_last_frame_played_before_the_clear() -> None:
    heard = agent((0.0, 1.12))
    cleared = CallEvent(1.125, "clearAudio", {})
    (turn,) = timings([said(1.0, 800, interrupts=True)], heard, [cleared], answered_at=0.0)
    assert turn.barge_in_ms == pytest.approx(120, abs=21)


def test_an_agent_that_goes_on_was_not_interrupted() -> None:
    act = said(1.0, 300, interrupts=True, answered=False)
    (turn,) = timings([act], agent((0.0, 5.0)), [], answered_at=0.0)
    assert turn.barge_in_ms is None and turn.reply_ms is None


def test_an_agent_that_cuts_in_is_noticed() -> None:
    (turn,) = timings([said(1.0, 2000)], agent((1.8, 2.4)), [], answered_at=0.0)
    assert turn.talked_over


def test_what_was_never_sent_is_no_turn() -> None:
    act = Act("steps[0]", "voice", "words", True, spoken=Spoken(b"\x00", 0, 1), utterance=Utterance(b"\x00"))
    assert timings([act], [], [], answered_at=0.0) == []


def test_percentiles_are_nearest_rank() -> None:
    values = [float(v) for v in range(1, 101)]
    assert (percentile(values, 0.5), percentile(values, 0.95), percentile([7.0], 0.99)) == (50.0, 95.0, 7.0)
    assert percentile([], 0.5) is None
