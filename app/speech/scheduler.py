"""When a listening worker runs its recogniser: streams that are due wait for company, but not for long."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from app.speech.asr.engine import AsrEngine, AsrStream, Bias, Transcript
from app.speech.asr.routing import Opener


class Scheduler:
    """The open utterances of one worker, stepped together.

    A stream is due when it has a whole chunk. A batch runs when `max_batch` streams are due or the first of them has
    waited `max_wait_ms`; transcripts asked for by `finish` wait for no batch.
    """

    def __init__(
        self,
        engine: AsrEngine,
        *,
        max_batch: int,
        max_wait_ms: float,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._engine = engine
        self._max_batch = max_batch
        self._max_wait_seconds = max_wait_ms / 1_000
        self._clock = clock
        self._streams: dict[int, AsrStream] = {}
        self._due: dict[int, float] = {}
        self._figures = _Figures()

    def open(self, key: int, bias: Bias | None, opener: Opener | None = None) -> None:
        """Opens an utterance, instead of the one that was open under this key; `opener` remembers the call."""
        self.close(key)
        self._streams[key] = (opener or self._engine.open_stream)(bias)

    def close(self, key: int) -> None:
        """Closes the utterance, if one is open."""
        stream = self._streams.pop(key, None)
        self._due.pop(key, None)
        if stream is not None:
            self._engine.close_stream(stream)

    def push(self, key: int, mulaw: bytes) -> None:
        """Adds 8 kHz mu-law audio to the utterance, if one is open."""
        stream = self._streams.get(key)
        if stream is None:
            return
        self._engine.push(stream, mulaw)
        if key not in self._due and self._engine.is_due(stream):
            self._due[key] = self._clock()

    def seconds_to_wait(self) -> float | None:
        """Returns how long more audio may be waited for before a batch must run; None where nothing is due."""
        if not self._due:
            return None
        if len(self._due) >= self._max_batch:
            return 0.0
        return max(0.0, next(iter(self._due.values())) + self._max_wait_seconds - self._clock())

    def step(self) -> list[tuple[int, Transcript]]:
        """Runs one batch if it is time; returns the partial transcripts that changed."""
        if self.seconds_to_wait() != 0.0:
            return []
        started = self._clock()
        keys = list(self._due)[: self._max_batch]
        waits = [started - self._due.pop(key) for key in keys]
        partials = self._engine.step([self._streams[key] for key in keys])
        self._figures.add_step(waits, self._clock() - started)
        return [(key, partial) for key, partial in zip(keys, partials, strict=True) if partial is not None]

    def finish(self, keys: Sequence[int]) -> list[Transcript | None]:
        """Returns the final transcripts of these utterances, None where none is open."""
        started = self._clock()
        streams = [self._streams[key] for key in keys if key in self._streams]
        finals = iter(self._engine.finish(streams) if streams else [])
        found = [next(finals) if key in self._streams else None for key in keys]
        if streams:
            self._figures.finals.append(round((self._clock() - started) * 1_000, 2))
        return found

    def take_figures(self) -> dict[str, list[float]]:
        """Returns what was measured since the last call: see `_Figures`."""
        figures, self._figures = self._figures, _Figures()
        return figures.packed()


class _Figures:
    """Milliseconds each stream waited for its batch, each batch's size and duration, and each `finish`'s duration."""

    __slots__ = ("batches", "finals", "steps", "waits")

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.batches: list[float] = []
        self.steps: list[float] = []
        self.finals: list[float] = []

    def add_step(self, waits: Sequence[float], seconds: float) -> None:
        self.waits += [round(wait * 1_000, 2) for wait in waits]
        self.batches.append(len(waits))
        self.steps.append(round(seconds * 1_000, 2))

    def packed(self) -> dict[str, Any]:
        return {"waits": self.waits, "batches": self.batches, "steps": self.steps, "finals": self.finals}
