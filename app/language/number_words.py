"""One table of the number words of several packs, so that a caller may mix languages inside one number."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from indic_numtowords import num2words, supported_langs

from app.language.bent_numbers import hours_and_parts
from app.language.normalise import normalise
from app.language.packs import Pack

_LONGEST = 4
_INVISIBLE = re.compile("[\u200b-\u200d\ufeff]")
# Misspellings of indic-numtowords 1.1.0: 81 and 89 in Tamil begin their second word with a long vowel.
_MISSPELT = {"ta": ("எண்பத்து ஓன்", "எண்பத்து ஒன்")}
_OWN_WORDS = 60
LARGEST_SPOKEN = 999_999_999
MULTIPLIERS = frozenset({100, 1_000, 100_000, 1_000_000, 10_000_000})


@dataclass(frozen=True, slots=True)
class NumberWord:
    """What one word (or phrase) counts for.

    `shift` marks a fraction that is added to the next number ("+0.5"); `joins` names the packs in which a ten and a
    following digit are one number ("twenty five"), as opposed to those with words of their own up to 99.
    `ends_compound` marks words like "seven-thousand" that a ten may precede: "eighty seven-thousand" is 87,000.
    """

    value: Fraction | None = None
    repeat: int | None = None
    shift: bool = False
    joins: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    ends_compound: bool = False

    @property
    def whole(self) -> int | None:
        """The value as an integer, None for fractions, shifts and repeats."""
        if self.value is None or self.shift or self.value.denominator != 1:
            return None
        return int(self.value)

    @property
    def multiplier(self) -> int | None:
        """The value where the word multiplies what stands before it."""
        return self.whole if self.whole in MULTIPLIERS and not self.ends_compound else None


@dataclass(frozen=True, slots=True, eq=False)
class NumberWords:
    """All number words of some packs; where packs disagree, the earlier pack is right."""

    words: dict[tuple[str, ...], NumberWord]
    corrections: frozenset[tuple[str, ...]]
    fillers: frozenset[str]
    everyday: frozenset[str]  # number words that are also ordinary words ("do", "ek")
    points: frozenset[str]  # "point", of a spoken decimal
    thousands: frozenset[tuple[str, str]]  # tag of a pack and its word for a thousand behind a number: "k"
    plurals: Mapping[str, int]  # "zeros" -> 0
    times: frozenset[str]  # "baar", of "teen baar shunya"

    def at(self, tokens: list[str], start: int) -> tuple[NumberWord, int] | None:
        """Returns the longest number word that begins at a token, and where it ends."""
        for size in range(min(_LONGEST, len(tokens) - start), 0, -1):
            found = self.words.get(tuple(tokens[start : start + size]))
            if found is not None:
                return found, start + size
        return None

    @property
    def ends_in_thousand(self) -> frozenset[str]:
        """Words for a thousand that only stand behind a number."""
        return frozenset(word for _, word in self.thousands)

    def thousand_at(self, tokens: list[str], index: int, number: NumberWord) -> bool:
        """Tells whether a thousand that only stands behind a number is at a token, in a language of that number."""
        return index < len(tokens) and any((tag, tokens[index]) in self.thousands for tag in number.tags)

    def correction_at(self, tokens: list[str], start: int) -> int | None:
        """Returns where a correction ("no", "sorry") that begins at a token ends, None when none does."""
        for size in range(min(_LONGEST, len(tokens) - start), 0, -1):
            if tuple(tokens[start : start + size]) in self.corrections:
                return start + size
        return None


@lru_cache(maxsize=32)
def number_words(packs: tuple[Pack, ...]) -> NumberWords:
    """Builds (once per set of packs) the table."""
    table: dict[tuple[str, ...], NumberWord] = {}
    for pack in packs:
        for phrase, word in _of_pack(pack):
            known = table.get(phrase)
            if known is None:
                table[phrase] = word
            elif known.value == word.value and known.repeat == word.repeat and known.shift == word.shift:
                table[phrase] = NumberWord(
                    known.value, known.repeat, known.shift, known.joins | word.joins, known.tags | word.tags
                )
    corrections = {tuple(phrase.split()) for pack in packs for phrase in pack.lexicon.correction_words}
    everyday: set[str] = set()
    for pack in packs:
        lexicon = pack.lexicon
        everyday |= lexicon.function_words_native | lexicon.function_words_romanised
    return NumberWords(
        words=table,
        corrections=frozenset(corrections - table.keys()),
        fillers=frozenset(
            word
            for pack in packs
            for word in (*pack.lexicon.backchannels, *pack.lexicon.number_joins)
            if " " not in word
        ),
        everyday=frozenset(everyday),
        points=frozenset(word for pack in packs for word in pack.lexicon.point_words),
        thousands=frozenset((pack.tag, word) for pack in packs for word in pack.lexicon.thousand_words),
        plurals={word: int(digit) for pack in packs for word, digit in pack.lexicon.digit_plurals.items()},
        times=frozenset(word for pack in packs for word in pack.lexicon.times_words),
    )


def _of_pack(pack: Pack) -> Iterator[tuple[tuple[str, ...], NumberWord]]:
    tags = frozenset({pack.tag})
    joins = tags if _tens_join(pack) else frozenset()
    for words, value in pack.digit_words.items():
        yield tuple(words.split()), NumberWord(Fraction(int(value)), tags=tags)
    for words, number in pack.number_words.items():
        yield tuple(words.split()), NumberWord(Fraction(number), joins=joins, tags=tags)
    for words, fraction in pack.fraction_words.items():
        yield tuple(words.split()), NumberWord(Fraction(fraction), shift=fraction[0] in "+-", tags=tags)
    for phrase, hour in hours_and_parts(pack).items():
        yield phrase, NumberWord(hour, tags=tags)
    for words, times in pack.repeat_words.items():
        yield tuple(words.split()), NumberWord(repeat=times, tags=tags)
    if has_number_engine(pack.manifest.numbers):
        for phrase, number in _of_engine(pack.manifest.numbers).items():
            yield phrase, NumberWord(Fraction(number), joins=joins, tags=tags)
        for word, number in _compound_ends(pack.manifest.numbers).items():
            yield (word,), NumberWord(Fraction(number), tags=tags, ends_compound=True)
        one_thousand = cardinal(pack.manifest.numbers, 501_005)[-3:-1]
        if one_thousand[:1] not in _of_engine(pack.manifest.numbers):  # "one" may have a form of its own there
            yield one_thousand, NumberWord(Fraction(1000), tags=tags, ends_compound=True)


@lru_cache(maxsize=32)
def _compound_ends(code: str) -> dict[str, int]:
    """Returns words that stand for n thousand behind a ten, where a language fuses the two (Tamil)."""
    found: dict[str, int] = {}
    for units in range(1, 10):
        for tail in (0, 1):
            words = cardinal(code, (40 + units) * 1000 + tail)
            words = words[: -len(cardinal(code, 1))] if tail else words
            if len(words) == 2 and words[0] == cardinal(code, 41)[0] and words[1:] not in _of_engine(code):
                found[words[1]] = units * 1000
    return found


def _tens_join(pack: Pack) -> bool:
    """Tells whether a ten and a digit make one number, as in English; not so where each number to 99 has its word."""
    if has_number_engine(pack.manifest.numbers):
        return len(cardinal(pack.manifest.numbers, 25)) > 1
    return len({value for value in pack.number_words.values() if 10 < value < 100}) < _OWN_WORDS


@lru_cache(maxsize=32)
def _of_engine(code: str) -> dict[tuple[str, ...], int]:
    """Returns the number words that a language's engine writes, with the forms they take before further numbers."""
    found: dict[tuple[str, ...], int] = {}
    for number in (*range(1, 100), *range(100, 1000, 100), *range(1000, 100_000, 1000)):
        found.setdefault(cardinal(code, number), number)
        for unit in range(1, 10) if number % 10 == 0 else ():
            words = cardinal(code, number + unit)
            if words[-1:] == cardinal(code, unit):
                found.setdefault(words[:-1], number)
    for multiplier in MULTIPLIERS - {1_000_000}:
        for tail in (0, 5):
            words = cardinal(code, 5 * multiplier + tail)
            size = len(cardinal(code, 5))
            middle = words[size : -size if tail else None]
            if len(middle) == 1 and words[:size] == cardinal(code, 5):
                found[middle] = multiplier
    return {phrase: number for phrase, number in found.items() if len(phrase) == 1}


def has_number_engine(code: str) -> bool:
    """Tells whether number words exist for an engine id of a manifest."""
    return code in supported_langs


def cardinal(code: str, number: int) -> tuple[str, ...]:
    """Returns a cardinal's words as an engine writes them, without its invisible signs.

    Args:
        code: Engine id for which `has_number_engine` holds.
        number: 0 up to `LARGEST_SPOKEN`.
    """
    wrong, right = _MISSPELT.get(code, ("", ""))
    written = _INVISIBLE.sub("", normalise(str(num2words(number, lang=code))).lower())
    return tuple((written.replace(wrong, right) if wrong else written).split())
