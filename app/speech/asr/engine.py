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
class ScriptShare:
    """Evidence of language: how much of what was heard is written in one script.

    `script` is ISO 15924 ("Deva", "Latn"); `share` is its part of the spoken time, each word weighed by its
    confidence, so that all shares of a transcript sum to 1; `confidence` is the mean of its words'.
    """

    script: str
    share: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another reading of the same audio; `confidence` is its share of the probability of all readings kept."""

    text: str
    confidence: float
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcript:
    """What has been heard so far on a stream; lower case, no punctuation, numbers in words.

    `scripts` is evidence of language, largest share first, empty where no word was heard. `alternatives` are further
    readings of a final transcript, likeliest first and without `text` itself; only some decoders give any.
    """

    text: str
    confidence: float
    words: tuple[Word, ...]
    is_final: bool
    scripts: tuple[ScriptShare, ...] = ()
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True, slots=True)
class Bias:
    """What is likely to be said in one utterance; a decoder that knows no bias ignores it.

    Attributes:
        phrases: Words of the business and formats of its numbers, `#` standing for a digit ("AB-####").
        digits: The least and the most digits of a number that is being asked for.
        expected: Words that answer the question just asked.
        numerals: Words for numbers and how many digits each stands for; -2 marks tens that a digit may complete.
    """

    phrases: tuple[str, ...] = ()
    digits: tuple[int, int] | None = None
    expected: tuple[str, ...] = ()
    numerals: tuple[tuple[str, int], ...] = ()


class AsrEngine(Protocol):
    """A streaming recogniser that advances many calls in one model run."""

    chunk_ms: int

    def open_stream(self, bias: Bias | None = None) -> AsrStream:
        """Opens a stream for one utterance with fresh caches; cheap."""
        ...

    def push(self, stream: AsrStream, mulaw: bytes) -> None:
        """Adds 8 kHz mu-law audio of any length to a stream."""
        ...

    def is_due(self, stream: AsrStream) -> bool:
        """Tells whether the stream has a whole chunk, so that `step` would advance it."""
        ...

    def step(self, streams: Sequence[AsrStream]) -> list[Transcript | None]:
        """Advances every stream that has a whole chunk; a partial transcript where there is news, None elsewhere."""
        ...

    def finish(self, streams: Sequence[AsrStream]) -> list[Transcript]:
        """Returns final transcripts as if silence followed, leaving the streams as they were."""
        ...

    def close_stream(self, stream: AsrStream) -> None:
        """Gives back what a stream holds; safe to call twice, and the stream is not used afterwards."""
        ...
