"""Understanding of one utterance: language, intent and entities, weighed by what the dialogue waits for.

Stands between the recogniser's text and the dialogue. Pure CPU, a few milliseconds; safe to call from threads.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from app.kit.clock import Clock, SystemClock
from app.language.guess import LanguageGuess
from app.language.identify import identify
from app.language.loader import PackRegistry
from app.language.namesakes import without_namesakes
from app.language.packs import Pack
from app.language.request import named_language, names_language
from app.nlu.classifier import IntentClassifier, Scores
from app.nlu.entities import TIME_ZONE, EntityFinder, Listening
from app.nlu.phonetic import words_of
from app.nlu.training import OUT_OF_SCOPE, Example
from app.nlu.understanding import Entity, Understanding

SILENCE = "silence"
_CLEAR = 0.6
_ALWAYS_HEARD = ("stop_contact", "human_agent", "switch_to_whatsapp", "change_language")
_PRIORS: Mapping[str, Mapping[str, float]] = {
    "open": {},
    "yes_no": {"affirm": 6.0, "deny": 6.0},
    "digits": {"inform": 4.0, "order_status": 2.0, "wait": 1.5},
    "language": {"inform": 2.0, "change_language": 4.0},
    "date": {"inform": 6.0},
    "time": {"inform": 6.0},
    "text": {"inform": 3.0},
    "nothing": {"goodbye": 2.0, "thank": 2.0},
}
_BEHIND = frozenset({"payment_issue", "billing_dispute", "report_fraud", "complaint", "refund_status", "legal_threat"})
_OF_MONEY = frozenset({"payment_issue", "billing_dispute", "report_fraud", "refund_status", "request_quote"})
_ASKED_FOR = {"date": "date", "time": "time"}
_LEAST_WEIGHT = 0.05
_NUMBER_ONLY = 0.5
_ALTERNATIVES = 3
_LEAST_WORDS_OF_TWO, _LEAST_PART, _SURE_PART = 6, 2, 0.85


class Understander:
    """Understands utterances in any mixture of the packs' languages."""

    def __init__(
        self,
        registry: PackRegistry,
        cache_dir: Path | None,
        tenant_examples: Iterable[Example] = (),
        clock: Clock | None = None,
    ) -> None:
        """Loads or trains the classifier; the latter takes some seconds.

        Args:
            registry: The language packs.
            cache_dir: Where trained models are kept; None trains each time.
            tenant_examples: Sentences for a tenant's own intents.
            clock: Time, where `understand` is given none.
        """
        self._registry = registry
        self._clock = clock or SystemClock()
        self._packs: tuple[Pack, ...] = tuple(registry.get(tag) for tag in registry.tags)
        self._classifier = IntentClassifier.build(self._packs, cache_dir, tenant_examples)
        self._entities = EntityFinder(self._packs)
        self._stop_phrases = _all(pack.lexicon.stop_words for pack in self._packs)
        self._yes = _all(pack.lexicon.yes_words for pack in self._packs)
        self._no = _all(pack.lexicon.no_words for pack in self._packs)
        self._joins = _all(pack.lexicon.clause_joins for pack in self._packs)

    @staticmethod
    def is_cached(registry: PackRegistry, cache_dir: Path, tenant_examples: Iterable[Example]) -> bool:
        """Returns whether making one would load a model rather than train it."""
        return IntentClassifier.is_cached(registry.packs, cache_dir, tenant_examples)

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
        alternatives: Sequence[tuple[str, float]] = (),
        now: datetime | None = None,
    ) -> Understanding:
        """Returns what the caller meant.

        Args:
            text: The words as recognised; empty or without letters and digits means `silence`.
            enabled: BCP-47 tags that the agent speaks.
            current_language: BCP-47 tag of the last reply.
            expectation: An `Expectation` value: open, yes_no, digits, language, date, time, text or nothing.
            expected_digits: Fewest and most digits that are waited for.
            asr_confidence: Recogniser confidence, 0..1.
            alternatives: Further readings of the recogniser with their confidence; they help where `text` is doubtful.
            now: Aware time; dates are resolved against it, in its own zone; not given: this moment in India.
        """
        words = words_of(text)
        if not words:
            return Understanding(text, SILENCE, 1.0, LanguageGuess(None, 0.0), rule="no_words")
        language = identify(text, self._packs, enabled=enabled, current=current_language)
        readings = _weighed(text, asr_confidence, alternatives)
        scores = self._classifier.score(text)
        if len(readings) > 1:
            scores = scores.mixed([(self._classifier.score(other), weight) for other, weight in readings[1:]])
        if not self._may_ask_for_language(words):
            scores = scores.without("change_language")
        listening = Listening(expectation, expected_digits)
        entities = self._entities_of(readings, language, current_language, listening, scores, asr_confidence, now)
        intent, confidence, rule = self._intent(text, words, scores, entities, expectation, expected_digits)
        if language.requested and intent in ("inform", "out_of_scope") and expectation != "language":
            intent, confidence, rule = "change_language", max(_CLEAR, language.confidence), "language_requested"
        if intent == "change_language" and language.requested and not any(e.kind == "language" for e in entities):
            entities = (*entities, Entity("language", language.requested, text, asr_confidence))
        if intent == "change_language" and not language.requested:
            meant = named_language(words, self._packs)
            entities = tuple(e for e in entities if e.kind != "language" or e.value == meant)
        best = sorted(scores.probabilities.items(), key=lambda item: -item[1])
        others = {name: chance for name, chance in best[: _ALTERNATIVES + 1] if name != intent}
        also = self._also(words, intent) if expectation == "open" else ()
        ranking = scores.ranked(_PRIORS.get(expectation))
        return Understanding(
            text, intent, confidence, language, entities, others, also, rule, ranking, scores.known_share
        )

    def _also(self, words: Sequence[str], intent: str) -> tuple[str, ...]:
        """Returns what the parts of a long sentence mean beside its intent, where joining words part it."""
        if len(words) < _LEAST_WORDS_OF_TWO or self._joins.isdisjoint(words[_LEAST_PART:-_LEAST_PART]):
            return ()
        parts: list[list[str]] = [[]]
        for word in words:
            if word in self._joins and len(parts[-1]) >= _LEAST_PART:
                parts.append([])
            else:
                parts[-1].append(word)
        means = [self._classifier.score(" ".join(part)).decide() for part in parts if len(part) >= _LEAST_PART]
        unmeant = intent if self._may_ask_for_language(words) else "change_language"
        return tuple(dict.fromkeys(n for n, sure in means if sure >= _SURE_PART and n not in (intent, unmeant)))

    def _may_ask_for_language(self, words: Sequence[str]) -> bool:
        """Tells whether a language may be asked for: not where all its names are parts of others ("tamil nadu")."""
        left = without_namesakes(words, self._packs)
        return left == list(words) or names_language(left, self._packs)

    def _entities_of(
        self,
        readings: Sequence[tuple[str, float]],
        language: LanguageGuess,
        current_language: str,
        listening: Listening,
        scores: Scores,
        asr_confidence: float,
        now: datetime | None,
    ) -> tuple[Entity, ...]:
        """Returns the entities of the first reading; of another one if only that has a number of the right length."""
        plain, _ = scores.decide()
        local = now or self._clock.now()
        if now is None:
            local = local.astimezone(TIME_ZONE)
        found: list[tuple[Entity, ...]] = []
        for reading, weight in readings if listening.digits else readings[:1]:
            entities = self._entities.find(
                reading,
                language=language.matrix or current_language,
                heard_with=asr_confidence if not found else min(asr_confidence, weight),
                now=local,
                listening=listening,
                past=plain in _BEHIND,
                paid=plain in _OF_MONEY,
            )
            digits = next((entity.value for entity in entities if entity.kind == "digits"), "")
            if listening.digits and listening.digits[0] <= len(digits) <= listening.digits[1]:
                return entities
            found.append(entities)
        return found[0]

    def _intent(
        self,
        text: str,
        words: Sequence[str],
        scores: Scores,
        entities: Sequence[Entity],
        expectation: str,
        expected_digits: tuple[int, int] | None,
    ) -> tuple[str, float, str]:
        """Returns the intent, how sure it is, and which rule decided."""
        phrase = " ".join(words)
        if phrase in self._stop_phrases:
            return "stop_contact", 1.0, "stop_words"
        if expectation in ("yes_no", "open") and (answer := self._yes_or_no(phrase, words)) is not None:
            return answer, 1.0, "yes_or_no_words"
        kinds = {entity.kind: entity for entity in entities}
        if expectation == "language" and "language" in kinds and len(words) == 1:
            return "inform", 1.0, "answer_awaited"
        plain, plain_confidence = scores.decide()
        if plain in _ALWAYS_HEARD and plain_confidence >= _CLEAR:
            return plain, plain_confidence, "always_heard"
        intent, confidence = scores.decide(_PRIORS.get(expectation))
        awaited = kinds.get(_ASKED_FOR.get(expectation, ""))
        if awaited is not None and (intent in ("inform", "out_of_scope") or words_of(awaited.text) == list(words)):
            return "inform", max(confidence if intent == "inform" else 0.0, 0.9), "answer_awaited"
        digits = kinds.get("digits")
        if digits is not None and self._answers_with_number(text, digits, intent, expectation, expected_digits):
            return "inform", max(confidence if intent == "inform" else 0.0, 0.9), "answer_awaited"
        return intent, confidence, "classifier" if intent != OUT_OF_SCOPE else "below_threshold"

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


def _weighed(text: str, confidence: float, alternatives: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Returns the readings with shares that sum to 1, the recogniser's own first."""
    others = [(other, share) for other, share in alternatives if words_of(other) and other != text]
    total = max(confidence, _LEAST_WEIGHT) + sum(max(share, 0.0) for _, share in others)
    kept = [(other, share / total) for other, share in others if share / total >= _LEAST_WEIGHT]
    return [(text, 1.0 - sum(share for _, share in kept)), *kept]


def _all(groups: Iterable[Iterable[str]]) -> frozenset[str]:
    return frozenset(" ".join(words_of(phrase)) for group in groups for phrase in group)
