"""Trains the intent model from the packs' example sentences; runs at start-up when the cache has none."""

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from app.nlu.augment import noisy_copies, spliced
from app.nlu.features import FEATURES_VERSION, FeatureExtractor
from app.nlu.model import IntentModel

OUT_OF_SCOPE = "out_of_scope"
_COPIES = 2
_NONSENSE_SHARE = 0.1
_FOLDS = 5
_SEED = 20261121
_THRESHOLD_RANGE = (0.25, 0.5)
_WANTED_PRECISION = 0.9


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled sentence; `fillers` are back-channel words of its language."""

    intent: str
    text: str
    fillers: tuple[str, ...] = ()


def fingerprint(examples: Sequence[Example], number_words: Sequence[str]) -> str:
    """Returns a hash of all that decides a trained model: sentences, features, recipe and library version."""
    digest = hashlib.sha256()
    recipe = f"{FEATURES_VERSION}|{sklearn.__version__}|{_COPIES}|{_SEED}|{_FOLDS}|{_THRESHOLD_RANGE}|{_NONSENSE_SHARE}"
    digest.update(recipe.encode())
    for example in sorted(examples, key=lambda e: (e.intent, e.text)):
        digest.update(f"\x1e{example.intent}\x1f{example.text}\x1f{example.fillers}".encode())
    digest.update("\x1f".join(sorted(number_words)).encode())
    return digest.hexdigest()[:32]


def train(examples: Sequence[Example], extractor: FeatureExtractor) -> IntentModel:
    """Fits TF-IDF and a multinomial logistic regression, then calibrates on sentences that it did not see.

    Args:
        examples: At least two intents.
        extractor: Feature extractor, the same as at use.

    Raises:
        ValueError: Fewer than two intents have examples.
    """
    rng = random.Random(_SEED)
    order = list(examples)
    rng.shuffle(order)
    held = [i % _FOLDS == 0 for i in range(len(order))]
    fold = _fit(_augmented([e for e, out in zip(order, held, strict=True) if not out], rng), extractor.extract)
    unseen = [e for e, out in zip(order, held, strict=True) if out and e.intent in fold.labels]
    temperature, thresholds = _calibrate(fold, unseen, extractor.extract)
    final = _fit(_augmented(order, rng), extractor.extract)
    return IntentModel(
        final.labels, final.vocabulary, final.idf, final.weights, final.bias, temperature, dict(thresholds)
    )


def _augmented(examples: Sequence[Example], rng: random.Random) -> list[tuple[str, str]]:
    pairs = [(e.text, e.intent) for e in examples]
    for example in examples:
        fillers = () if example.intent in ("affirm", "deny") else example.fillers
        pairs += [(text, example.intent) for text in noisy_copies(example.text, fillers, _COPIES, rng)]
    nonsense = spliced([e.text for e in examples], int(len(examples) * _NONSENSE_SHARE), rng)
    return pairs + [(text, OUT_OF_SCOPE) for text in nonsense]


def _fit(pairs: Sequence[tuple[str, str]], extract: Callable[[str], list[str]]) -> IntentModel:
    vectorizer = TfidfVectorizer(analyzer=extract, min_df=2, sublinear_tf=True, dtype=np.float32)
    matrix = vectorizer.fit_transform([text for text, _ in pairs])
    regression = LogisticRegression(C=20.0, max_iter=60, tol=1e-3)
    regression.fit(matrix, [intent for _, intent in pairs])
    labels = tuple(str(label) for label in regression.classes_)
    weights, bias = regression.coef_, regression.intercept_
    if len(labels) == 2:
        weights, bias = np.vstack([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return IntentModel(
        labels=labels,
        vocabulary={str(name): int(column) for name, column in vectorizer.vocabulary_.items()},
        idf=vectorizer.idf_.astype(np.float32),
        weights=np.ascontiguousarray(weights.T, dtype=np.float32),
        bias=bias.astype(np.float32),
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
