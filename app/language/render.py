"""Fills a pack's sentences with values; the dialogue speaks and the channels send what comes out."""

import re
from collections.abc import Mapping
from functools import lru_cache

from app.errors import PackError
from app.language.packs import Pack

_SLOT = re.compile(r"\{(\w+)\}")


@lru_cache(maxsize=4096)
def slots_of(text: str) -> frozenset[str]:
    """Returns the names of the `{slots}` in a sentence."""
    return frozenset(_SLOT.findall(text))


def render(pack: Pack, key: str, slots: Mapping[str, str] | None = None, variant: int = 0) -> str:
    """Returns a response with its slots filled.

    Of the key's variants, those count whose slots are all given; among them those that use most of them. So a date
    that is known is said, and one that is not needs no sentence of its own.

    Args:
        pack: The language to speak.
        key: A response of the contract.
        slots: Values as spoken words; "" counts as not given.
        variant: Which of the fitting variants, counted round and round.

    Raises:
        PackError: The key is not in the pack, or every variant needs a slot that is not given.
    """
    given = {name: value for name, value in (slots or {}).items() if value}
    variants = pack.responses.get(key)
    if not variants:
        raise PackError(f"{pack.tag}/responses.yaml: {key}: missing; add the response")
    fitting = [text for text in variants if slots_of(text) <= given.keys()]
    if not fitting:
        lacking = min((sorted(slots_of(text) - given.keys()) for text in variants), key=len)
        raise PackError(f"{pack.tag}/responses.yaml: {key}: no value for {', '.join(lacking)}; give it as a slot")
    most = max(len(slots_of(text)) for text in fitting)
    best = [text for text in fitting if len(slots_of(text)) == most]
    return _fill(best[variant % len(best)], given)


def disclosure(pack: Pack, key: str, slots: Mapping[str, str] | None = None) -> str:
    """Returns an approved compliance sentence with its slots filled; there is no fallback to another language.

    Raises:
        PackError: The key is not in the pack, or a slot is not given.
    """
    found = pack.disclosures.get(key)
    if found is None:
        raise PackError(f"{pack.tag}/disclosures.yaml: {key}: missing; add and approve the sentence")
    given = {name: value for name, value in (slots or {}).items() if value}
    lacking = sorted(slots_of(found.text) - given.keys())
    if lacking:
        raise PackError(f"{pack.tag}/disclosures.yaml: {key}: no value for {', '.join(lacking)}; give it as a slot")
    return _fill(found.text, given)


def error_text(pack: Pack, key: str, slots: Mapping[str, str] | None = None) -> str:
    """Returns a message of errors.yaml with its slots filled.

    Raises:
        PackError: The key is not in the pack, or a slot is not given.
    """
    text = pack.errors.get(key)
    if text is None:
        raise PackError(f"{pack.tag}/errors.yaml: {key}: missing; add the message")
    lacking = sorted(slots_of(text) - (slots or {}).keys())
    if lacking:
        raise PackError(f"{pack.tag}/errors.yaml: {key}: no value for {', '.join(lacking)}; give it as a slot")
    return _fill(text, slots or {})


def topic_of(pack: Pack, intent: str) -> str:
    """Returns what a handoff says the conversation was about ("your order")."""
    topics = pack.lexicon.topics
    return topics.get(intent) or topics["other"]


def _fill(text: str, slots: Mapping[str, str]) -> str:
    return _SLOT.sub(lambda match: slots[match[1]], text)
