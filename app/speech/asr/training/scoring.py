"""Decodes the validation shard greedily during training and counts the errors by kind and by language."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import sentencepiece
import torch

from ..decoder import edit_distance
from ..features import FloatArray
from .examples import Example, batch_features

Scores = dict[str, dict[str, float]]


def greedy_scores(
    model: Any,
    tokenizer: sentencepiece.SentencePieceProcessor,
    examples: list[Example],
    mean: FloatArray,
    std: FloatArray,
) -> Scores:
    """Returns `wer`, `cer` and `right` (whole utterances) in percent for every kind, language, and both together."""
    tallies: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0, 0])
    blank = tokenizer.get_piece_size()
    ordered = sorted(examples, key=lambda example: example.frames)
    with torch.no_grad():
        for start in range(0, len(ordered), 32):
            group = ordered[start : start + 32]
            features, lengths = batch_features(group, mean, std, None)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                encoded, encoded_lengths = model.encoder(
                    audio_signal=torch.from_numpy(features), length=torch.from_numpy(lengths)
                )
            best = model.decoder(encoder_output=encoded.float()).argmax(-1)
            for example, row, count in zip(group, best, encoded_lengths, strict=True):
                kept = torch.unique_consecutive(row[: int(count)])
                _tally(tallies, example, tokenizer.decode([int(token) for token in kept if token != blank]))
    return {
        key: {name: round(100 * t[at] / t[at + 1], 1) for at, name in ((0, "wer"), (2, "cer"), (4, "right"))}
        for key, t in sorted(tallies.items())
    }


def _tally(tallies: dict[str, list[int]], example: Example, text: str) -> None:
    reference = example.meta["text"]
    words, characters = edit_distance(reference.split(), text.split()), edit_distance(reference, text)
    for key in (example.meta["kind"], example.meta["language"], f"{example.meta['kind']}/{example.meta['language']}"):
        tally = tallies[key]
        counts = (words, len(reference.split()), characters, len(reference), int(reference == text), 1)
        for index, value in enumerate(counts):
            tally[index] += value
