"""Intent classifier: loads or trains the model of the loaded packs, then scores one utterance in well under 5 ms."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from app.language.packs import Pack
from app.nlu.features import FeatureExtractor
from app.nlu.model import IntentModel
from app.nlu.phrases import Phrases
from app.nlu.training import OUT_OF_SCOPE, Example, fingerprint, train
from app.nlu.understanding import IntentScore

log = structlog.get_logger(__name__)

_A_DAY = re.compile(r"r-?\d|mon|tue|wed|thu|fri|sat|sun|weekend")
_HOURS = frozenset({"hour", "am", "pm", "morning", "noon", "afternoon", "evening", "night"})
_OF_A_PATTERN = 8
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

    def ranked(self, weights: Mapping[str, float] | None = None) -> tuple[IntentScore, ...]:
        """Returns every intent, the likeliest first after weighing as `decide` does."""
        weighed = {name: p * (weights or {}).get(name, 1.0) for name, p in self.probabilities.items()}
        total = sum(weighed.values()) or 1.0
        needed = {name: self._threshold(name) for name in weighed if name != OUT_OF_SCOPE}
        scores = [
            IntentScore(name, self.probabilities[name], chance / total, needed.get(name, 0.0))
            for name, chance in weighed.items()
        ]
        return tuple(sorted(scores, key=lambda score: -score.weighed))

    def mixed(self, others: Sequence[tuple["Scores", float]]) -> "Scores":
        """Returns these scores mixed with those of other readings; the weights are shares of 1, the rest is ours."""
        own = 1.0 - sum(weight for _, weight in others)
        chances = {name: own * p for name, p in self.probabilities.items()}
        for scores, weight in others:
            for name, p in scores.probabilities.items():
                chances[name] = chances.get(name, 0.0) + weight * p
        known = own * self.known_share + sum(weight * scores.known_share for scores, weight in others)
        return Scores(chances, known, self.thresholds)

    def without(self, intent: str) -> "Scores":
        """Returns these scores with the chance of an intent that cannot be meant given to `out_of_scope`."""
        chances = dict(self.probabilities)
        chances[OUT_OF_SCOPE] = chances.get(OUT_OF_SCOPE, 0.0) + chances.pop(intent, 0.0)
        return Scores(chances, self.known_share, self.thresholds)

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
        number_words = _number_words(packs)
        extractor = FeatureExtractor(number_words, concepts(packs))
        path = _cached(packs, examples, cache_dir) if cache_dir else None
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

    @staticmethod
    def is_cached(packs: Sequence[Pack], cache_dir: Path, tenant_examples: Iterable[Example]) -> bool:
        """Returns whether `build` would find the model of exactly these sentences."""
        return _cached(packs, [*pack_examples(packs), *tenant_examples], cache_dir).exists()

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


def concepts(packs: Iterable[Pack]) -> Phrases:
    """Returns what the packs' words mean, whatever their language: their glosses, and kinds of goods, places, days."""
    return Phrases([group for pack in packs for group in _meanings(pack)])


def _meanings(pack: Pack) -> list[Mapping[tuple[str, ...], str]]:
    words = pack.vocabulary
    days = {phrase: "a_day" for phrase, code in words.calendar.items() if _A_DAY.fullmatch(code)}
    parts = {phrase: "an_hour" for phrase, code in words.clock.items() if code in _HOURS}
    return [words.glosses, days, parts, dict.fromkeys(words.items, "goods"), dict.fromkeys(words.cities, "place")]


def _number_words(packs: Sequence[Pack]) -> list[str]:
    return sorted({word for p in packs for words in (p.digit_words, p.number_words, p.repeat_words) for word in words})


def _cached(packs: Sequence[Pack], examples: Sequence[Example], cache_dir: Path) -> Path:
    """Returns where the model of these sentences lies once it is trained."""
    meanings = (f"{' '.join(w)}={g}" for p in packs for group in _meanings(p) for w, g in group.items())
    return cache_dir / "nlu" / f"{fingerprint(examples, [*_number_words(packs), *meanings])}.npz"


def pack_examples(packs: Iterable[Pack]) -> list[Example]:
    """Returns the example and further sentences of packs, and some of each pattern, to train on; never their tests."""
    found: list[Example] = []
    for pack in packs:
        fillers, denials = tuple(sorted(pack.lexicon.backchannels)), pack.lexicon.no_words
        for intent, forms in pack.intents.items():
            found += [Example(intent, text, fillers, denials) for texts in forms.values() for text in texts]
            found += [Example(intent, text, fillers, denials) for text in pack.sentences.get(intent, ())]
            for pattern, texts in pack.patterns.drawn(intent, _OF_A_PATTERN):
                found += [Example(intent, text, fillers, denials, pattern) for text in texts]
    return found
