"""Greedy CTC decoding, stream by stream, with word times and confidences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .engine import Word
from .features import FloatArray

_WORD_START = "▁"


@dataclass(slots=True)
class _Token:
    piece: int
    frame: int
    last_frame: int
    log_prob: float


@dataclass(slots=True)
class GreedyState:
    """What greedy decoding remembers of one stream: tokens so far, the last frame's symbol, frames seen."""

    tokens: list[_Token] = field(default_factory=list)
    previous: int = -1
    frames: int = 0

    def copy(self) -> GreedyState:
        """Returns an independent state."""
        tokens = [_Token(token.piece, token.frame, token.last_frame, token.log_prob) for token in self.tokens]
        return GreedyState(tokens, self.previous, self.frames)


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

    def new_state(self) -> GreedyState:
        """Returns the state of a fresh stream."""
        return GreedyState()

    def advance(self, state: GreedyState, log_probs: FloatArray) -> bool:
        """Decodes float32[frames, pieces + 1] log probabilities; tells whether a token was added."""
        best = log_probs.argmax(axis=1)
        scores = log_probs[np.arange(len(best)), best]
        added = False
        for symbol, score in zip(best.tolist(), scores.tolist(), strict=True):
            if symbol != self._blank:
                if symbol != state.previous:
                    state.tokens.append(_Token(symbol, state.frames, state.frames, score))
                    added = True
                else:
                    token = state.tokens[-1]
                    token.last_frame = state.frames
                    token.log_prob = max(token.log_prob, score)
            state.previous = symbol
            state.frames += 1
        return added

    def words(self, state: GreedyState) -> tuple[Word, ...]:
        """Joins the tokens into words; a word's confidence is that of its weakest token."""
        groups: list[list[_Token]] = []
        for token in state.tokens:
            if not groups or self._pieces[token.piece].startswith(_WORD_START):
                groups.append([])
            groups[-1].append(token)
        found: list[Word] = []
        for index, group in enumerate(groups):
            text = "".join(self._pieces[token.piece] for token in group).replace(_WORD_START, "")
            if not text:
                continue
            end_frame = group[-1].last_frame + 1
            if index + 1 < len(groups):
                end_frame = min(end_frame, groups[index + 1][0].frame)
            start_ms = max(0, (group[0].frame - self._delay_frames) * self._frame_ms)
            end_ms = max(start_ms + self._frame_ms, (end_frame - self._delay_frames) * self._frame_ms)
            confidence = float(np.exp(min(token.log_prob for token in group)))
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
