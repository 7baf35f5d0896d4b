"""Trains the intent model from the packs' example sentences; runs at start-up when the cache has none."""

import hashlib
import random
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from app.nlu.augment import noisy_copies, spliced
from app.nlu.features import FEATURES_VERSION, FeatureExtractor
from app.nlu.model import IntentModel
from app.nlu.phonetic import words_of

OUT_OF_SCOPE = "out_of_scope"
_COPIES = 1
_REGULARISATION = 1.0
_LEAST_SEEN = 2
_NONSENSE_SHARE = 0.05
_FOLDS = 5
_IDLE_FROM_INTENTS = 8
_SEED = 20261121
_USUAL_TEMPERATURE = 0.25
_THRESHOLD_RANGE = (0.3, 0.45)
_WANTED_PRECISION = 0.95


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled sentence; of its language, `fillers` are back-channels and `denials` the words that say no.

    Sentences of one `template` are left out of a fit together, lest one tells of another; "" stands for itself.
    """

    intent: str
    text: str
    fillers: tuple[str, ...] = ()
    denials: frozenset[str] = frozenset()
    template: str = ""


def fingerprint(examples: Sequence[Example], number_words: Sequence[str]) -> str:
    """Returns a hash of all that decides a trained model: sentences, features, recipe and library version."""
    digest = hashlib.sha256()
    recipe = (
        _COPIES,
        _REGULARISATION,
        _SEED,
        _FOLDS,
        _THRESHOLD_RANGE,
        _NONSENSE_SHARE,
        _IDLE_FROM_INTENTS,
    )
    digest.update(f"{FEATURES_VERSION}|{sklearn.__version__}|{recipe}".encode())
    for example in sorted(examples, key=lambda e: (e.intent, e.text)):
        digest.update(f"\x1e{example.intent}\x1f{example.text}\x1f{example.fillers}".encode())
    digest.update("\x1f".join(sorted(number_words)).encode())
    return digest.hexdigest()[:32]


def train(examples: Sequence[Example], extractor: FeatureExtractor) -> IntentModel:
    """Fits TF-IDF and linear support vectors, calibrated on sentences that a first fit did not see.

    Sentences that somebody wrote are learnt with a noisy copy each, as a recogniser might err; those drawn from
    patterns vary enough. A margin becomes a probability by softmax over its temperature. A fifth of the sentences, with
    their copies, is left out of a fit of its own, beside the other, which sets temperature and thresholds.

    Args:
        examples: Of at least two intents.
        extractor: Feature extractor, the same as at use.

    Raises:
        ValueError: Fewer than two intents have examples.
    """
    rng = random.Random(_SEED)
    order = list(examples)
    rng.shuffle(order)
    rows = _augmented(order, rng)
    vectorizer = TfidfVectorizer(analyzer=extractor.extract, min_df=_LEAST_SEEN, sublinear_tf=True, dtype=np.float32)
    with threadpool_limits(1), ThreadPoolExecutor(2) as pool:
        matrix = vectorizer.fit_transform([row.text for row in rows])
        intents = np.array([row.intent for row in rows])
        fitting = pool.submit(_fitted, matrix, intents)
        seen = _all_but_a_fold(rows)
        trial = _fitted(matrix[seen], intents[seen]) if seen is not None else None
        model = _exported(vectorizer, fitting.result())
    if trial is None or seen is None:
        return replace(model, temperature=_USUAL_TEMPERATURE)
    weights, bias = _margins(trial)
    unseen = ~seen & np.array([row.original for row in rows])
    temperature, thresholds = _calibrate(model.labels, matrix[unseen] @ weights + bias, intents[unseen])
    return replace(model, temperature=temperature, thresholds=thresholds)


def _all_but_a_fold(rows: Sequence["_Row"]) -> NDArray[np.bool_] | None:
    """Returns which rows remain without a fifth of the sentences; None where some intent would not."""
    intents = {row.intent for row in rows}
    for fold in range(_FOLDS):
        seen = [row.source % _FOLDS != fold for row in rows]
        if not all(seen) and {row.intent for row, kept in zip(rows, seen, strict=True) if kept} == intents:
            return np.array(seen)
    return None


def _fitted(matrix: Any, intents: NDArray[np.str_]) -> LinearSVC:
    return LinearSVC(C=_REGULARISATION, max_iter=300, tol=1e-2, random_state=_SEED).fit(matrix, intents)


@dataclass(frozen=True, slots=True)
class _Row:
    """One training text and the example it comes from; -1 for none."""

    text: str
    intent: str
    source: int
    original: bool = False


def _augmented(examples: Sequence[Example], rng: random.Random) -> list[_Row]:
    groups: dict[str, int] = {}
    for number, example in enumerate(examples):
        groups.setdefault(example.template or f"\x1f{number}", number)
    sources = [groups[example.template or f"\x1f{number}"] for number, example in enumerate(examples)]
    rows = [_Row(e.text, e.intent, source, original=True) for e, source in zip(examples, sources, strict=True)]
    idle_words = _idle_words(examples)
    for source, example in zip(sources, examples, strict=True):
        if example.template:
            continue
        fillers = () if example.intent in ("affirm", "deny") else example.fillers
        chance = random.Random(f"{_SEED}|{example.text}")
        copies = noisy_copies(example.text, fillers, _COPIES, chance, idle_words - example.denials)
        rows += [_Row(text, example.intent, source) for text in copies]
    nonsense = spliced([e.text for e in examples], int(len(examples) * _NONSENSE_SHARE), rng)
    return rows + [_Row(text, OUT_OF_SCOPE, -1) for text in nonsense]


def _idle_words(examples: Sequence[Example]) -> frozenset[str]:
    """Returns the words that so many intents share that none of them hangs on the word."""
    intents: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        for word in words_of(example.text):
            intents[word].add(example.intent)
    return frozenset(word for word, sharing in intents.items() if len(sharing) >= _IDLE_FROM_INTENTS)


def _exported(vectorizer: TfidfVectorizer, machine: LinearSVC) -> IntentModel:
    """Copies what scikit-learn fitted into plain arrays."""
    weights, bias = _margins(machine)
    return IntentModel(
        labels=tuple(str(label) for label in machine.classes_),
        vocabulary={str(name): int(column) for name, column in vectorizer.vocabulary_.items()},
        idf=vectorizer.idf_.astype(np.float32),
        weights=np.array(weights, dtype=np.float32, order="C"),
        bias=np.array(bias, dtype=np.float32),
        temperature=1.0,
        thresholds={},
    )


def _margins(machine: LinearSVC) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns weights, float64[features, labels], and bias, float64[labels]; of two labels scikit-learn keeps one."""
    weights, bias = machine.coef_, machine.intercept_
    if len(machine.classes_) == 2:
        weights, bias = np.vstack([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return weights.T, bias


def _calibrate(
    labels: Sequence[str], scores: NDArray[np.float64], intents: NDArray[np.str_]
) -> tuple[float, dict[str, float]]:
    """Returns the temperature of least log loss and a threshold per intent, from the scores of unseen sentences."""
    truth = np.searchsorted(labels, intents)
    temperature = min(np.geomspace(0.05, 2.0, 60), key=lambda t: _log_loss(scores / t, truth))
    scaled = scores / temperature
    chances = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    best = chances.argmax(axis=1)
    return float(temperature), {
        label: _threshold(chances[best == row, row], truth[best == row] == row)
        for row, label in enumerate(labels)
        if label != OUT_OF_SCOPE
    }


def _log_loss(scores: NDArray[np.float64], truth: NDArray[np.intp]) -> float:
    shifted = scores - scores.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(truth)), truth]))


def _threshold(chances: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Returns the least bound at which the kept decisions reach the wanted precision, within the allowed range."""
    low, high = _THRESHOLD_RANGE
    for bound in np.arange(low, high + 1e-9, 0.05):
        kept = right[chances >= bound]
        if kept.size and kept.mean() >= _WANTED_PRECISION:
            return float(bound)
    return high if chances.size else (low + high) / 2
