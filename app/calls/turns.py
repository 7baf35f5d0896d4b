"""Turn-taking: from speech probabilities to the beginning, the pauses and the end of what the caller says.

Pure and clockless: time is the position in the caller's audio. The session acts on the events that `hear` returns
and sets `patience_ms`, the silence after which the turn is over, from what it has understood so far.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.dialogue.turn import Expectation
from app.nlu.understanding import Understanding

WINDOW_MS: Final = 32
ONSET_PROBABILITY: Final = 0.45
SURE_PROBABILITY: Final = 0.7
VOICE_PROBABILITY: Final = 0.35
ONSET_WINDOWS: Final = 2
PAUSE_MS: Final = 160
SHORTEST_VOICE_MS: Final = 96
LONGEST_TURN_MS: Final = 30_000

PATIENCE_UNKNOWN_MS: Final = 736
PATIENCE_COMPLETE_MS: Final = 416
PATIENCE_ANSWERED_MS: Final = 352
PATIENCE_MORE_DIGITS_MS: Final = 736
PATIENCE_SOME_DIGITS_MS: Final = 704
PATIENCE_TELLING_MS: Final = 1_120

_TELLING: Final = frozenset({"inform", "out_of_scope", "complaint", "change_address", "return_order"})


class TurnEventKind(StrEnum):
    """What happened in the caller's audio."""

    ONSET = "onset"  # speech began
    PAUSE = "pause"  # a first short silence: a good moment to think ahead
    RESUMED = "resumed"  # speech went on after a pause: thoughts are void
    ENDED = "ended"  # the turn is over
    FALSE_ALARM = "false_alarm"  # too short to be speech


@dataclass(frozen=True, slots=True)
class TurnEvent:
    """An event and where it belongs: `at_ms` is a position in the caller's audio."""

    kind: TurnEventKind
    at_ms: int


class TurnTaker:
    """Follows one caller. `voice_end_ms` is where voice was last heard."""

    __slots__ = ("_paused", "_run", "_start_ms", "_voiced_ms", "patience_ms", "position_ms", "voice_end_ms")

    def __init__(self) -> None:
        self.position_ms = 0
        self.voice_end_ms = 0
        self.patience_ms = PATIENCE_UNKNOWN_MS
        self._start_ms: int | None = None
        self._run = 0
        self._voiced_ms = 0
        self._paused = False

    @property
    def in_turn(self) -> bool:
        """Whether a turn is open."""
        return self._start_ms is not None

    @property
    def in_voice(self) -> bool:
        """Whether the caller is speaking rather than pausing."""
        return self.in_turn and not self._paused

    def reset(self) -> None:
        """Forgets an open turn; the position goes on."""
        self._start_ms = None
        self._run = 0
        self._voiced_ms = 0
        self._paused = False
        self.patience_ms = PATIENCE_UNKNOWN_MS

    def hear(self, probability: float) -> TurnEvent | None:
        """Takes the next 32 ms window's speech probability, in [0, 1]."""
        self.position_ms += WINDOW_MS
        if self._start_ms is None:
            return self._await_onset(probability)
        if probability >= VOICE_PROBABILITY:
            self.voice_end_ms = self.position_ms
            self._voiced_ms += WINDOW_MS
            if self._paused:
                self._paused = False
                self.patience_ms = PATIENCE_UNKNOWN_MS
                return TurnEvent(TurnEventKind.RESUMED, self.position_ms - WINDOW_MS)
            if self.position_ms - self._start_ms >= LONGEST_TURN_MS:
                return self._end(TurnEventKind.ENDED)
            return None
        return self._hear_silence(self.position_ms - self.voice_end_ms)

    def _await_onset(self, probability: float) -> TurnEvent | None:
        if probability < ONSET_PROBABILITY:
            self._run = 0
            return None
        self._run += 1
        if self._run < ONSET_WINDOWS and probability < SURE_PROBABILITY:
            return None
        self._start_ms = self.position_ms - self._run * WINDOW_MS
        self._voiced_ms = self._run * WINDOW_MS
        self.voice_end_ms = self.position_ms
        return TurnEvent(TurnEventKind.ONSET, self._start_ms)

    def _hear_silence(self, silence_ms: int) -> TurnEvent | None:
        if not self._paused and silence_ms >= PAUSE_MS:
            if self._voiced_ms < SHORTEST_VOICE_MS:
                return self._end(TurnEventKind.FALSE_ALARM)
            self._paused = True
            return TurnEvent(TurnEventKind.PAUSE, self.voice_end_ms)
        if self._paused and silence_ms >= self.patience_ms:
            return self._end(TurnEventKind.ENDED)
        return None

    def _end(self, kind: TurnEventKind) -> TurnEvent:
        event = TurnEvent(kind, self.voice_end_ms)
        if kind is TurnEventKind.FALSE_ALARM:
            self.reset()
        else:
            self._run = 0
            self.patience_ms = LONGEST_TURN_MS * 10
        return event


def patience(
    understanding: Understanding,
    expectation: Expectation,
    expected_digits: tuple[int, int] | None,
    *,
    resolved: bool,
) -> int:
    """Returns how much silence ends the turn, in milliseconds, given what was understood of it so far.

    Args:
        understanding: Of the partial utterance.
        expectation: What the dialogue asked for.
        expected_digits: Fewest and most digits, when digits were asked for.
        resolved: Whether the dialogue would make progress with this (an order was found, a question answered).
    """
    digits = understanding.entity("digits")
    if expectation is Expectation.DIGITS and digits is not None:
        fewest, most = expected_digits or (1, 10)
        if len(digits.value) >= most or resolved:
            return PATIENCE_COMPLETE_MS
        return PATIENCE_SOME_DIGITS_MS if len(digits.value) >= fewest else PATIENCE_MORE_DIGITS_MS
    if expectation is Expectation.YES_NO and understanding.intent in ("affirm", "deny"):
        return PATIENCE_ANSWERED_MS
    if expectation is Expectation.TEXT and understanding.intent in _TELLING:
        return PATIENCE_TELLING_MS
    if resolved:
        return PATIENCE_COMPLETE_MS
    return PATIENCE_UNKNOWN_MS
