"""What fine-tuning hears: recordings down a fresh telephone line every time, and replayed shards, drawn by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import sentencepiece
from numpy.typing import NDArray
from scipy import signal

from app.errors import ModelError

from ..features import FloatArray, MelConfig, decode_mulaw, encode_mulaw, offline_log_mel
from ..manifest import Recording, read_audio
from ..training.degrade import TelephoneChannel
from ..training.examples import load_shard

_RATE_HZ: Final = 8000
_QUIET_SECONDS: Final = 0.35
_NEIGHBOURS: Final = 4
_GRID_FRAMES: Final = 64


@dataclass(frozen=True, slots=True)
class Item:
    """One utterance to draw: a recording, or ready features from a shard; `frames` of 10 ms, about."""

    frames: int
    tokens: tuple[int, ...]
    recording: Recording | None = None
    features: NDArray[np.float16] | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Normalised features float32[batch, mel, frames], their lengths, and the tokens of each utterance."""

    features: FloatArray
    lengths: NDArray[np.int64]
    tokens: list[tuple[int, ...]]


def items_of(
    recordings: Sequence[Recording], tokenizer: sentencepiece.SentencePieceProcessor, frame_ms: float
) -> tuple[list[Item], int]:
    """Returns the utterances that CTC can learn, and how many say more than their frames can carry."""
    items, dropped = [], 0
    for recording in recordings:
        tokens = tuple(tokenizer.encode(recording.text))
        repeats = sum(a == b for a, b in pairwise(tokens))
        if len(tokens) + repeats > recording.seconds * 1000 / frame_ms - 1:
            dropped += 1
        else:
            items.append(Item(round(100 * recording.seconds), tokens, recording))
    return items, dropped


def replay_items(
    folder: Path, tokenizer: sentencepiece.SentencePieceProcessor, config: MelConfig, frame_ms: float
) -> list[Item]:
    """Reads training shards made by `asr synth`, to be replayed.

    Raises:
        ModelError: There are none, or they were made with another front end.
    """
    paths = sorted(folder.glob("shard????.npz"))
    if not paths:
        raise ModelError(
            f"{folder} holds no shards (shard0000.npz ...); make some with `asr synth`, or give a manifest"
        )
    items: list[Item] = []
    for path in paths:
        try:
            examples = load_shard(path, tokenizer)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{path} is no shard ({error}); make it again with `asr synth`") from error
        if examples and examples[0].features.shape[1] != config.mel_bands:
            raise ModelError(
                f"{path} has {examples[0].features.shape[1]} mel bands, the base model {config.mel_bands}; replay "
                "recordings from a manifest, or make shards with a recipe of the base model's features"
            )
        unknown = tokenizer.unk_id()
        items += [
            Item(example.frames, tuple(example.tokens), features=example.features)
            for example in examples
            if unknown not in example.tokens and len(example.tokens) < example.frames * 10 / frame_ms - 1
        ]
    return items


class Ear:
    """Turns recordings into features as a model hears calls: 8 kHz, mu-law, its own front end and statistics."""

    def __init__(
        self, config: MelConfig, mean: Sequence[float], std: Sequence[float], by_utterance: bool = False
    ) -> None:
        """Takes the front end and fixed statistics, which `by_utterance` replaces by each utterance's own."""
        self.config = config
        self._by_utterance = by_utterance
        self._mean = np.asarray(mean, np.float32)
        self._scale = np.float32(1.0) / np.asarray(std, np.float32)

    def normalise(self, features: NDArray[Any]) -> FloatArray:
        """Normalises log-mel frames, [n, mel]. Source: NeMo `normalize_batch`, type `per_feature`."""
        if self._by_utterance:
            features = features.astype(np.float32)
            spread = features.std(axis=0, ddof=1) + np.float32(1e-5)
            return np.asarray((features - features.mean(axis=0)) / spread, np.float32)
        return (features.astype(np.float32) - self._mean) * self._scale

    def features(self, samples: FloatArray) -> FloatArray:
        """Computes normalised frames, float32[n, mel], from telephone audio at 8 kHz."""
        rate_hz = self.config.sample_rate_hz
        if rate_hz != _RATE_HZ:
            samples = np.asarray(signal.resample_poly(samples, rate_hz, _RATE_HZ), np.float32)
        return self.normalise(offline_log_mel(samples, self.config))


class Drawer:
    """Draws batches; the same seed and step always give the same one, so a resumed run goes on as if never stopped."""

    def __init__(
        self, own: Sequence[Item], replay: Sequence[Item], ear: Ear, recipe: dict[str, Any], share: float
    ) -> None:
        """Takes the new utterances and those replayed, `share` of every batch."""
        self._pools = [sorted(pool, key=lambda item: item.frames) for pool in (own, replay)]
        self._shares = (1.0 - share, share) if replay else (1.0, 0.0)
        self._ear = ear
        self._recipe = recipe

    def batch(self, step: int) -> Batch:
        """Draws the batch of a step."""
        rng = np.random.default_rng([self._recipe["seed"], step])
        channel = TelephoneChannel(rng)
        frames = int(100 * self._recipe["batch_seconds"])
        chosen = [
            item
            for pool, share in zip(self._pools, self._shares, strict=True)
            for item in _draw(pool, int(frames * share), rng)
        ]
        order = rng.permutation(len(chosen))
        heard = [self._hear(chosen[index], channel, rng) for index in order]
        return stack(heard, [chosen[index].tokens for index in order])

    def _hear(self, item: Item, channel: TelephoneChannel, rng: np.random.Generator) -> FloatArray:
        if item.recording is None:
            if item.features is None:
                raise ValueError("an item is a recording or features")
            features = self._ear.normalise(item.features)
        else:
            samples = read_audio(item.recording)
            if rng.random() < self._recipe["telephone_share"]:
                stretch = float(rng.uniform(*self._recipe["stretch"]))
                narrow = channel.resample(samples, _RATE_HZ, stretch)
                features = self._ear.features(channel.apply(narrow).samples)
            else:
                features = self._ear.features(plain_call(samples))
        return _mask(features, rng)


def plain_call(samples: FloatArray) -> FloatArray:
    """Puts a recording between quiet stretches and through mu-law, as the cleanest call would; 8 kHz."""
    quiet = np.zeros(int(_QUIET_SECONDS * _RATE_HZ), np.float32)
    return decode_mulaw(encode_mulaw(np.clip(np.concatenate([quiet, samples, quiet]), -1, 1)))


def _draw(pool: Sequence[Item], frames: int, rng: np.random.Generator) -> list[Item]:
    """Draws utterances of like length, together about `frames` long; at least one where any are wanted."""
    if not pool or frames <= 0:
        return []
    centre = int(rng.integers(len(pool)))
    count = max(1, frames // max(1, pool[centre].frames))
    low = max(0, min(centre - count * _NEIGHBOURS // 2, len(pool) - count * _NEIGHBOURS))
    near = pool[low : low + max(count * _NEIGHBOURS, 1)]
    return [near[int(index)] for index in rng.choice(len(near), size=min(count, len(near)), replace=False)]


def _mask(features: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Shifts the level and hides two bands and one stretch of time. Source: Park et al., "SpecAugment" (2019)."""
    features = features + np.float32(rng.normal(0, 0.2))
    bands = features.shape[1]
    for _ in range(2):
        width = int(rng.integers(0, max(1, bands // 8)))
        start = int(rng.integers(0, bands - width))
        features[:, start : start + width] = 0
    width = int(rng.integers(0, 12))
    start = int(rng.integers(0, max(1, len(features) - width)))
    features[start : start + width] = 0
    return features


def stack(heard: Sequence[FloatArray], tokens: Sequence[tuple[int, ...]]) -> Batch:
    """Pads features of several utterances into a batch, to a grid of lengths so that kernels are built once."""
    longest = -(-max(map(len, heard)) // _GRID_FRAMES) * _GRID_FRAMES
    stacked = np.zeros((len(heard), longest, heard[0].shape[1]), np.float32)
    for row, features in enumerate(heard):
        stacked[row, : len(features)] = features
    lengths = np.array([len(features) for features in heard], np.int64)
    return Batch(np.ascontiguousarray(stacked.transpose(0, 2, 1)), lengths, list(tokens))
