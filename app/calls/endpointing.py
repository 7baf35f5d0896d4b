"""Where a call would take a recorded caller's turn as over: the service's own turn-taking, to measure recognisers."""

from collections.abc import Callable, Sequence

from app.calls.turns import TurnEventKind, TurnTaker, patience
from app.dialogue.turn import Expectation
from app.nlu.understander import Understander
from app.speech.asr.engine import Bias, Transcript
from app.speech.vad import SileroVad, VadStream

_NO_PROGRESS = frozenset({"out_of_scope", "silence"})


class TurnFollower:
    """Follows one recording with voice activity and `TurnTaker`; patience follows what was understood at a pause."""

    def __init__(self, vad: SileroVad, patience_of: Callable[[Transcript], int]) -> None:
        """Takes the voice detector, which followers share, and how long to wait after some words, in ms."""
        self._vad = vad
        self._patience_of = patience_of
        self._stream = VadStream()
        self._taker = TurnTaker()

    def hear(self, mulaw: bytes, heard: Callable[[], Transcript]) -> float | None:
        """Takes the next audio.

        Args:
            mulaw: 8 kHz mu-law.
            heard: Gives the final transcript so far.

        Returns:
            The position in ms at which the turn was taken as over; None before.
        """
        self._stream.pending += mulaw
        for probability in self._vad.probabilities([self._stream])[0]:
            event = self._taker.hear(probability)
            if event is None:
                continue
            if event.kind is TurnEventKind.PAUSE:
                self._taker.patience_ms = self._patience_of(heard())
            elif event.kind is TurnEventKind.ENDED:
                return float(self._taker.position_ms)
        return None


def patience_by_understanding(
    understander: Understander, languages: Sequence[str], bias: Bias | None
) -> Callable[[Transcript], int]:
    """Returns how long a call waits after some words: short after what it can act on, long after what it cannot.

    Args:
        understander: Understands the words.
        languages: BCP-47 tags of the packs.
        bias: What the dialogue expected; digits make it wait for a number.
    """
    digits = bias.digits if bias is not None else None
    expectation = Expectation.OPEN if digits is None else Expectation.DIGITS

    def after(transcript: Transcript) -> int:
        understanding = understander.understand(
            transcript.text,
            enabled=languages,
            current_language=languages[0],
            expectation=expectation,
            expected_digits=digits,
            asr_confidence=transcript.confidence,
        )
        resolved = digits is None and understanding.intent not in _NO_PROGRESS
        return patience(understanding, expectation, digits, resolved=resolved)

    return after
