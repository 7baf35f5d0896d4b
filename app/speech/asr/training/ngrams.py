"""Counts the n-grams of telephone text that the beam search weighs transcripts with."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import sentencepiece

from ..ngrams import context_key, save_ngrams
from .recipe import load_recipe
from .text import TextSource

_log = logging.getLogger(__name__)


def count_ngrams(sentences: list[list[int]], order: int, start: int) -> list[Counter[tuple[int, ...]]]:
    """Counts the n-grams of every order up to `order`; the sentence start is only ever context."""
    counts: list[Counter[tuple[int, ...]]] = [Counter() for _ in range(order)]
    for sentence in sentences:
        padded = (start, *sentence)
        for at in range(1, len(padded)):
            for length in range(1, min(order, at + 1) + 1):
                counts[length - 1][padded[at - length + 1 : at + 1]] += 1
    return counts


def estimate(
    counts: list[Counter[tuple[int, ...]]], pieces: int, fewest: list[int]
) -> tuple[dict[int, float], dict[int, float]]:
    """Smooths counts by Witten-Bell interpolation into log probabilities and back-off weights, by key.

    Args:
        counts: n-gram counts by order.
        pieces: size of the vocabulary.
        fewest: the count below which an n-gram of each order is dropped.

    Source: Chen & Goodman, "An empirical study of smoothing techniques" (1998), section 2.4.
    """
    radix = pieces + 2
    lower: dict[tuple[int, ...], float] = {}
    log_probs: dict[int, float] = {}
    backoffs: dict[int, float] = {}
    for order, table in enumerate(counts, 1):
        totals: dict[tuple[int, ...], int] = defaultdict(int)
        kinds: dict[tuple[int, ...], int] = defaultdict(int)
        for gram, count in table.items():
            totals[gram[:-1]] += count
            kinds[gram[:-1]] += 1
        current: dict[tuple[int, ...], float] = {}
        for gram, count in table.items():
            context = gram[:-1]
            shorter = lower[gram[1:]] if order > 1 else 1 / pieces
            current[gram] = (count + kinds[context] * shorter) / (totals[context] + kinds[context])
            if count >= fewest[order - 1]:
                log_probs[context_key(gram, radix)] = float(np.log(current[gram]))
        if order > 1:
            used = {gram[:-1] for gram, count in table.items() if count >= fewest[order - 1]}
            for context in used:
                backoffs[context_key(context, radix)] = float(
                    np.log(kinds[context] / (totals[context] + kinds[context]))
                )
        lower = current
    return log_probs, backoffs


def main(
    recipe_path: Path, tokenizer_model: Path, out_path: Path, packs_dir: Path | None = None, hold_out: bool = True
) -> int:
    """Draws text as training does and writes `ngrams.model`.

    Args:
        recipe_path: the recipe (`ngrams`).
        tokenizer_model: the tokenizer whose pieces are counted.
        out_path: where `ngrams.model` goes.
        packs_dir: the language packs, whose sentences join the text.
        hold_out: leaves held-out templates, pack sentences and words out, to measure with; False to serve.

    Returns:
        How many n-grams were kept.
    """
    recipe = load_recipe(recipe_path)
    if not hold_out:
        recipe["text"] |= {"held_out_templates": 0.0, "held_out_words": 0.0}
    settings = recipe["ngrams"]
    recipe["text"]["mix"] = settings["mix"]
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer_model))
    pieces = tokenizer.get_piece_size()
    source = TextSource(recipe, seed=4242, packs_dir=packs_dir)
    sentences = [tokenizer.encode(source.draw().text) for _ in range(settings["sentences"])]
    counts = count_ngrams(sentences, settings["order"], pieces)
    log_probs, backoffs = estimate(counts, pieces, settings["fewest"])
    save_ngrams(
        out_path,
        np.array(list(log_probs), np.int64),
        np.array(list(log_probs.values()), np.float32),
        np.array(list(backoffs), np.int64),
        np.array(list(backoffs.values()), np.float32),
        settings["order"],
        pieces,
    )
    _log.info("%d n-grams, %d bytes", len(log_probs), out_path.stat().st_size)
    return len(log_probs)
