"""Plays recordings to an engine as a call would: 20 ms at a time, several at once, with partials and the turn's end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..engine import AsrEngine, AsrStream, Bias, Transcript
from ..features import FloatArray, encode_mulaw
from .measures import Heard

FRAME_MS = 20
_FRAME_BYTES = 160
_RATE_HZ = 8000
_SILENCE = b"\xff"
_LOUD_DB = -35.0
_WAIT_MS = 2500


@dataclass(frozen=True, slots=True)
class Utterance:
    """One recording ready to be played: 8 kHz mu-law, and where the speech in it ends, in milliseconds."""

    mulaw: bytes
    speech_end_ms: float
    bias: Bias | None = None


class Turn(Protocol):
    """Follows one recording and says when a call would take the caller's turn as over."""

    def hear(self, mulaw: bytes, heard: Callable[[], Transcript]) -> float | None:
        """Takes the next 20 ms.

        Args:
            mulaw: 160 bytes.
            heard: Gives the final transcript so far, for deciding how long to wait.

        Returns:
            The position in ms at which the turn was taken as over; None before.
        """
        ...


def speech_end_ms(samples: FloatArray, rate_hz: int) -> float:
    """Returns where the speech ends by its energy: the last 20 ms within 35 dB of the loudest, in milliseconds."""
    size = rate_hz * FRAME_MS // 1000
    count = len(samples) // size
    if not count:
        return 1000 * len(samples) / rate_hz
    levels = 10 * np.log10(np.mean(np.square(samples[: count * size].reshape(count, size)), axis=1) + 1e-10)
    return float((np.flatnonzero(levels > levels.max() + _LOUD_DB)[-1] + 1) * FRAME_MS)


def to_mulaw(samples: FloatArray) -> bytes:
    """Returns G.711 mu-law of float32[n] at 8 kHz in [-1, 1]."""
    return encode_mulaw(np.clip(samples, -1, 1).astype(np.float32))


class _Player:
    """One recording on its way through the engine."""

    def __init__(self, engine: AsrEngine, utterance: Utterance, turn: Turn | None) -> None:
        self._engine = engine
        self._utterance = utterance
        self._turn = turn
        self.stream: AsrStream = engine.open_stream(utterance.bias)
        self.partials: list[tuple[str, ...]] = []
        self.ended_ms: float | None = None
        self._at = 0

    @property
    def is_done(self) -> bool:
        return self._at >= len(self._utterance.mulaw)

    def push(self) -> None:
        """Plays the next 20 ms."""
        frame = self._utterance.mulaw[self._at : self._at + _FRAME_BYTES]
        self._at += _FRAME_BYTES
        self._engine.push(self.stream, frame)
        self._listen(frame)

    def wait(self) -> None:
        """Goes on with silence until the turn is over, on a stream of its own so that the transcript is not touched."""
        waited = 0
        while self._turn is not None and self.ended_ms is None and waited < _WAIT_MS:
            self._listen(_SILENCE * _FRAME_BYTES)
            waited += FRAME_MS

    def _listen(self, frame: bytes) -> None:
        if self._turn is not None and self.ended_ms is None and len(frame) == _FRAME_BYTES:
            self.ended_ms = self._turn.hear(frame, self._heard)

    def _heard(self) -> Transcript:
        return self._engine.finish([self.stream])[0]

    def result(self, final: Transcript, final_ms: float) -> Heard:
        """Returns what came of it."""
        ended = None if self.ended_ms is None else self.ended_ms - self._utterance.speech_end_ms
        return Heard(final.text, tuple(self.partials), ended, self._turn is not None, final_ms)


def listen(
    engine: AsrEngine,
    utterances: Sequence[Utterance],
    open_turn: Callable[[Bias | None], Turn] | None = None,
    at_once: int = 8,
) -> Iterator[Heard]:
    """Plays every utterance and yields what was heard, in order.

    Args:
        engine: A streaming recogniser.
        utterances: What to play.
        open_turn: Makes a follower of one recording's turn, told what is expected; None measures no endpoints.
        at_once: How many are played together.
    """
    for first in range(0, len(utterances), at_once):
        group = utterances[first : first + at_once]
        players = [_Player(engine, one, open_turn(one.bias) if open_turn else None) for one in group]
        while active := [player for player in players if not player.is_done]:
            for player in active:
                player.push()
            for player, partial in zip(active, engine.step([player.stream for player in active]), strict=True):
                if partial is not None:
                    player.partials.append(tuple(partial.text.split()))
        for player in players:
            player.wait()
            started = time.perf_counter()
            final = engine.finish([player.stream])[0]
            yield player.result(final, (time.perf_counter() - started) * 1000)
            engine.close_stream(player.stream)
