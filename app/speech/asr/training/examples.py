"""Reads training shards and lays tokens over encoder frames for the frame-level warm start."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
from numpy.typing import NDArray

from ..features import FloatArray
from ..spelling import normalise

FRAME_SECONDS = 0.08
HEARING_DELAY_FRAMES = 1
"""Encoder frame k has heard the audio up to `80 * k` ms: what is spoken in a frame is labelled one frame later."""
IGNORED = -100
PHONES_PER_FRAME = 4
SHAPE_FRAMES = 64
_NO_LABEL = 255
_WARPED_SHARE = 0.5
_TOP_HZ = 4000.0


@dataclass(slots=True)
class Example:
    """One utterance: a view of its features (float16[frames, mel]) and its labels."""

    features: NDArray[np.float16]
    phones: NDArray[np.uint8]
    tokens: list[int]
    meta: dict[str, Any]

    @property
    def frames(self) -> int:
        """Feature frames of 10 ms."""
        return len(self.features)

    def is_feasible(self) -> bool:
        """Tells whether CTC can emit the tokens within the encoder's frames."""
        repeats = sum(a == b for a, b in zip(self.tokens, self.tokens[1:], strict=False))
        return 0 < len(self.tokens) + repeats <= self.frames // 8 - 1


def load_shard(path: Path, tokenizer: sentencepiece.SentencePieceProcessor) -> list[Example]:
    """Reads one shard."""
    with np.load(path) as stored:
        features, phones = stored["features"], stored["phones"]
        metas = json.loads(stored["meta"].tobytes().decode())
    examples: list[Example] = []
    at = phone_at = 0
    for meta in metas:
        meta["text"] = normalise(meta["text"])
        count = meta["frames"]
        examples.append(
            Example(
                features[at : at + count],
                phones[phone_at : phone_at + count // 2],
                tokenizer.encode(meta["text"]),
                meta,
            )
        )
        at += count
        phone_at += count // 2
    return examples


def frame_tokens(
    example: Example, tokenizer: sentencepiece.SentencePieceProcessor, frames: int, blank: int
) -> NDArray[np.int64] | None:
    """Spreads every word's tokens over its time, int64[frames] with blanks in silence; None where times are missing."""
    words = example.meta["text"].split()
    starts = example.meta["starts"]
    if len(words) != len(starts) or any(start is None for start in starts):
        return None
    labels = np.full(frames, blank, np.int64)
    edges = [*starts, example.meta["end"]]
    silent = example.phones == 0
    for index, word in enumerate(words):
        begin, end = edges[index], edges[index + 1]
        first, last = round(begin / 0.02), round(end / 0.02)
        while last - 1 > first and last <= len(silent) and silent[last - 1]:
            last -= 1
        begin, end = first * 0.02, last * 0.02
        ids = tokenizer.encode(word)
        weights = np.array([len(tokenizer.id_to_piece(i).replace("▁", "")) or 0.3 for i in ids], np.float64)
        ends = begin + (end - begin) * np.cumsum(weights) / weights.sum()
        frame = HEARING_DELAY_FRAMES + max(0, int(begin / FRAME_SECONDS))
        for token, stop in zip(ids, ends, strict=True):
            until = max(frame + 1, HEARING_DELAY_FRAMES + round(stop / FRAME_SECONDS))
            labels[frame:until] = token
            frame = until
    return labels


def padded_frames(frames: int) -> int:
    """Rounds a length up to the grid that batches are padded to."""
    return -(-frames // SHAPE_FRAMES) * SHAPE_FRAMES


def batch_features(
    examples: list[Example], mean: FloatArray, std: FloatArray, rng: np.random.Generator | None
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Stacks normalised features, float32[batch, mel, frames], other speakers and light SpecAugment with `rng`."""
    longest = padded_frames(max(example.frames for example in examples))
    stacked = np.zeros((len(examples), longest, len(mean)), np.float32)
    for row, example in enumerate(examples):
        features = (example.features.astype(np.float32) - mean) / std
        if rng is not None:
            features = _vary(features, rng)
        stacked[row, : len(features)] = features
    lengths = np.array([example.frames for example in examples], np.int64)
    return np.ascontiguousarray(stacked.transpose(0, 2, 1)), lengths


def _vary(features: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Draws another vocal tract, level and timbre for normalised features, and hides a few bands and frames."""
    bands = features.shape[1]
    if rng.random() < _WARPED_SHARE:
        features = warp_bands(features, float(rng.triangular(0.84, 1.0, 1.19)))
    else:
        features = features.copy()
    height = np.linspace(-1, 1, bands, dtype=np.float32)
    features += rng.normal(0, 0.3) + rng.normal(0, 0.15) * height + rng.normal(0, 0.1) * np.cos(np.pi * height)
    for _ in range(2):
        width = int(rng.integers(0, 9))
        start = int(rng.integers(0, bands - width))
        features[:, start : start + width] = 0
    width = int(rng.integers(0, 12))
    start = int(rng.integers(0, max(1, len(features) - width)))
    features[start : start + width] = 0
    return features


def warp_bands(features: FloatArray, factor: float) -> FloatArray:
    """Stretches the frequency axis of float32[frames, mel] by `factor`, as a longer or shorter vocal tract would.

    Frequencies above 3 kHz are squeezed so that 4 kHz stays in place.

    Source: Jaitly & Hinton, "Vocal tract length perturbation" (2013).
    """
    bands = features.shape[1]
    centres_hz = _mel_to_hz(np.linspace(0, _hz_to_mel(np.array(_TOP_HZ)), bands))
    bend_hz = 3000.0 / max(1.0, factor)
    high = factor * bend_hz + (_TOP_HZ - factor * bend_hz) * (centres_hz - bend_hz) / (_TOP_HZ - bend_hz)
    source_hz = np.where(centres_hz <= bend_hz, factor * centres_hz, high)
    place = np.clip(_hz_to_mel(source_hz) / _hz_to_mel(np.array(_TOP_HZ)) * (bands - 1), 0, bands - 1)
    below = np.minimum(place.astype(np.int64), bands - 2)
    share = (place - below).astype(np.float32)
    return np.asarray(features[:, below] * (1 - share) + features[:, below + 1] * share, np.float32)


def _hz_to_mel(hz: NDArray[Any]) -> NDArray[Any]:
    """Source: Slaney, "Auditory toolbox" (1998): linear to 1 kHz, logarithmic above."""
    return np.where(hz < 1000, hz * 3 / 200, 15 + 27 * np.log(np.maximum(hz, 1) / 1000) / np.log(6.4))


def _mel_to_hz(mel: NDArray[Any]) -> NDArray[Any]:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def batch_phones(examples: list[Example], frames: int) -> NDArray[np.int64]:
    """Stacks phoneme labels, int64[batch, frames, PHONES_PER_FRAME], `IGNORED` beyond the utterance."""
    labels = np.full((len(examples), frames * PHONES_PER_FRAME), IGNORED, np.int64)
    delay = HEARING_DELAY_FRAMES * PHONES_PER_FRAME
    for row, example in enumerate(examples):
        count = min(len(example.phones), labels.shape[1] - delay)
        labels[row, delay : delay + count] = example.phones[:count]
    labels[labels == _NO_LABEL] = IGNORED
    return labels.reshape(len(examples), frames, PHONES_PER_FRAME)
