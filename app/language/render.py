"""Fills a pack's sentences with values; the dialogue speaks and the channels send what comes out.

A slot may name a case, `{city:loc}`: the pack's rules then bend the end of the value, as Tamil and Telugu need.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from app.errors import PackError
from app.language.packs import Pack
from app.language.scripts import LATIN, script_of_letter

_SLOT = re.compile(r"\{(\w+)(?::(\w+))?\}")


@lru_cache(maxsize=4096)
def slots_of(text: str) -> frozenset[str]:
    """Returns the names of the `{slots}` in a sentence."""
    return frozenset(match[1] for match in _SLOT.finditer(text))


@lru_cache(maxsize=4096)
def cases_of(text: str) -> frozenset[str]:
    """Returns the cases that the slots of a sentence name."""
    return frozenset(match[2] for match in _SLOT.finditer(text) if match[2])


def inflect(pack: Pack, case: str, value: str) -> str:
    """Returns a value in a case of the pack; the rule of the longest ending applies, no rule leaves it as it is.

    Args:
        pack: The language.
        case: A name under `cases` of its lexicon.
        value: Words, such as a city or a date.
    """
    rules = pack.lexicon.cases.get(case, {})
    for size in range(len(value), -1, -1):
        ending = value[len(value) - size :]
        if ending in rules:
            stem = value[: len(value) - size]
            joint = "-" if not ending and _changes_script(stem, rules[ending]) else ""
            return f"{stem}{joint}{rules[ending]}"
    return value


def fill(pack: Pack, text: str, slots: Mapping[str, str]) -> str:
    """Returns a text with its slots filled, each in the case that it names.

    Raises:
        KeyError: A slot is not given.
    """
    return _SLOT.sub(lambda m: inflect(pack, m[2], slots[m[1]]) if m[2] else slots[m[1]], text)


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
    variants = pack.responses.get(key)
    if not variants:
        raise PackError(f"{pack.tag}/responses.yaml: {key}: missing; add the response")
    return render_one(pack, key, variants, slots or {}, variant)


def render_one(pack: Pack, key: str, variants: Sequence[str], slots: Mapping[str, str], variant: int) -> str:
    """Returns one of a response's variants with its slots filled; see `render`.

    Args:
        pack: The language to speak.
        key: What errors name.
        variants: At least one.
        slots: Values as spoken words; "" counts as not given.
        variant: Which of the fitting variants, counted round and round.

    Raises:
        PackError: Every variant needs a slot that is not given.
    """
    given = {name: value for name, value in slots.items() if value}
    fitting = [text for text in variants if slots_of(text) <= given.keys()]
    if not fitting:
        lacking = min((sorted(slots_of(text) - given.keys()) for text in variants), key=len)
        raise PackError(f"{pack.tag}/responses.yaml: {key}: no value for {', '.join(lacking)}; give it as a slot")
    most = max(len(slots_of(text)) for text in fitting)
    best = [text for text in fitting if len(slots_of(text)) == most]
    return fill(pack, best[variant % len(best)], given)


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
    return fill(pack, found.text, given)


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
    return fill(pack, text, slots or {})


def topic_of(pack: Pack, intent: str) -> str:
    """Returns what a handoff says the conversation was about ("your order")."""
    topics = pack.lexicon.topics
    return topics.get(intent) or topics["other"]


def _changes_script(stem: str, suffix: str) -> bool:
    """Tells whether a suffix in another script follows Latin letters; a hyphen then keeps the two apart."""
    return bool(stem and suffix) and script_of_letter(stem[-1]) == LATIN and script_of_letter(suffix[0]) != LATIN
