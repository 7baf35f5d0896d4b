"""An n-gram model over the recogniser's pieces: how likely a piece is after the few before it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_UNSEEN_LOG_PROB = -12.0


def context_key(tokens: tuple[int, ...], radix: int) -> int:
    """Packs up to six pieces into one integer; shorter contexts never collide with longer ones."""
    key = 0
    for token in tokens:
        key = key * radix + token + 1
    return key


class NgramModel:
    """Back-off n-grams in dictionaries; pieces are numbered as in the tokenizer, their count is the sentence start."""

    def __init__(self, log_probs: dict[int, float], backoffs: dict[int, float], order: int, pieces: int) -> None:
        """Takes log probabilities by n-gram key and back-off weights by context key."""
        self._log_probs = log_probs
        self._backoffs = backoffs
        self._radix = pieces + 2
        self.context_length = order - 1
        self.start: tuple[int, ...] = (pieces,)

    @classmethod
    def empty(cls, pieces: int) -> NgramModel:
        """Returns a model that has counted nothing, for a beam search that goes by the sound alone."""
        return cls({}, {}, 2, pieces)

    @classmethod
    def load(cls, path: Path) -> NgramModel:
        """Reads a model written by `save_ngrams`."""
        with np.load(path) as stored:
            log_probs = dict(zip(stored["keys"].tolist(), stored["log_probs"].astype(np.float32).tolist(), strict=True))
            backoffs = dict(
                zip(stored["contexts"].tolist(), stored["backoffs"].astype(np.float32).tolist(), strict=True)
            )
            return cls(log_probs, backoffs, int(stored["order"]), int(stored["pieces"]))

    def levels(self, history: tuple[int, ...]) -> tuple[tuple[int, float], ...]:
        """Returns where `score_at` looks a piece up after `history`: (key of its n-gram without it, back-off so far).

        Longest context first; contexts without a back-off weight begin no n-gram and are left out.
        """
        found: list[tuple[int, float]] = []
        weight = 0.0
        context = history[-self.context_length :]
        keys = [0]
        scale = 1
        for token in reversed(context):
            keys.append(keys[-1] + (token + 1) * scale)
            scale *= self._radix
        for key in reversed(keys[1:]):
            backoff = self._backoffs.get(key)
            if backoff is not None:
                found.append((key * self._radix + 1, weight))
                weight += backoff
        found.append((1, weight))
        return tuple(found)

    def score_at(self, levels: tuple[tuple[int, float], ...], token: int) -> float:
        """Returns the natural log probability of `token` at the levels of its history."""
        log_probs = self._log_probs
        for key, weight in levels:
            found = log_probs.get(key + token)
            if found is not None:
                return weight + found
        return levels[-1][1] + _UNSEEN_LOG_PROB

    def score(self, history: tuple[int, ...], token: int) -> float:
        """Returns the natural log probability of `token` after `history` (oldest first, `start` in front)."""
        return self.score_at(self.levels(history), token)


def save_ngrams(
    path: Path,
    keys: NDArray[np.int64],
    log_probs: NDArray[np.float32],
    contexts: NDArray[np.int64],
    backoffs: NDArray[np.float32],
    order: int,
    pieces: int,
) -> None:
    """Writes n-grams and back-off weights, keys ascending so that they compress."""
    by_key, by_context = np.argsort(keys), np.argsort(contexts)
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            keys=keys[by_key],
            log_probs=log_probs[by_key].astype(np.float16),
            contexts=contexts[by_context],
            backoffs=backoffs[by_context].astype(np.float16),
            order=np.int64(order),
            pieces=np.int64(pieces),
        )
