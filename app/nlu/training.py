"""Trains the intent model from the packs' example sentences; runs at start-up when the cache has none."""

import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from app.nlu.augment import noisy_copies, spliced
from app.nlu.features import FEATURES_VERSION, FeatureExtractor
from app.nlu.model import IntentModel
from app.nlu.phonetic import words_of

OUT_OF_SCOPE = "out_of_scope"
_COPIES = 3
_LEAST_SEEN = 2
_NONSENSE_SHARE = 0.1
_FOLDS = 5
_IDLE_FROM_INTENTS = 8
_SEED = 20261121
_THRESHOLD_RANGE = (0.25, 0.5)
_WANTED_PRECISION = 0.9


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled sentence; of its language, `fillers` are back-channels and `denials` the words that say no."""

    intent: str
    text: str
    fillers: tuple[str, ...] = ()
    denials: frozenset[str] = frozenset()


def fingerprint(examples: Sequence[Example], number_words: Sequence[str]) -> str:
    """Returns a hash of all that decides a trained model: sentences, features, recipe and library version."""
    digest = hashlib.sha256()
    recipe = (_COPIES, _SEED, _FOLDS, _THRESHOLD_RANGE, _NONSENSE_SHARE, _IDLE_FROM_INTENTS)
    digest.update(f"{FEATURES_VERSION}|{sklearn.__version__}|{recipe}".encode())
    for example in sorted(examples, key=lambda e: (e.intent, e.text)):
        digest.update(f"\x1e{example.intent}\x1f{example.text}\x1f{example.fillers}".encode())
    digest.update("\x1f".join(sorted(number_words)).encode())
    return digest.hexdigest()[:32]


def train(examples: Sequence[Example], extractor: FeatureExtractor) -> IntentModel:
    """Fits TF-IDF and a multinomial logistic regression, calibrated on sentences that a first fit did not see.

    The first fit leaves out each fifth sentence with its noisy copies; the second starts from it and sees all. One
    thread: the others belong to live calls.

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
    regression = LogisticRegression(C=20.0, max_iter=60, tol=1e-3, warm_start=True)
    with threadpool_limits(1):
        matrix = vectorizer.fit_transform([row.text for row in rows])
        intents = np.array([row.intent for row in rows])
        labels = set(intents.tolist())
        seen = np.array([row.source % _FOLDS != 0 for row in rows])
        if set(intents[seen].tolist()) != labels:
            seen[:] = True
        regression.fit(matrix[seen], intents[seen])
        first = _exported(vectorizer, regression)
        unseen = [order[row.source] for row, kept in zip(rows, seen, strict=True) if row.original and not kept]
        temperature, thresholds = _calibrate(first, unseen, extractor.extract)
        regression.fit(matrix, intents)
    return replace(_exported(vectorizer, regression), temperature=temperature, thresholds=dict(thresholds))


@dataclass(frozen=True, slots=True)
class _Row:
    """One training text and the example it comes from; -1 for none."""

    text: str
    intent: str
    source: int
    original: bool = False


def _augmented(examples: Sequence[Example], rng: random.Random) -> list[_Row]:
    rows = [_Row(e.text, e.intent, number, original=True) for number, e in enumerate(examples)]
    idle_words = _idle_words(examples)
    for number, example in enumerate(examples):
        fillers = () if example.intent in ("affirm", "deny") else example.fillers
        chance = random.Random(f"{_SEED}|{example.text}")
        copies = noisy_copies(example.text, fillers, _COPIES, chance, idle_words - example.denials)
        rows += [_Row(text, example.intent, number) for text in copies]
    nonsense = spliced([e.text for e in examples], int(len(examples) * _NONSENSE_SHARE), rng)
    return rows + [_Row(text, OUT_OF_SCOPE, -1) for text in nonsense]


def _idle_words(examples: Sequence[Example]) -> frozenset[str]:
    """Returns the words that so many intents share that none of them hangs on the word."""
    intents: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        for word in words_of(example.text):
            intents[word].add(example.intent)
    return frozenset(word for word, sharing in intents.items() if len(sharing) >= _IDLE_FROM_INTENTS)


def _exported(vectorizer: TfidfVectorizer, regression: LogisticRegression) -> IntentModel:
    """Copies what scikit-learn fitted into plain arrays."""
    labels = tuple(str(label) for label in regression.classes_)
    weights, bias = regression.coef_, regression.intercept_
    if len(labels) == 2:
        weights, bias = np.vstack([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return IntentModel(
        labels=labels,
        vocabulary={str(name): int(column) for name, column in vectorizer.vocabulary_.items()},
        idf=vectorizer.idf_.astype(np.float32),
        weights=np.array(weights.T, dtype=np.float32, order="C"),
        bias=np.array(bias, dtype=np.float32),
        temperature=1.0,
        thresholds={},
    )


def _calibrate(
    fold: IntentModel, unseen: Sequence[Example], extract: Callable[[str], list[str]]
) -> tuple[float, Mapping[str, float]]:
    """Returns the temperature of least log loss and a threshold per intent, from unseen sentences."""
    if not unseen:
        return 1.0, {}
    raw = np.stack([np.log(np.maximum(fold.probabilities(extract(e.text)), 1e-12)) for e in unseen])
    truth = np.array([fold.labels.index(e.intent) for e in unseen])
    temperature = min(np.geomspace(0.3, 3.0, 40), key=lambda t: _log_loss(raw / t, truth))
    scaled = raw / temperature
    chances = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    best = chances.argmax(axis=1)
    return float(temperature), {
        label: _threshold(chances[best == row, row], truth[best == row] == row)
        for row, label in enumerate(fold.labels)
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
