"""Slot values: read from what was understood, and said in the caller's language."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Any

from app.dialogue.flow import FactType, Slot
from app.language.normalise import words_of
from app.language.number_words import LARGEST_SPOKEN
from app.language.numbers import spoken_amount, spoken_city, spoken_date, spoken_digits, spoken_number, spoken_time
from app.language.packs import Pack
from app.nlu.understanding import Entity, Understanding

SPOKEN_ANSWERS = ("item", "city", "text")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_LONGEST_TEXT = 300
_HALF_DAY = 12


@dataclass(frozen=True, slots=True)
class Taken:
    """A value for a slot: canonical (ISO date, 24 h time, digits, whole rupees), and how sure it was heard."""

    value: str
    confidence: float = 1.0


def read(slot: Slot, heard: Understanding, *, awaited: bool = False, current: str | None = None) -> Taken | None:
    """Returns what an utterance gives for a slot, or None.

    Of several values of a kind, one that differs from the current is meant: "not today, tomorrow" takes tomorrow.

    Args:
        slot: The slot.
        heard: The utterance.
        awaited: Whether the slot was asked for: then bare numbers and free text count too.
        current: The value that the slot holds.
    """
    kinds = slot.entities
    if awaited and slot.type in ("amount", "quantity"):
        kinds = (*kinds, "quantity", "number", "digits")
    for kind in kinds:
        found = [taken for entity in heard.entities if entity.kind == kind if (taken := _of(slot, entity)) is not None]
        other = [taken for taken in found if taken.value != current]
        if found:
            return (other or found)[-1 if other and current is not None else 0]
    if awaited and slot.type == "yes_no" and heard.intent in ("affirm", "deny"):
        return Taken("yes" if heard.intent == "affirm" else "no", heard.confidence)
    return None


def as_text(heard: Understanding) -> Taken | None:
    """Returns the utterance itself as a value, or None when there are no words."""
    text = " ".join(heard.text.split())[:_LONGEST_TEXT]
    return Taken(text, heard.confidence) if words_of(text) else None


def _of(slot: Slot, entity: Entity) -> Taken | None:
    value = entity.value
    if slot.type in ("date", "time"):
        value = entity.resolved or ""
        if not (_TIME.fullmatch(value) if slot.type == "time" else is_date(value)):
            return None
    elif slot.type in ("amount", "quantity"):
        if not value.isdecimal() or not 0 < int(value) <= LARGEST_SPOKEN:
            return None
        value = str(int(value))
    return Taken(value, entity.confidence) if value else None


def is_date(value: str) -> bool:
    """Returns whether a value is an ISO date."""
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def corrected(slot: Slot, current: str, text: str, packs: Sequence[Pack]) -> Taken | None:
    """Returns a slot's value put right by bare numbers: "no, not four, five"; None where they do not fit.

    Two numbers are the wrong one and the right one; one is the right one. Of a number given digit by digit, the wrong
    digit must stand in it once. Of a time, the half of the day stays.

    Args:
        slot: The slot.
        current: Its value.
        text: The caller's words.
        packs: Whose number words count.
    """
    named = list(dict.fromkeys(_numbers_in(text, packs)))
    if not named or len(named) > 2:
        return None
    wrong, right = (named[0] if len(named) == 2 else None), named[-1]
    if slot.type == "digits":
        if wrong is None or max(wrong, right) > 9 or current.count(str(wrong)) != 1:
            return None
        return Taken(current.replace(str(wrong), str(right)))
    if slot.type == "quantity" and right > 0 and wrong in (None, int(current)):
        return Taken(str(right))
    if slot.type == "time":
        hour = int(current[:2])
        if 1 <= right <= _HALF_DAY and (wrong is None or wrong % _HALF_DAY == hour % _HALF_DAY):
            return Taken(f"{right % _HALF_DAY + (_HALF_DAY if hour >= _HALF_DAY else 0):02}:00")
    return None


def _numbers_in(text: str, packs: Sequence[Pack]) -> Iterator[int]:
    for word in words_of(text):
        if word.isascii() and word.isdecimal() and len(word) <= 2:
            yield int(word)
            continue
        for pack in packs:
            value = pack.number_words.get(word, pack.digit_words.get(word, ""))
            if str(value).isdecimal() and int(value) < 100:
                yield int(value)
                break


def spoken(pack: Pack, kind: FactType | str, value: Any, today: date) -> str | None:
    """Returns a value as words of a language, or None where it has none.

    Args:
        pack: The language.
        kind: A slot's type or a fact's.
        value: Canonical, as slots hold it and tools answer.
        today: The day in the agent's time zone: today and tomorrow are said so.
    """
    text = str(value).strip() if value is not None else ""
    if not text:
        return None
    match kind:
        case "digits":
            return spoken_digits(pack, text) or None
        case "date":
            return spoken_date(pack, date.fromisoformat(text[:10]), today) if is_date(text[:10]) else None
        case "time":
            return spoken_time(pack, time.fromisoformat(text[:5])) if _TIME.fullmatch(text[:5]) else None
        case "amount" | "quantity":
            return _number(pack, kind, text)
        case "city":
            return spoken_city(pack, text[:_LONGEST_TEXT])
        case "yes_no":
            return None
    return text[:_LONGEST_TEXT]


def _number(pack: Pack, kind: str, text: str) -> str | None:
    try:
        number = round(float(text))
    except (ValueError, OverflowError):
        return None
    if not 0 <= number <= LARGEST_SPOKEN:
        return None
    return spoken_amount(pack, number) if kind == "amount" else spoken_number(pack, number)


def spoken_slots(pack: Pack, slots: Mapping[str, str], types: Mapping[str, str], today: date) -> dict[str, str]:
    """Returns the slots of a frame as words; those without words are left out."""
    said = {name: spoken(pack, types[name], value, today) for name, value in slots.items() if name in types}
    return {name: words for name, words in said.items() if words is not None}
