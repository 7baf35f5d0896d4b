"""CTC prefix beam search with n-grams, stream by stream: the decoder to use where a model ships `ngrams.model`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log1p

import numpy as np

from .decoder import Token, join_words
from .engine import Word
from .features import FloatArray
from .ngrams import NgramModel

_NEVER = -1e30
_REMEMBERED_GAINS = 100_000


@dataclass(frozen=True, slots=True)
class BeamSettings:
    """The search's size and weights; the defaults were tuned on held-out synthetic calls."""

    width: int = 12
    lowest_log_prob: float = -5.5
    sure_blank_log_prob: float = -0.01
    language_weight: float = 0.4
    piece_bonus: float = 2.3
    widest_gap: float = 10.0


class _Node:
    """The last piece of a hypothesis and the node before it."""

    __slots__ = ("before", "token")

    def __init__(self, token: Token, before: _Node | None) -> None:
        self.token = token
        self.before = before


class _Prefix:
    """One hypothesis: its pieces, the n-gram context, and how likely it ends in a blank or in its last piece."""

    __slots__ = ("blank", "context", "key", "language", "last", "piece", "score", "tail")

    def __init__(
        self, key: int, tail: _Node | None, context: tuple[int, ...], blank: float, piece: float, language: float
    ) -> None:
        self.key = key
        self.tail = tail
        self.last = tail.token.piece if tail else -1
        self.context = context
        self.blank = blank
        self.piece = piece
        self.language = language
        self.score = 0.0


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
    return high if low < high - 20.0 else high + log1p(exp(low - high))


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
        self._gains: dict[tuple[tuple[int, ...], int], float] = {}

    def new_state(self) -> BeamState:
        """Returns the state of a fresh stream."""
        return BeamState([_Prefix(0, None, self._ngrams.start, 0.0, _NEVER, 0.0)])

    def advance(self, state: BeamState, log_probs: FloatArray) -> bool:
        """Decodes float32[frames, pieces + 1] log probabilities; tells whether the best transcript changed."""
        before = state.beam[0].key
        blanks = log_probs[:, self._blank].tolist()
        for row, blank in zip(log_probs, blanks, strict=True):
            if blank > self._settings.sure_blank_log_prob:
                state.beam = [
                    _Prefix(p.key, p.tail, p.context, _log_add(p.blank, p.piece) + blank, _NEVER, p.language)
                    for p in state.beam
                ]
            else:
                tokens = np.flatnonzero(row[: self._blank] > self._settings.lowest_log_prob)
                heard = list(zip(tokens.tolist(), row[tokens].tolist(), strict=True))
                state.beam = self._extend(state, heard, blank)
            state.frames += 1
        return state.beam[0].key != before

    def _extend(self, state: BeamState, heard: list[tuple[int, float]], blank: float) -> list[_Prefix]:
        settings, frame = self._settings, state.frames
        grown: dict[int, _Prefix] = {}
        for prefix in state.beam:
            total = _log_add(prefix.blank, prefix.piece)
            kept = grown.get(prefix.key)
            if kept is None:
                kept = _Prefix(prefix.key, prefix.tail, prefix.context, _NEVER, _NEVER, prefix.language)
                grown[prefix.key] = kept
            kept.blank = _log_add(kept.blank, total + blank)
            for token, log_prob in heard:
                if token == prefix.last and prefix.tail is not None:
                    kept.piece = _log_add(kept.piece, prefix.piece + log_prob)
                    kept.tail = _Node(prefix.tail.token.held(frame, log_prob), prefix.tail.before)
                    if prefix.blank > _NEVER:
                        self._grow(grown, prefix, Token(token, frame, frame, log_prob), prefix.blank)
                else:
                    self._grow(grown, prefix, Token(token, frame, frame, log_prob), total)
        for prefix in grown.values():
            prefix.score = _log_add(prefix.blank, prefix.piece) + prefix.language
        ranked = sorted(grown.values(), key=lambda prefix: -prefix.score)[: settings.width]
        floor = ranked[0].score - settings.widest_gap
        return [prefix for prefix in ranked if prefix.score >= floor]

    def _grow(self, grown: dict[int, _Prefix], prefix: _Prefix, token: Token, before: float) -> None:
        key = hash((prefix.key, token.piece))
        longer = grown.get(key)
        if longer is None:
            context = (*prefix.context, token.piece)[-self._ngrams.context_length :]
            language = prefix.language + self._gain(prefix.context, token.piece)
            longer = _Prefix(key, _Node(token, prefix.tail), context, _NEVER, _NEVER, language)
            grown[key] = longer
        longer.piece = _log_add(longer.piece, before + token.log_prob)

    def _gain(self, context: tuple[int, ...], piece: int) -> float:
        found = self._gains.get((context, piece))
        if found is None:
            if len(self._gains) >= _REMEMBERED_GAINS:
                self._gains.clear()
            settings = self._settings
            found = settings.language_weight * self._ngrams.score(context, piece) + settings.piece_bonus
            self._gains[context, piece] = found
        return found

    def words(self, state: BeamState) -> tuple[Word, ...]:
        """Returns the words of the best transcript."""
        tokens: list[Token] = []
        node = state.beam[0].tail
        while node is not None:
            tokens.append(node.token)
            node = node.before
        tokens.reverse()
        return join_words(tokens, self._pieces, self._frame_ms, self._delay_frames)
