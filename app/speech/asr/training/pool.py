"""Holds the training examples and draws length-grouped batches from them, shard by shard as they are made."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import sentencepiece

from ..features import FloatArray
from .examples import Example, load_shard, padded_frames


class ShardPool:
    """The training examples; picks up shards that appear while training runs."""

    def __init__(
        self,
        data_dir: Path,
        tokenizer: sentencepiece.SentencePieceProcessor,
        seed: int,
        weights: dict[str, float],
        rank: int,
        ranks: int,
    ) -> None:
        """Reads every `ranks`-th shard, beginning with number `rank`; `weights` says how often each kind is drawn."""
        self._weights = weights
        self._data_dir = data_dir
        self._tokenizer = tokenizer
        self._read: set[str] = set()
        self._seed = seed
        self._rng = random.Random(f"{seed}-{rank}")
        self._examples: list[Example] = []
        self._queue: list[int] = []
        self._rank, self._ranks = rank, ranks

    def refresh(self, limit: int = 3) -> None:
        """Reads up to `limit` new shards; fresh examples are drawn before old ones come round again."""
        own = sorted(self._data_dir.glob("shard????.npz"))[self._rank :: self._ranks]
        new = [path for path in own if path.name not in self._read][:limit]
        for path in new:
            self._read.add(path.name)
            first = len(self._examples)
            self._examples += [item for item in load_shard(path, self._tokenizer) if item.is_feasible()]
            for index in range(first, len(self._examples)):
                self._queue += [index] * self._times(self._examples[index])
        if new:
            self._rng.shuffle(self._queue)

    def _times(self, example: Example) -> int:
        """Draws how often an example comes in one round."""
        weight = self._weights.get(example.meta["kind"], 1.0)
        return int(weight) + (self._rng.random() < weight % 1)

    @property
    def hours(self) -> float:
        """Hours of audio read so far."""
        return sum(example.frames for example in self._examples) / 360_000

    def reseed(self, step: int) -> None:
        """Starts the draws that follow optimiser step `step`; the same step always gives the same ones."""
        self._rng = random.Random(f"{self._seed}-{self._rank}-{step}")

    def batches(self, batch_frames: int, longest_frames: int) -> list[list[Example]]:
        """Draws about a thousand examples and groups them by padded length, each group of about `batch_frames`.

        Every length has one batch size, so that the same few shapes come again and again, for which the kernels are
        already built. What does not fill a batch is drawn first the next time.
        """
        drawn: list[int] = []
        while len(drawn) < 800:
            if not self._queue:
                for index, example in enumerate(self._examples):
                    self._queue += [index] * self._times(example)
                self._rng.shuffle(self._queue)
            index = self._queue.pop()
            if self._examples[index].frames <= longest_frames:
                drawn.append(index)
        groups: dict[int, list[int]] = {}
        for index in drawn:
            groups.setdefault(padded_frames(self._examples[index].frames), []).append(index)
        batches: list[list[Example]] = []
        for length, indexes in sorted(groups.items()):
            size = max(1, batch_frames // length)
            whole = len(indexes) - len(indexes) % size
            batches += [[self._examples[i] for i in indexes[at : at + size]] for at in range(0, whole, size)]
            self._queue += indexes[whole:]
        if not batches:
            batches = [[self._examples[index] for index in next(iter(groups.values()))]]
        self._rng.shuffle(batches)
        return batches

    def statistics(self) -> tuple[FloatArray, FloatArray]:
        """Returns mean and deviation per mel band, float32[mel] each."""
        sample = self._rng.sample(self._examples, min(1500, len(self._examples)))
        stacked = np.concatenate([example.features for example in sample]).astype(np.float32)
        return stacked.mean(0), stacked.std(0) + 1e-3
