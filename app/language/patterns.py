"""Sentence patterns of a pack (`patterns.yaml`, optional): "[please] send a {worker} (today|on {day})".

Read by `loader`; `nlu.classifier` trains on sentences drawn from them, beside the plain examples of `intents.yaml`.
"""

import random
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from app.language.source import is_nfc
from app.language.vocabulary import Vocabulary

FILE_NAME = "patterns.yaml"
SECTIONS = ("lists", "intents")
_GIVEN = ("day", "item", "city")
_A_DAY = re.compile(r"r[0-2]|mon|tue|wed|thu|fri|sat|sun")
_DEEPEST = 4
_TRIES = 4
_TOKEN = re.compile(r"[()|\[\]]|\{[^{}]*\}|[^()|\[\]{}]+|[{}]")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Patterns:
    """Patterns by intent, and the lists that `{name}` in them draws from."""

    intents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, doc: Mapping[str, Any], words: Vocabulary) -> "Patterns":
        """Freezes a file that `pattern_faults` found right; days, places and goods come from the vocabulary."""
        own = {name: tuple(lines) for name, lines in doc.get("lists", {}).items()}
        lists = {
            "day": tuple(" ".join(phrase) for phrase, code in words.calendar.items() if _A_DAY.fullmatch(code)),
            "item": tuple(map(" ".join, words.items)),
            "city": tuple(map(" ".join, words.cities)),
        }
        by_intent = {name: tuple(lines) for name, lines in doc.get("intents", {}).items()}
        return cls(by_intent, {**lists, **own})

    def drawn(self, intent: str, most: int) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yields each pattern of an intent and at most `most` different sentences of it, the same each time."""
        for pattern in self.intents.get(intent, ()):
            yield pattern, _drawn(pattern, self.lists, most)


def pattern_faults(doc: Mapping[str, Any], intents: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yields (key, cure) for each fault of a pattern file.

    Args:
        doc: The file's content.
        intents: The intents of the contract.
    """
    for section, content in doc.items():
        if section not in SECTIONS:
            yield section, f"no section of a pattern file; there are {', '.join(SECTIONS)}"
        elif not isinstance(content, dict):
            yield section, "give names with lists of text"
    lists = _group(doc, "lists")
    for section, group in (("lists", lists), ("intents", _group(doc, "intents"))):
        for name, lines in group.items():
            key = f"{section}.{name}"
            if section == "intents" and name not in intents:
                yield key, "no intent of the contract; remove it"
            elif not isinstance(lines, list) or not lines or not all(isinstance(line, str) for line in lines):
                yield key, "give a list of text"
            else:
                known = {*lists, *_GIVEN} if section == "intents" else set()
                for line in lines:
                    if cure := _cure(line, known):
                        yield key, f"{line!r}: {cure}"


def _group(doc: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = doc.get(name)
    return found if isinstance(found, dict) else {}


def _cure(line: str, lists: Collection[str]) -> str | None:
    if not is_nfc(line):
        return "write it in Unicode form NFC"
    try:
        tree = _parsed(line)
    except ValueError as error:
        return str(error)
    unknown = sorted(set(_names(tree)) - set(lists))
    if unknown and not lists:
        return "a list draws from no other list; write the words out"
    return f"no list {', '.join(unknown)}; add it under lists" if unknown else None


@dataclass(frozen=True, slots=True)
class _Choice:
    """One of several sequences."""

    options: tuple[tuple["_Tree", ...], ...]


@dataclass(frozen=True, slots=True)
class _Name:
    """One line of a list."""

    name: str


_Tree: TypeAlias = str | _Choice | _Name


def _parsed(pattern: str) -> tuple[_Tree, ...]:
    """Returns the parts of a pattern.

    Raises:
        ValueError: Its brackets do not pair; the text says how to cure it.
    """
    stack: list[tuple[str, list[list[_Tree]]]] = [("", [[]])]
    for token in _TOKEN.findall(pattern):
        closing, options = stack[-1]
        if token in "([":
            if len(stack) > _DEEPEST:
                raise ValueError(f"brackets stand more than {_DEEPEST} deep; make two patterns of it")
            stack.append((")" if token == "(" else "]", [[]]))
        elif token == "|" and closing:
            options.append([])
        elif token in ")]" and token == closing:
            stack.pop()
            chosen = [tuple(option) for option in options] + ([()] if token == "]" else [])
            stack[-1][1][-1].append(_Choice(tuple(chosen)))
        elif token in ")]|{}":
            raise ValueError(f"{token!r} stands alone; brackets go in pairs, and | stands within them")
        else:
            options[-1].append(_Name(token[1:-1].strip()) if token[0] == "{" else token)
    if len(stack) > 1:
        raise ValueError(f"{stack[-1][0]!r} is missing")
    return tuple(stack[0][1][0])


def _names(parts: Sequence[_Tree]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, _Name):
            yield part.name
        elif isinstance(part, _Choice):
            for option in part.options:
                yield from _names(option)


def _drawn(pattern: str, lists: Mapping[str, tuple[str, ...]], most: int) -> tuple[str, ...]:
    tree, chance = _parsed(pattern), random.Random(pattern)
    found: dict[str, None] = {}
    for _ in range(most * _TRIES):
        sentence = _SPACES.sub(" ", "".join(_said(tree, lists, chance))).strip()
        if sentence:
            found[sentence] = None
        if len(found) == most:
            break
    return tuple(found)


def _said(parts: Sequence[_Tree], lists: Mapping[str, tuple[str, ...]], chance: random.Random) -> Iterator[str]:
    for part in parts:
        match part:
            case str():
                yield part
            case _Choice(options):
                yield from _said(chance.choice(options), lists, chance)
            case _Name(name):
                yield from _said(_parsed(chance.choice(lists[name])), lists, chance)
