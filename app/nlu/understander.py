"""Understanding of one utterance: language, intent and entities, weighed by what the dialogue waits for.

Stands between the recogniser's text and the dialogue. Pure CPU, a few milliseconds; safe to call from threads.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from app.language.guess import LanguageGuess
from app.language.identify import identify
from app.language.loader import PackRegistry
from app.language.packs import Pack
from app.nlu.classifier import IntentClassifier, Scores
from app.nlu.entities import EntityFinder
from app.nlu.phonetic import words_of
from app.nlu.training import Example
from app.nlu.understanding import Entity, Understanding

SILENCE = "silence"
_CLEAR = 0.6
_ALWAYS_HEARD = ("stop_contact", "human_agent", "switch_to_whatsapp", "change_language")
_PRIORS: Mapping[str, Mapping[str, float]] = {
    "open": {},
    "yes_no": {"affirm": 6.0, "deny": 6.0},
    "digits": {"inform": 4.0, "order_status": 2.0, "wait": 1.5},
    "language": {"inform": 2.0, "change_language": 4.0},
    "nothing": {"goodbye": 2.0, "thank": 2.0},
}
_NUMBER_ONLY = 0.5
_ALTERNATIVES = 3


class Understander:
    """Understands utterances in any mixture of the packs' languages."""

    def __init__(self, registry: PackRegistry, cache_dir: Path | None, tenant_examples: Iterable[Example] = ()) -> None:
        """Loads or trains the classifier; the latter takes some seconds.

        Args:
            registry: The language packs.
            cache_dir: Where trained models are kept; None trains each time.
            tenant_examples: Sentences for a tenant's own intents.
        """
        self._registry = registry
        self._packs: tuple[Pack, ...] = tuple(registry.get(tag) for tag in registry.tags)
        self._classifier = IntentClassifier.build(self._packs, cache_dir, tenant_examples)
        self._entities = EntityFinder(self._packs)
        self._stop_phrases = _all(pack.lexicon.stop_words for pack in self._packs)
        self._yes = _all(pack.lexicon.yes_words for pack in self._packs)
        self._no = _all(pack.lexicon.no_words for pack in self._packs)

    @property
    def intents(self) -> tuple[str, ...]:
        """Every intent that may be returned, but for `silence`."""
        return self._classifier.intents

    def understand(
        self,
        text: str,
        *,
        enabled: Sequence[str],
        current_language: str,
        expectation: str = "open",
        expected_digits: tuple[int, int] | None = None,
        asr_confidence: float = 1.0,
    ) -> Understanding:
        """Returns what the caller meant.

        Args:
            text: The words as recognised; empty or without letters and digits means `silence`.
            enabled: BCP-47 tags that the agent speaks.
            current_language: BCP-47 tag of the last reply.
            expectation: An `Expectation` value: open, yes_no, digits, language or nothing.
            expected_digits: Fewest and most digits that are waited for.
            asr_confidence: Recogniser confidence, 0..1.
        """
        words = words_of(text)
        if not words:
            return Understanding(text, SILENCE, 1.0, LanguageGuess(None, 0.0))
        language = identify(text, self._packs, enabled=enabled, current=current_language)
        entities = self._entities.find(
            text,
            language=language.matrix or current_language,
            heard_with=asr_confidence,
            digits_expected=expectation == "digits",
            expected_digits=expected_digits,
        )
        scores = self._classifier.score(text)
        intent, confidence = self._intent(text, words, scores, entities, expectation, expected_digits)
        if language.requested and intent in ("inform", "out_of_scope") and expectation != "language":
            intent, confidence = "change_language", max(_CLEAR, language.confidence)
        if intent == "change_language" and language.requested and not any(e.kind == "language" for e in entities):
            entities = (*entities, Entity("language", language.requested, text, asr_confidence))
        best = sorted(scores.probabilities.items(), key=lambda item: -item[1])
        others = {name: chance for name, chance in best[: _ALTERNATIVES + 1] if name != intent}
        return Understanding(text, intent, confidence, language, entities, others)

    def _intent(
        self,
        text: str,
        words: Sequence[str],
        scores: Scores,
        entities: Sequence[Entity],
        expectation: str,
        expected_digits: tuple[int, int] | None,
    ) -> tuple[str, float]:
        phrase = " ".join(words)
        if phrase in self._stop_phrases:
            return "stop_contact", 1.0
        if expectation in ("yes_no", "open") and (answer := self._yes_or_no(phrase, words)) is not None:
            return answer, 1.0
        kinds = {entity.kind: entity for entity in entities}
        if expectation == "language" and "language" in kinds and len(words) == 1:
            return "inform", 1.0
        plain, plain_confidence = scores.decide()
        if plain in _ALWAYS_HEARD and plain_confidence >= _CLEAR:
            return plain, plain_confidence
        intent, confidence = scores.decide(_PRIORS.get(expectation))
        digits = kinds.get("digits")
        if digits is not None and self._answers_with_number(text, digits, intent, expectation, expected_digits):
            return "inform", max(confidence if intent == "inform" else 0.0, 0.9)
        return intent, confidence

    def _yes_or_no(self, phrase: str, words: Sequence[str]) -> str | None:
        """Returns affirm or deny when the whole answer is such words; one "no" among them is a no."""
        if phrase in self._no or (all(w in self._yes | self._no for w in words) and any(w in self._no for w in words)):
            return "deny"
        return "affirm" if phrase in self._yes or all(word in self._yes for word in words) else None

    def _answers_with_number(
        self, text: str, digits: Entity, intent: str, expectation: str, expected: tuple[int, int] | None
    ) -> bool:
        """Tells whether an utterance only supplies a number: mostly digits, or as long as awaited and nothing else."""
        mostly = self._entities.number_share(text) > _NUMBER_ONLY
        if expectation != "digits":
            return mostly and intent in ("inform", "out_of_scope")
        fits = expected is None or expected[0] <= len(digits.value) <= expected[1]
        return mostly or (fits and intent in ("inform", "out_of_scope", "affirm", "deny", "order_status", "wait"))


def _all(groups: Iterable[Iterable[str]]) -> frozenset[str]:
    return frozenset(" ".join(words_of(phrase)) for group in groups for phrase in group)
