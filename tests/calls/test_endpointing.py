"""Following a recording's turn: where it ends, and that patience follows what was understood at a pause."""

from collections.abc import Sequence

import pytest

from app.calls.endpointing import TurnFollower, patience_by_understanding
from app.calls.turns import PATIENCE_COMPLETE_MS, PATIENCE_MORE_DIGITS_MS, PATIENCE_UNKNOWN_MS
from app.language.guess import LanguageGuess
from app.nlu.understanding import Entity, Understanding
from app.speech.asr.engine import Bias, Transcript
from app.speech.vad import VadStream

pytestmark = pytest.mark.unit
FRAME = 160
LOUD, QUIET = b"\x10", b"\xff"


class LoudnessVad:
    """Takes loud bytes for speech."""

    def probabilities(self, streams: Sequence[VadStream]) -> list[list[float]]:
        found: list[float] = []
        pending = streams[0].pending
        while len(pending) >= 256:
            found.append(0.99 if pending[0] == LOUD[0] else 0.01)
            del pending[:256]
        return [found]


def transcript(text: str = "yes") -> Transcript:
    return Transcript(text, 0.9, (), True)


def play(follower: TurnFollower, *parts: tuple[bytes, int]) -> float | None:
    for byte, ms in parts:
        for _ in range(ms // 20):
            if (ended := follower.hear(byte * FRAME, transcript)) is not None:
                return ended
    return None


@pytest.mark.parametrize("patience_ms", [352, 736])
def test_the_turn_ends_after_the_patience(patience_ms: int) -> None:
    follower = TurnFollower(LoudnessVad(), lambda heard: patience_ms)  # type: ignore[arg-type]
    ended = play(follower, (QUIET, 400), (LOUD, 800), (QUIET, 2000))
    assert ended is not None
    assert ended - 1200 == pytest.approx(patience_ms, abs=64)


def test_a_pause_shorter_than_the_patience_ends_nothing() -> None:
    follower = TurnFollower(LoudnessVad(), lambda heard: 736)  # type: ignore[arg-type]
    ended = play(follower, (LOUD, 600), (QUIET, 500), (LOUD, 600), (QUIET, 2000))
    assert ended is not None
    assert ended - 1700 == pytest.approx(736, abs=64)


def test_without_speech_no_turn_ends() -> None:
    assert play(TurnFollower(LoudnessVad(), lambda heard: 300), (QUIET, 3000)) is None  # type: ignore[arg-type]


class ScriptedUnderstander:
    def __init__(self, intent: str, digits: str = "") -> None:
        self.intent = intent
        self.digits = digits
        self.told: dict[str, object] = {}

    def understand(self, text: str, **told: object) -> Understanding:
        self.told = told
        entities = (Entity("digits", self.digits, text),) if self.digits else ()
        return Understanding(text, self.intent, 0.9, LanguageGuess(None, 0.0), entities)


@pytest.mark.parametrize(
    ("intent", "digits", "bias", "patience_ms"),
    [
        ("order_status", "", None, PATIENCE_COMPLETE_MS),
        ("out_of_scope", "", None, PATIENCE_UNKNOWN_MS),
        ("inform", "45", Bias(digits=(4, 6)), PATIENCE_MORE_DIGITS_MS),
        ("inform", "451234", Bias(digits=(4, 6)), PATIENCE_COMPLETE_MS),
    ],
)
def test_patience_follows_what_was_understood(intent: str, digits: str, bias: Bias | None, patience_ms: int) -> None:
    understander = ScriptedUnderstander(intent, digits)
    after = patience_by_understanding(understander, ["hi-IN", "en-IN"], bias)  # type: ignore[arg-type]
    assert after(transcript()) == patience_ms
    assert understander.told["expected_digits"] == (bias.digits if bias else None)
