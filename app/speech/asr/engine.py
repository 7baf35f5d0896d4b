"""What speech recognition is to the rest of the house: transcripts, and the protocol of a streaming, batched engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

AsrStream = Any
"""One call's recognition state; opaque to callers, made by `AsrEngine.open_stream` of the same engine."""


@dataclass(frozen=True, slots=True)
class Word:
    """A recognised word; times count from the stream's first sample, confidence lies in 0 to 1."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """What has been heard so far on a stream; lower case, no punctuation, numbers in words."""

    text: str
    confidence: float
    words: tuple[Word, ...]
    is_final: bool


class AsrEngine(Protocol):
    """A streaming recogniser that advances many calls in one model run."""

    chunk_ms: int

    def open_stream(self) -> AsrStream:
        """Opens a stream with fresh caches; cheap."""
        ...

    def push(self, stream: AsrStream, mulaw: bytes) -> None:
        """Adds 8 kHz mu-law audio of any length to a stream."""
        ...

    def step(self, streams: Sequence[AsrStream]) -> list[Transcript | None]:
        """Advances every stream that has a whole chunk; a partial transcript where there is news, None elsewhere."""
        ...

    def finish(self, streams: Sequence[AsrStream]) -> list[Transcript]:
        """Returns final transcripts as if silence followed, leaving the streams as they were."""
        ...
