"""CTC prefix beam search, stream by stream: what is heard, weighed with n-grams and with what is likely to be said.

The decoder of every model that ships `ngrams.model`; `biasing` gives the lean towards hot words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log1p
from operator import attrgetter, itemgetter

import numpy as np

from .biasing import BiasAutomaton, BiasCache, BiasWeights
from .decoder import Token, join_words
from .engine import Alternative, Bias, Word
from .features import FloatArray
from .ngrams import NgramModel

_NEVER = -1e30
_REMEMBERED_CONTEXTS = 50_000
_ALTERNATIVES = 4


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
    """One hypothesis: its pieces, the n-gram context, and how likely it ends in a blank or in its last piece.

    `total` is both together, `language` what n-grams and bias add, `score` the sum; `place` is where the bias stands.
    """

    __slots__ = ("blank", "context", "key", "language", "last", "piece", "place", "score", "tail", "total")

    def __init__(
        self, key: int, tail: _Node | None, context: tuple[int, ...], blank: float, language: float, place: int
    ) -> None:
        self.key = key
        self.tail = tail
        self.last = tail.token.piece if tail else -1
        self.context = context
        self.blank = self.total = blank
        self.piece = _NEVER
        self.language = language
        self.place = place
        self.score = blank + language


@dataclass(slots=True)
class BeamState:
    """What the search remembers of one stream; prefixes are replaced, never changed, so a copy is cheap."""

    beam: list[_Prefix]
    frames: int = 0
    lean: BiasAutomaton | None = None

    def copy(self) -> BeamState:
        """Returns an independent state."""
        return BeamState(list(self.beam), self.frames, self.lean)

    def ranked(self) -> list[tuple[float, _Prefix]]:
        """Returns the hypotheses with their scores if the utterance ended here, best first."""
        lean = self.lean
        if lean is None:
            return [(prefix.score, prefix) for prefix in self.beam]
        scored = [(prefix.score + lean.ending(prefix.place), prefix) for prefix in self.beam]
        scored.sort(key=_by_first, reverse=True)
        return scored

    def best(self) -> _Prefix:
        """Returns the likeliest hypothesis."""
        return self.beam[0] if self.lean is None else self.ranked()[0][1]


_by_score = attrgetter("score")
_by_first = itemgetter(0)


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
        weights: BiasWeights | None = None,
    ) -> None:
        """Takes the vocabulary in order (the blank follows it), the frames' timing, n-grams and the weights."""
        self._pieces = list(pieces)
        self._blank = len(self._pieces)
        self._frame_ms = frame_ms
        self._delay_frames = delay_frames
        self._ngrams = ngrams
        self._settings = settings or BeamSettings()
        self._biases = BiasCache(self._pieces, weights)
        self._gains: dict[tuple[int, ...], tuple[tuple[tuple[int, float], ...], dict[int, float]]] = {}

    def new_state(self, bias: Bias | None = None) -> BeamState:
        """Returns the state of a fresh stream."""
        return BeamState([_Prefix(0, None, self._ngrams.start, 0.0, 0.0, 0)], lean=self._biases.automaton(bias))

    def advance(self, state: BeamState, log_probs: FloatArray) -> bool:
        """Decodes float32[frames, pieces + 1] log probabilities; tells whether the best transcript changed."""
        before = state.best().key
        blanks = log_probs[:, self._blank].tolist()
        for row, blank in zip(log_probs, blanks, strict=True):
            if blank > self._settings.sure_blank_log_prob:
                state.beam = [
                    _Prefix(p.key, p.tail, p.context, p.total + blank, p.language, p.place) for p in state.beam
                ]
            else:
                tokens = np.flatnonzero(row[: self._blank] > self._settings.lowest_log_prob)
                heard = [
                    (piece, log_prob, Token(piece, state.frames, state.frames, log_prob))
                    for piece, log_prob in zip(tokens.tolist(), row[tokens].tolist(), strict=True)
                ]
                state.beam = self._extend(state, heard, blank)
            state.frames += 1
        return state.best().key != before

    def _extend(self, state: BeamState, heard: list[tuple[int, float, Token]], blank: float) -> list[_Prefix]:
        """Returns the best hypotheses after one frame; growth that falls too far behind is not even made."""
        settings, frame, lean = self._settings, state.frames, state.lean
        weight, bonus, gap = settings.language_weight, settings.piece_bonus, settings.widest_gap
        floor = max(prefix.score for prefix in state.beam) + blank - gap
        grown: dict[int, _Prefix] = {}
        for prefix in state.beam:
            kept = self._stay(grown, prefix, prefix.total + blank)
            levels, gains = self._gains_after(prefix.context)
            steps = lean.steps_from(prefix.place) if lean is not None else None
            for piece, log_prob, token in heard:
                before = prefix.total
                if piece == prefix.last:
                    if prefix.piece > _NEVER:
                        kept.piece = _log_add(kept.piece, prefix.piece + log_prob)
                        kept.tail = _held(prefix.tail, frame, log_prob)
                    if prefix.blank <= _NEVER:
                        continue
                    before = prefix.blank
                gain = gains.get(piece)
                if gain is None:
                    gain = gains[piece] = weight * self._ngrams.score_at(levels, piece) + bonus
                place = 0
                if steps is not None and lean is not None:
                    place, credit = steps.get(piece) or lean.step(prefix.place, piece)
                    gain += credit
                score = before + log_prob + prefix.language + gain
                if score >= floor:
                    floor = max(floor, score - gap)
                    self._grow(grown, prefix, token, before + log_prob, gain, place)
        return self._best_of(grown)

    def _stay(self, grown: dict[int, _Prefix], prefix: _Prefix, log_prob: float) -> _Prefix:
        """Lets a hypothesis go on without a further piece; another may already have grown into it."""
        kept = grown.get(prefix.key)
        if kept is None:
            kept = _Prefix(prefix.key, prefix.tail, prefix.context, log_prob, prefix.language, prefix.place)
            grown[prefix.key] = kept
        else:
            kept.blank = _log_add(kept.blank, log_prob)
        return kept

    def _grow(
        self, grown: dict[int, _Prefix], prefix: _Prefix, token: Token, log_prob: float, gain: float, place: int
    ) -> None:
        key = hash((prefix.key, token.piece))
        longer = grown.get(key)
        if longer is None:
            context = (*prefix.context, token.piece)[-self._ngrams.context_length :]
            longer = _Prefix(key, _Node(token, prefix.tail), context, _NEVER, prefix.language + gain, place)
            grown[key] = longer
            longer.piece = log_prob
        else:
            longer.piece = _log_add(longer.piece, log_prob)

    def _best_of(self, grown: dict[int, _Prefix]) -> list[_Prefix]:
        settings = self._settings
        for prefix in grown.values():
            prefix.total = _log_add(prefix.blank, prefix.piece)
            prefix.score = prefix.total + prefix.language
        ranked = sorted(grown.values(), key=_by_score, reverse=True)[: settings.width]
        floor = ranked[0].score - settings.widest_gap
        return [prefix for prefix in ranked if prefix.score >= floor]

    def _gains_after(self, context: tuple[int, ...]) -> tuple[tuple[tuple[int, float], ...], dict[int, float]]:
        """Returns where to look a piece up after a context, and what the pieces looked up before gain."""
        found = self._gains.get(context)
        if found is None:
            if len(self._gains) >= _REMEMBERED_CONTEXTS:
                self._gains.clear()
            found = self._gains[context] = (self._ngrams.levels(context), {})
        return found

    def alternatives(self, state: BeamState) -> tuple[Alternative, ...]:
        """Returns other readings, likeliest first; the confidence is a reading's share of all readings kept."""
        ranked = state.ranked()
        best = ranked[0][0]
        readings: dict[str, float] = {}
        words_of: dict[str, tuple[Word, ...]] = {}
        for score, prefix in ranked:
            words = self._words(prefix)
            text = " ".join(word.text for word in words)
            words_of.setdefault(text, words)
            readings[text] = readings.get(text, 0.0) + exp(score - best)
        _, *others = readings
        total = sum(readings.values())
        others.sort(key=lambda text: -readings[text])
        return tuple(Alternative(text, readings[text] / total, words_of[text]) for text in others[:_ALTERNATIVES])

    def words(self, state: BeamState) -> tuple[Word, ...]:
        """Returns the words of the best transcript."""
        return self._words(state.best())

    def _words(self, prefix: _Prefix) -> tuple[Word, ...]:
        tokens: list[Token] = []
        node = prefix.tail
        while node is not None:
            tokens.append(node.token)
            node = node.before
        tokens.reverse()
        return join_words(tokens, self._pieces, self._frame_ms, self._delay_frames)


def _held(tail: _Node | None, frame: int, log_prob: float) -> _Node | None:
    return _Node(tail.token.held(frame, log_prob), tail.before) if tail is not None else None
