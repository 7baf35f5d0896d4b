"""Phrases as the beam search matches them: letter by letter in a trie, in whatever pieces the recogniser cuts them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

WORD_START = "▁"
DIGIT = "#"
_NUKTAS = frozenset("\u093c\u0c3c")
_CANDRABINDU, _ANUSVARA = "\u0901", "\u0902"
_VIRAMAS = frozenset("\u094d\u0bcd\u0c4d")
_SHORTEST_STEM = 3
_FREE_LETTERS = 1


def letters_of(text: str) -> str:
    """Returns a phrase as it is matched: `▁` before each word, one spelling of nukta and nasal signs, letters only."""
    folded = fold(unicodedata.normalize("NFC", text).lower())
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" or c == DIGIT else " " for c in folded)
    return "".join(WORD_START + word for word in kept.split())


def fold(text: str) -> str:
    """Returns the letters that are compared: spellings with and without nukta or chandrabindu are one."""
    bare = unicodedata.normalize("NFD", text)
    return "".join(_ANUSVARA if c == _CANDRABINDU else c for c in bare if c not in _NUKTAS)


class PhraseTrie:
    """Phrases by letter. Node 0 is the root; `worth` is the credit of the letters since the last complete phrase."""

    __slots__ = ("children", "ends", "stems", "worth")

    def __init__(self, phrases: Iterable[tuple[str, int]], per_letter: float, most: float) -> None:
        """Takes phrases as `letters_of` gives them, each with a number to report when it is complete."""
        self.children: list[dict[str, int]] = [{}]
        self.worth: list[float] = [0.0]
        self.ends: dict[int, int] = {}
        self.stems: set[int] = set()
        for letters, report in phrases:
            self._add(letters, report)
        self._credit(per_letter, most)

    def _add(self, letters: str, report: int) -> None:
        node = 0
        for at, letter in enumerate(letters):
            following = self.children[node].get(letter)
            if following is None:
                following = len(self.children)
                self.children.append({})
                self.worth.append(0.0)
                self.children[node][letter] = following
            node = following
            if at == len(letters) - 2 and letters[-1] in _VIRAMAS and at >= _SHORTEST_STEM:
                self.stems.add(node)
        if node:
            self.ends[node] = report
            if len(letters) > _SHORTEST_STEM:
                self.stems.add(node)

    def _credit(self, per_letter: float, most: float) -> None:
        open_nodes = [(0, 0)]
        while open_nodes:
            node, letters = open_nodes.pop()
            self.worth[node] = min(most, per_letter * max(0, letters - _FREE_LETTERS))
            for letter, child in self.children[node].items():
                kept = 0 if node in self.ends and letter == WORD_START else letters
                open_nodes.append((child, kept + (letter != WORD_START)))

    def follow(self, nodes: frozenset[int], letter: str, stems: bool) -> frozenset[int]:
        """Returns the nodes matched after a further letter; with `stems`, a word may go on after a phrase.

        A node of a word that goes on after a phrase is written as -1 - node.
        """
        after: set[int] = set()
        for node in nodes:
            following = self.children[node].get(letter) if node >= 0 else None
            if following is not None:
                after.add(following)
            if letter != WORD_START and stems:
                if node < 0:
                    after.add(node)
                elif node in self.stems and following is None:
                    after.add(-1 - node)
        if letter == WORD_START and (opening := self.children[0].get(letter)) is not None:
            after.add(opening)
        return frozenset(after)


def is_number_format(phrase: str) -> bool:
    """Tells whether a phrase is a format of digits alone, such as `########`."""
    letters = letters_of(phrase).replace(WORD_START, "")
    return bool(letters) and set(letters) == {DIGIT}


def spoken_forms(phrase: str) -> list[tuple[str, int]]:
    """Returns how a phrase may be written, with the digits that follow it: `AB-####` is "ab" or "a b", then four."""
    letters = letters_of(phrase)
    if DIGIT not in letters:
        return [(letters, 0)] if letters else []
    head = letters[: letters.index(DIGIT)].rstrip(WORD_START)
    digits = letters.count(DIGIT)
    spelt = "".join(WORD_START + letter for letter in head if letter != WORD_START)
    return [(form, digits) for form in dict.fromkeys((head, spelt)) if form]
