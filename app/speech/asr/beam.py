"""CTC prefix beam search with n-grams, stream by stream: the decoder to use where a model ships `ngrams.model`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .decoder import Token, join_words
from .engine import Word
from .features import FloatArray
from .ngrams import NgramModel

_NEVER = -1e30


@dataclass(frozen=True, slots=True)
class BeamSettings:
    """The search's size and weights; the defaults were tuned on held-out synthetic calls."""

    width: int = 6
    candidates: int = 8
    lowest_log_prob: float = -6.0
    sure_blank_log_prob: float = -0.01
    language_weight: float = 0.35
    piece_bonus: float = 0.7
    widest_gap: float = 9.0


@dataclass(slots=True)
class _Prefix:
    """One hypothesis: its pieces with times, and how likely it is to end in a blank or in its last piece."""

    tokens: tuple[Token, ...]
    history: tuple[int, ...]
    blank: float
    piece: float
    language: float

    @property
    def score(self) -> float:
        return _log_add(self.blank, self.piece) + self.language


@dataclass(slots=True)
class BeamState:
    """What the search remembers of one stream; prefixes are replaced, never changed, so a copy is cheap."""

    beam: list[_Prefix]
    frames: int = 0

    def copy(self) -> BeamState:
        """Returns an independent state."""
        return BeamState(list(self.beam), self.frames)


def _log_add(a: float, b: float) -> float:
    high, low = (a, b) if a > b else (b, a)
    if low <= high - 30.0:
        return high
    return high + float(np.log1p(np.exp(low - high)))


class BeamDecoder:
    """Keeps the likeliest transcripts, weighing what is heard with what is likely to be said."""

    def __init__(
        self,
        pieces: Sequence[str],
        frame_ms: int,
        delay_frames: int,
        ngrams: NgramModel,
        settings: BeamSettings | None = None,
    ) -> None:
        """Takes the vocabulary in order (the blank follows it), the frames' timing and the n-grams."""
        self._pieces = list(pieces)
        self._blank = len(self._pieces)
        self._frame_ms = frame_ms
        self._delay_frames = delay_frames
        self._ngrams = ngrams
        self._settings = settings or BeamSettings()

    def new_state(self) -> BeamState:
        """Returns the state of a fresh stream."""
        return BeamState([_Prefix((), self._ngrams.start, 0.0, _NEVER, 0.0)])

    def advance(self, state: BeamState, log_probs: FloatArray) -> bool:
        """Decodes float32[frames, pieces + 1] log probabilities; tells whether the best transcript changed."""
        before = state.beam[0].history
        for row in log_probs:
            blank = float(row[self._blank])
            if blank > self._settings.sure_blank_log_prob:
                state.beam = [
                    _Prefix(p.tokens, p.history, _log_add(p.blank, p.piece) + blank, _NEVER, p.language)
                    for p in state.beam
                ]
            else:
                state.beam = self._extend(state, row, blank)
            state.frames += 1
        return state.beam[0].history != before

    def _extend(self, state: BeamState, row: FloatArray, blank: float) -> list[_Prefix]:
        settings, frame = self._settings, state.frames
        best = np.argpartition(row, -settings.candidates)[-settings.candidates :]
        heard = [
            (int(token), float(row[token]))
            for token in best
            if token != self._blank and row[token] > settings.lowest_log_prob
        ]
        grown: dict[tuple[int, ...], _Prefix] = {}
        for prefix in state.beam:
            total = _log_add(prefix.blank, prefix.piece)
            last = prefix.history[-1] if prefix.tokens else -1
            kept = grown.get(prefix.history)
            if kept is None:
                kept = grown[prefix.history] = _Prefix(prefix.tokens, prefix.history, _NEVER, _NEVER, prefix.language)
            kept.blank = _log_add(kept.blank, total + blank)
            for token, log_prob in heard:
                if token == last:
                    kept.piece = _log_add(kept.piece, prefix.piece + log_prob)
                    kept.tokens = (*prefix.tokens[:-1], prefix.tokens[-1].held(frame, log_prob))
                    if prefix.blank > _NEVER:
                        self._grow(grown, prefix, token, log_prob, prefix.blank, frame)
                else:
                    self._grow(grown, prefix, token, log_prob, total, frame)
        ranked = sorted(grown.values(), key=lambda prefix: -prefix.score)[: settings.width]
        floor = ranked[0].score - settings.widest_gap
        return [prefix for prefix in ranked if prefix.score >= floor]

    def _grow(
        self,
        grown: dict[tuple[int, ...], _Prefix],
        prefix: _Prefix,
        token: int,
        log_prob: float,
        before: float,
        frame: int,
    ) -> None:
        history = (*prefix.history, token)
        longer = grown.get(history)
        if longer is None:
            likely = self._ngrams.score(prefix.history, token)
            gain = self._settings.language_weight * likely + self._settings.piece_bonus
            tokens = (*prefix.tokens, Token(token, frame, frame, log_prob))
            longer = grown[history] = _Prefix(tokens, history, _NEVER, _NEVER, prefix.language + gain)
        longer.piece = _log_add(longer.piece, before + log_prob)

    def words(self, state: BeamState) -> tuple[Word, ...]:
        """Returns the words of the best transcript."""
        return join_words(state.beam[0].tokens, self._pieces, self._frame_ms, self._delay_frames)
