"""The trained intent model as plain arrays: what `training` makes, `classifier` applies and the cache keeps on disk."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class IntentModel:
    """TF-IDF weights and a linear layer.

    Attributes:
        labels: Intent names; row order of `weights`.
        vocabulary: Feature -> column.
        idf: float32[features].
        weights: float32[features, labels]; feature-major, so that a text touches few rows.
        bias: float32[labels].
        temperature: Divides the scores before softmax; fitted on held-out sentences.
        thresholds: Least probability at which an intent is believed; below is `out_of_scope`.
    """

    labels: tuple[str, ...]
    vocabulary: dict[str, int]
    idf: NDArray[np.float32]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    temperature: float
    thresholds: dict[str, float]

    def scores(self, features: Sequence[str]) -> NDArray[np.float64]:
        """Returns float64[labels], the margins; the bias alone when no feature is known."""
        counts = Counter(column for name in features if (column := self.vocabulary.get(name)) is not None)
        scores = self.bias.astype(np.float64)
        if counts:
            columns = np.fromiter(counts.keys(), dtype=np.intp, count=len(counts))
            values = 1.0 + np.log(np.fromiter(counts.values(), dtype=np.float64, count=len(counts)))
            values *= self.idf[columns]
            values /= np.linalg.norm(values)
            scores = scores + values @ self.weights[columns]
        return np.asarray(scores, dtype=np.float64)

    def probabilities(self, features: Sequence[str]) -> NDArray[np.float64]:
        """Returns float64[labels] summing to 1; the prior of an empty text when no feature is known."""
        scaled = self.scores(features) / self.temperature
        scaled -= scaled.max()
        exponents = np.exp(scaled)
        return np.asarray(exponents / exponents.sum(), dtype=np.float64)

    def save(self, path: Path) -> None:
        """Writes the model as one `.npz` without pickled objects, atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        words = sorted(self.vocabulary, key=self.vocabulary.__getitem__)
        facts = {
            "labels": self.labels,
            "words": words,
            "temperature": self.temperature,
            "thresholds": self.thresholds,
        }
        encoded = np.frombuffer(json.dumps(facts, ensure_ascii=False).encode(), dtype=np.uint8)
        partial = path.with_name(f"{path.name}.part")
        with partial.open("wb") as file:
            np.savez(file, facts=encoded, idf=self.idf, weights=self.weights.astype(np.float16), bias=self.bias)
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> "IntentModel":
        """Reads a model that `save` wrote.

        Raises:
            OSError: The file cannot be read.
            ValueError: It is not such a file.
            KeyError: A part is missing.
        """
        with np.load(path, allow_pickle=False) as arrays:
            facts: dict[str, Any] = json.loads(arrays["facts"].tobytes())
            return cls(
                labels=tuple(facts["labels"]),
                vocabulary={word: column for column, word in enumerate(facts["words"])},
                idf=arrays["idf"],
                weights=arrays["weights"].astype(np.float32),
                bias=arrays["bias"],
                temperature=float(facts["temperature"]),
                thresholds={str(k): float(v) for k, v in facts["thresholds"].items()},
            )
