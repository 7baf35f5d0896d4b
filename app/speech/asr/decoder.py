"""What a CTC decoder is, and the greedy one: stream by stream, with word times and confidences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp
from typing import Protocol, Self, TypeVar

import numpy as np

from .engine import Alternative, Bias, Word
from .features import FloatArray

_WORD_START = "▁"


@dataclass(frozen=True, slots=True)
class Token:
    """A decoded piece, the encoder frames it spans and the best log probability it had."""

    piece: int
    frame: int
    last_frame: int
    log_prob: float

    def held(self, frame: int, log_prob: float) -> Token:
        """Returns the token heard on through `frame`."""
        return Token(self.piece, self.frame, frame, max(self.log_prob, log_prob))


class DecoderState(Protocol):
    """What a decoder remembers of one stream."""

    def copy(self) -> Self:
        """Returns an independent state."""
        ...


StateT = TypeVar("StateT", bound=DecoderState)


class Decoder(Protocol[StateT]):
    """Turns encoder output into words, stream by stream."""

    def new_state(self, bias: Bias | None = None) -> StateT:
        """Returns the state of a fresh stream, leaning towards `bias` where the decoder can."""
        ...

    def advance(self, state: StateT, log_probs: FloatArray) -> bool:
        """Decodes float32[frames, pieces + 1] log probabilities; tells whether the transcript changed."""
        ...

    def words(self, state: StateT) -> tuple[Word, ...]:
        """Returns the words so far."""
        ...

    def alternatives(self, state: StateT) -> tuple[Alternative, ...]:
        """Returns other readings of what was heard, likeliest first, without the best."""
        ...


@dataclass(slots=True)
class GreedyState:
    """What greedy decoding remembers of one stream: tokens so far, the last frame's symbol, frames seen."""

    tokens: list[Token] = field(default_factory=list)
    previous: int = -1
    frames: int = 0

    def copy(self) -> GreedyState:
        """Returns an independent state."""
        return GreedyState(list(self.tokens), self.previous, self.frames)


class GreedyDecoder:
    """Picks the best symbol of every frame, merges repeats and drops blanks."""

    def __init__(self, pieces: Sequence[str], frame_ms: int, delay_frames: int) -> None:
        """Takes the vocabulary in order; the blank follows it.

        Args:
            pieces: sentencepiece pieces, `▁` opening a word.
            frame_ms: an encoder frame's length.
            delay_frames: how many frames after being spoken a piece is emitted, on average.
        """
        self._pieces = list(pieces)
        self._blank = len(self._pieces)
        self._frame_ms = frame_ms
        self._delay_frames = delay_frames

    def new_state(self, bias: Bias | None = None) -> GreedyState:
        """Returns the state of a fresh stream; greedy decoding follows the audio alone."""
        return GreedyState()

    def advance(self, state: GreedyState, log_probs: FloatArray) -> bool:
        """Decodes float32[frames, pieces + 1] log probabilities; tells whether a token was added."""
        best = log_probs.argmax(axis=1)
        scores = log_probs[np.arange(len(best)), best]
        added = False
        for symbol, score in zip(best.tolist(), scores.tolist(), strict=True):
            if symbol != self._blank:
                if symbol != state.previous:
                    state.tokens.append(Token(symbol, state.frames, state.frames, score))
                    added = True
                else:
                    state.tokens[-1] = state.tokens[-1].held(state.frames, score)
            state.previous = symbol
            state.frames += 1
        return added

    def words(self, state: GreedyState) -> tuple[Word, ...]:
        """Returns the words so far."""
        return join_words(state.tokens, self._pieces, self._frame_ms, self._delay_frames)

    def alternatives(self, state: GreedyState) -> tuple[Alternative, ...]:
        """Returns nothing: greedy decoding keeps one reading."""
        return ()


def join_words(tokens: Sequence[Token], pieces: Sequence[str], frame_ms: int, delay_frames: int) -> tuple[Word, ...]:
    """Joins tokens into words; a word's confidence is that of its weakest token."""
    groups: list[list[Token]] = []
    for token in tokens:
        if not groups or pieces[token.piece].startswith(_WORD_START):
            groups.append([])
        groups[-1].append(token)
    found: list[Word] = []
    for index, group in enumerate(groups):
        text = "".join(pieces[token.piece] for token in group).replace(_WORD_START, "")
        if not text:
            continue
        end_frame = group[-1].last_frame + 1
        if index + 1 < len(groups):
            end_frame = min(end_frame, groups[index + 1][0].frame)
        start_ms = max(0, (group[0].frame - delay_frames) * frame_ms)
        end_ms = max(start_ms + frame_ms, (end_frame - delay_frames) * frame_ms)
        confidence = exp(min(token.log_prob for token in group))
        found.append(Word(text, start_ms, end_ms, min(1.0, confidence)))
    return tuple(found)


def edit_distance(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Counts the substitutions, insertions and deletions between two sequences (Levenshtein)."""
    row = list(range(len(hypothesis) + 1))
    for i, wanted in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, heard in enumerate(hypothesis, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (wanted != heard))
    return row[-1]
