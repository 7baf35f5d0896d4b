"""Intent classifier: loads or trains the model of the loaded packs, then scores one utterance in well under 5 ms."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from app.language.packs import Pack
from app.nlu.features import FeatureExtractor
from app.nlu.model import IntentModel
from app.nlu.training import OUT_OF_SCOPE, Example, fingerprint, train

log = structlog.get_logger(__name__)

_KNOWN_ENOUGH = 0.6
_USUAL_THRESHOLD = 0.4
_KIN = (("deny", "not_interested"), ("affirm", "interested"))  # alike in words; torn between them is the first
_KIN_TOGETHER = 0.7
_FLOORS = {"stop_contact": 0.6}  # acts at once and for good
_SURE_DESPITE_UNKNOWN_WORDS = 0.9


@dataclass(frozen=True, slots=True)
class Scores:
    """Probabilities of one utterance; `known_share` tells how familiar the words are."""

    probabilities: Mapping[str, float]
    known_share: float
    thresholds: Mapping[str, float]

    def decide(self, weights: Mapping[str, float] | None = None) -> tuple[str, float]:
        """Returns the intent and its probability after weighing by what was expected.

        Args:
            weights: Prior odds per intent; those not named keep 1.

        Returns:
            The best intent, or `out_of_scope` when it is below its threshold or the words are mostly unknown.
        """
        weighed = {name: p * (weights or {}).get(name, 1.0) for name, p in self.probabilities.items()}
        total = sum(weighed.values()) or 1.0
        name = max(weighed, key=weighed.__getitem__)
        chance = weighed[name] / total
        strange = self.known_share < _KNOWN_ENOUGH and chance < _SURE_DESPITE_UNKNOWN_WORDS
        if name != OUT_OF_SCOPE and not strange and chance < self._threshold(name):
            for general, special in _KIN:
                together = (weighed.get(general, 0.0) + weighed.get(special, 0.0)) / total
                if name in (general, special) and together >= _KIN_TOGETHER:
                    return general, together
        if name != OUT_OF_SCOPE and (strange or chance < self._threshold(name)):
            return OUT_OF_SCOPE, 1.0 - chance
        return name, chance

    def _threshold(self, name: str) -> float:
        return max(self.thresholds.get(name, _USUAL_THRESHOLD), _FLOORS.get(name, 0.0))


class IntentClassifier:
    """Scores utterances of any of the packs' languages."""

    def __init__(self, model: IntentModel, extractor: FeatureExtractor) -> None:
        self._model = model
        self._extractor = extractor

    @classmethod
    def build(
        cls, packs: Sequence[Pack], cache_dir: Path | None, tenant_examples: Iterable[Example] = ()
    ) -> "IntentClassifier":
        """Loads the cached model of exactly these sentences, or trains it (seconds) and caches it.

        Args:
            packs: All packs to serve.
            cache_dir: Folder for trained models; None keeps nothing.
            tenant_examples: Further sentences, of a tenant's own intents or of the packs'.
        """
        examples = [*pack_examples(packs), *tenant_examples]
        number_words = sorted(
            {word for p in packs for words in (p.digit_words, p.number_words, p.repeat_words) for word in words}
        )
        extractor = FeatureExtractor(number_words)
        path = cache_dir / "nlu" / f"{fingerprint(examples, number_words)}.npz" if cache_dir else None
        if path is not None and path.exists():
            try:
                return cls(IntentModel.load(path), extractor)
            except (OSError, ValueError, KeyError) as error:
                log.warning("nlu.cache_unreadable", path=str(path), error=str(error))
        model = train(examples, extractor)
        if path is not None:
            model.save(path)
        log.info("nlu.trained", sentences=len(examples), features=len(model.vocabulary), intents=len(model.labels))
        return cls(model, extractor)

    @property
    def intents(self) -> tuple[str, ...]:
        """The intents that the model tells apart."""
        return self._model.labels

    def score(self, text: str) -> Scores:
        """Returns calibrated probabilities of every intent for a text."""
        features = self._extractor.extract(text)
        chances = self._model.probabilities(features)
        return Scores(
            probabilities=dict(zip(self._model.labels, chances.tolist(), strict=True)),
            known_share=self._extractor.known_share(features, self._model.vocabulary),
            thresholds=self._model.thresholds,
        )


def pack_examples(packs: Iterable[Pack]) -> list[Example]:
    """Returns the example sentences of packs as training examples; never their tests."""
    return [
        Example(intent, text, tuple(sorted(pack.lexicon.backchannels)), pack.lexicon.no_words)
        for pack in packs
        for intent, forms in pack.intents.items()
        for texts in forms.values()
        for text in texts
    ]
