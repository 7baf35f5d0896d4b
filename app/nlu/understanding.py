"""What the caller meant: the value that understanding hands to the dialogue."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.language.guess import LanguageGuess


@dataclass(frozen=True, slots=True)
class Entity:
    """A value found in the words. `value` is canonical: see docs/language.md for each kind's form."""

    kind: str
    value: str
    text: str
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Understanding:
    """Intent, entities and language of one utterance.

    `intent` is a name of `lang_packs/contract.yaml` (or of the tenant), `out_of_scope` when nothing fits, and
    `silence` when the recogniser heard no words.
    """

    text: str
    intent: str
    confidence: float
    language: LanguageGuess
    entities: tuple[Entity, ...] = ()
    alternatives: Mapping[str, float] = field(default_factory=dict)

    def entity(self, kind: str) -> Entity | None:
        """Returns the first entity of a kind, or None."""
        return next((entity for entity in self.entities if entity.kind == kind), None)
