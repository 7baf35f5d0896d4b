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

FRAME_SECONDS = 0.08
HEARING_DELAY_FRAMES = 1
"""Encoder frame k has heard the audio up to `80 * k` ms: what is spoken in a frame is labelled one frame later."""
IGNORED = -100
PHONES_PER_FRAME = 4
_NO_LABEL = 255


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


def batch_features(
    examples: list[Example], mean: FloatArray, std: FloatArray, rng: np.random.Generator | None
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Stacks normalised features, float32[batch, mel, frames], with light SpecAugment where `rng` is given."""
    longest = max(example.frames for example in examples)
    stacked = np.zeros((len(examples), longest, len(mean)), np.float32)
    for row, example in enumerate(examples):
        features = (example.features.astype(np.float32) - mean) / std
        if rng is not None:
            features += rng.normal(0, 0.3)
            for _ in range(2):
                width = int(rng.integers(0, 9))
                start = int(rng.integers(0, len(mean) - width))
                features[:, start : start + width] = 0
            width = int(rng.integers(0, 12))
            start = int(rng.integers(0, max(1, len(features) - width)))
            features[start : start + width] = 0
        stacked[row, : len(features)] = features
    lengths = np.array([example.frames for example in examples], np.int64)
    return np.ascontiguousarray(stacked.transpose(0, 2, 1)), lengths


def batch_phones(examples: list[Example], frames: int) -> NDArray[np.int64]:
    """Stacks phoneme labels, int64[batch, frames, PHONES_PER_FRAME], `IGNORED` beyond the utterance."""
    labels = np.full((len(examples), frames * PHONES_PER_FRAME), IGNORED, np.int64)
    delay = HEARING_DELAY_FRAMES * PHONES_PER_FRAME
    for row, example in enumerate(examples):
        count = min(len(example.phones), labels.shape[1] - delay)
        labels[row, delay : delay + count] = example.phones[:count]
    labels[labels == _NO_LABEL] = IGNORED
    return labels.reshape(len(examples), frames, PHONES_PER_FRAME)
