"""The second opinion of a language model: when it is asked, and what of its answer is taken.

Pure; the asking itself stands behind `SecondOpinion`.

Taken is an intent out of a list and stretches of the caller's own words, nothing else: a model words nothing that is
spoken, and what it is told in the caller's words can change only which of our own answers is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from app.nlu.phonetic import words_of
from app.nlu.training import OUT_OF_SCOPE
from app.nlu.understanding import Entity, Understanding

RULE: Final = "second_opinion"
SPAN_KINDS: Final = ("item", "person", "reason", "address")
"""Entities that are the caller's words as spoken; numbers, dates, names of cities are found by our own rules."""
NEVER_ASKED: Final = frozenset({"affirm", "deny", "stop_contact", "no_recording", "confirm_appointment", "silence"})
"""Consent, refusal and assent are what the caller said, never what a model makes of it."""
CONFIDENCE: Final = 0.6
_UNSURE_BELOW: Final = 0.45
_LEAST_WORDS: Final = 2
_MOST_LETTERS: Final = 600
_MOST_SPAN: Final = 200
_FREE: Final = frozenset({"open", "text"})


@dataclass(frozen=True, slots=True)
class Choice:
    """One intent that may be chosen, and what it means, in English."""

    intent: str
    means: str


@dataclass(frozen=True, slots=True)
class Span:
    """Words that the model says are an entity."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a model answered, within its schema."""

    intent: str
    spans: tuple[Span, ...] = ()


class SecondOpinion(Protocol):
    """Asks a tenant's model about one utterance; one object serves one agent in one conversation."""

    async def about(self, found: Understanding, expectation: str, language: str) -> Understanding:
        """Returns `found`, or what came of asking; never raises, and returns within its time limit.

        Args:
            found: What understanding made of the words.
            expectation: An `Expectation` value.
            language: BCP-47 tag of the conversation.
        """
        ...


def is_wanted(found: Understanding, expectation: str) -> bool:
    """Returns whether a second opinion could help: free words that fell below their threshold, or nearly."""
    unsure = found.intent == OUT_OF_SCOPE or found.confidence < _UNSURE_BELOW
    words = words_of(found.text)
    return expectation in _FREE and unsure and len(words) >= _LEAST_WORDS and len(found.text) <= _MOST_LETTERS


def merged(found: Understanding, opinion: Opinion, choices: Sequence[Choice], told: str) -> Understanding:
    """Returns what is taken of an opinion.

    Args:
        found: What understanding made of the words.
        opinion: What the model answered.
        choices: What it might choose from.
        told: The words as the model was told them, numbers masked.

    Returns:
        `found` itself where the model chose nothing that was offered, or calls the words out of scope.
    """
    if opinion.intent not in {choice.intent for choice in choices} or opinion.intent == OUT_OF_SCOPE:
        return found
    have = {entity.kind for entity in found.entities}
    spans = [span for span in opinion.spans if _is_theirs(span, told) and span.kind not in have]
    added = tuple(Entity(span.kind, span.text.strip(), span.text.strip(), CONFIDENCE) for span in spans)
    others = {name: chance for name, chance in found.alternatives.items() if name != opinion.intent}
    if found.intent != OUT_OF_SCOPE:
        others = {found.intent: found.confidence, **others}
    return replace(
        found,
        intent=opinion.intent,
        confidence=CONFIDENCE,
        entities=(*found.entities, *added),
        alternatives=others,
        rule=RULE,
    )


def _is_theirs(span: Span, told: str) -> bool:
    """Tells whether a span is the caller's own words, nothing masked among them."""
    text = span.text.strip()
    return span.kind in SPAN_KINDS and 0 < len(text) <= _MOST_SPAN and text in told and "[" not in text
