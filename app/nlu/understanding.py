"""What the caller meant: the value that understanding hands to the dialogue."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.language.guess import LanguageGuess


@dataclass(frozen=True, slots=True)
class Entity:
    """A value found in the words. `value` is canonical: see docs/language.md for each kind's form.

    `resolved` is the machine's form where the value is words: an ISO date or a 24-hour time, in the tenant's time zone.
    """

    kind: str
    value: str
    text: str
    confidence: float = 1.0
    resolved: str | None = None


@dataclass(frozen=True, slots=True)
class IntentScore:
    """How likely one intent is, before and after weighing by what was awaited, and the least that it needs; 0..1."""

    intent: str
    chance: float
    weighed: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Understanding:
    """Intent, entities and language of one utterance.

    `intent` is a name of `lang_packs/contract.yaml` (or of the tenant), `out_of_scope` when nothing fits, and
    `silence` when the recogniser heard no words. `also` are further matters named in the same breath, in order.
    `rule` says what decided: classifier, below_threshold, stop_words, yes_or_no_words, answer_awaited, always_heard,
    language_requested, no_words or second_opinion. `ranking` holds every intent, the likeliest first, and
    `known_share` how much of the words the classifier knows (0..1): of words that it mostly does not, even a high score
    is not taken.
    """

    text: str
    intent: str
    confidence: float
    language: LanguageGuess
    entities: tuple[Entity, ...] = ()
    alternatives: Mapping[str, float] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    rule: str = "classifier"
    ranking: tuple[IntentScore, ...] = ()
    known_share: float = 1.0

    def entity(self, kind: str) -> Entity | None:
        """Returns the first entity of a kind, or None."""
        return next((entity for entity in self.entities if entity.kind == kind), None)
