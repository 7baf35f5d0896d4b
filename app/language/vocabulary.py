"""The words by which a pack's callers name dates, times, places, goods and concepts: `vocabulary.yaml`, optional.

Read by `loader`, used by the entity finders and by the classifier's features.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from app.language.normalise import words_of
from app.language.source import UNFINISHED, is_nfc

FILE_NAME = "vocabulary.yaml"
_CALENDAR = re.compile(
    r"r~?-?\d{1,2}|mon|tue|wed|thu|fri|sat|sun|weekend|m([1-9]|1[0-2])|o([1-9]|[12]\d|3[01])"
    r"|next|this|last|dom|days|weeks|months|days_ahead|weeks_ahead|later|within|ago|past|from|eom1?"
)
_CLOCK = re.compile(
    r"hour|am|pm|morning|noon|afternoon|evening|night|midnight|half|quarter|past|to|short|minute|hours|later|within"
    r"|about>|<about"
    r"|h([1-9]|1[0-2])|q\d+\.\d+"
)
_CUES = re.compile(r"(person|reason|address)>|<(person|reason|address)|person<>|nobody")
_ANY = re.compile(r".+")
CODES: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {"calendar": _CALENDAR, "clock": _CLOCK, "cities": _ANY, "units": _ANY, "cues": _CUES, "glosses": _ANY}
)
LISTS = ("items", "money")
_FINISH = "unfinished; write the words, or remove the line where the language has none"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Word tuples -> what they stand for, section by section.

    `calendar` and `clock` hold the codes that docs/language.md explains; `cities` the English name; `units` the unit;
    `cues` which entity stands beside the phrase; `glosses` the English word for it.
    """

    calendar: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    clock: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    cities: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    units: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    cues: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    glosses: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    items: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    money: Mapping[tuple[str, ...], str] = field(default_factory=dict)


def vocabulary_faults(doc: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields (key, cure) for each fault of a vocabulary file."""
    for section, content in doc.items():
        if section in LISTS:
            if not _is_words(content):
                yield section, "give a list of words or short phrases"
            elif _is_unfinished(content):
                yield section, _FINISH
            continue
        pattern = CODES.get(section)
        if pattern is None:
            yield section, f"no section of a vocabulary; there are {', '.join((*CODES, *LISTS))}"
        elif not isinstance(content, dict):
            yield section, "give `code: [words]` lines"
        else:
            for code, words in content.items():
                if not pattern.fullmatch(code):
                    yield f"{section}.{code}", "no such code; docs/language.md lists them"
                if not _is_words(words):
                    yield f"{section}.{code}", "give a list of words or short phrases, in Unicode form NFC"
                elif _is_unfinished(words):
                    yield f"{section}.{code}", _FINISH


def vocabulary_of(doc: Mapping[str, Any]) -> Vocabulary:
    """Returns the vocabulary of a file without faults."""
    sections: dict[str, dict[tuple[str, ...], str]] = {}
    for section, content in doc.items():
        entries = {word: word for word in content} if section in LISTS else _inverted(content)
        sections[section] = {tokens: code for word, code in entries.items() if (tokens := _tokens(word))}
    return Vocabulary(**sections)


def _inverted(content: Mapping[str, list[str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for code, words in content.items():
        for word in words:
            found.setdefault(word, code)
    return found


def _tokens(phrase: str) -> tuple[str, ...]:
    return tuple(part for word in words_of(phrase) for part in re.split(r"[-&]", word.replace("'", "")) if part)


def _is_unfinished(words: Iterable[str]) -> bool:
    return any(UNFINISHED.search(word) for word in words)


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) and word and is_nfc(word) for word in value)
