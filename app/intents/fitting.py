"""Trains and judges a version of own intents; runs in a process of its own, whose result is a model in the cache."""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from app.intents.models import OwnIntent, Report
from app.language.loader import PackRegistry
from app.nlu.evaluation import evaluate
from app.nlu.training import Example
from app.nlu.understander import Understander

LEAST_RIGHT: Final = 0.85
MOST_TAKEN: Final = 0.005
MOST_LOST: Final = 0.01
_AS_MANY_AS: Final = 120
_MOST_REPEATED: Final = 6
_SHOWN: Final = 20
_NICE: Final = 10


def fit_apart(registry: PackRegistry, intents: Sequence[OwnIntent], models_dir: Path) -> Report:
    """Runs `fit` in a process of its own that yields to live calls; blocks for some seconds."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=os.nice, initargs=(_NICE,)) as apart:
        return apart.submit(fit, registry, tuple(intents), models_dir).result()


def fit(registry: PackRegistry, intents: Sequence[OwnIntent], models_dir: Path) -> Report:
    """Trains a model of the packs' and the own sentences, leaves it in the cache, and judges it.

    It passes if it understands 85 % of its own tests (of a few, all but one), takes at most 0.5 % of the shipped
    intents' tests for itself, and costs the shipped intents at most one point.

    Args:
        registry: The packs.
        intents: The own ones.
        models_dir: Where trained models are kept.
    """
    shared = Understander(registry, models_dir)
    own = Understander(registry, models_dir, examples_of(registry, intents))
    by_intent, missed = _own_tests(registry, own, intents)
    before, after = evaluate(registry, shared).overall, evaluate(registry, own)
    names = {intent.name for intent in intents}
    taken = [
        {"text": one.text, "language": one.language, "wanted": one.wanted, "got": one.got}
        for one in after.confusions
        if one.got in names
    ]
    right, total = (sum(pair[at] for pair in by_intent.values()) for at in (0, 1))
    reasons = tuple(_reasons(right, total, len(taken), before.total, before.share - after.overall.share))
    return Report(
        not reasons,
        reasons,
        right,
        total,
        by_intent,
        tuple(missed[:_SHOWN]),
        tuple(taken[:_SHOWN]),
        round(before.share, 4),
        round(after.overall.share, 4),
    )


def _own_tests(
    registry: PackRegistry, own: Understander, intents: Sequence[OwnIntent]
) -> tuple[dict[str, tuple[int, int]], list[dict[str, str]]]:
    """Returns (right, total) of each intent's tests, and the tests that were missed."""
    by_intent: dict[str, tuple[int, int]] = {}
    missed: list[dict[str, str]] = []
    for intent in intents:
        for tag, sentences in intent.tests.items():
            for sentence in sentences:
                heard = own.understand(sentence, enabled=registry.tags, current_language=tag)
                right, total = by_intent.get(intent.name, (0, 0))
                by_intent[intent.name] = (right + (heard.intent == intent.name), total + 1)
                if heard.intent != intent.name:
                    missed.append({"text": sentence, "language": tag, "wanted": intent.name, "got": heard.intent})
    return by_intent, missed


def _reasons(right: int, total: int, taken: int, shipped: int, lost: float) -> Iterable[str]:
    if total - right > max(1, (1 - LEAST_RIGHT) * total):
        yield f"{right} of {total} tests are understood; {LEAST_RIGHT:.0%} are needed: write more varied examples"
    if taken > MOST_TAKEN * shipped:
        yield f"{taken} sentences of shipped intents are taken: make the examples that resemble them more specific"
    if lost > MOST_LOST:
        yield f"the shipped intents lose {lost:.1%} of their tests: the examples overlap with them"


def examples_of(registry: PackRegistry, intents: Iterable[OwnIntent]) -> list[Example]:
    """Returns what the classifier learns from; few sentences count more, or those of the shipped intents drown them."""
    examples: list[Example] = []
    for intent in intents:
        times = max(1, min(_MOST_REPEATED, _AS_MANY_AS // sum(map(len, intent.examples.values()))))
        for tag, sentences in intent.examples.items():
            lexicon = registry.get(tag).lexicon
            fillers = tuple(sorted(lexicon.backchannels))
            examples += [Example(intent.name, text, fillers, lexicon.no_words) for text in sentences] * times
    return examples
