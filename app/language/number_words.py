"""One table of the number words of several packs, so that a caller may mix languages inside one number."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from app.language.packs import Pack

_LONGEST = 3
MULTIPLIERS = frozenset({100, 1_000, 100_000, 1_000_000, 10_000_000})


@dataclass(frozen=True, slots=True)
class NumberWord:
    """What one word (or phrase) counts for.

    `shift` marks a fraction that is added to the next number ("+0.5"); `joins` names the packs in which a ten and a
    following digit are one number ("twenty five"), as opposed to those with words of their own up to 99.
    """

    value: Fraction | None = None
    repeat: int | None = None
    shift: bool = False
    joins: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()

    @property
    def whole(self) -> int | None:
        """The value as an integer, None for fractions, shifts and repeats."""
        if self.value is None or self.shift or self.value.denominator != 1:
            return None
        return int(self.value)


@dataclass(frozen=True, slots=True, eq=False)
class NumberWords:
    """All number words of some packs; where packs disagree, the earlier pack is right."""

    words: dict[tuple[str, ...], NumberWord]
    corrections: frozenset[tuple[str, ...]]
    fillers: frozenset[str]
    everyday: frozenset[str]  # number words that are also ordinary words ("do", "ek")

    def at(self, tokens: list[str], start: int) -> tuple[NumberWord, int] | None:
        """Returns the longest number word that begins at a token, and where it ends."""
        for size in range(min(_LONGEST, len(tokens) - start), 0, -1):
            found = self.words.get(tuple(tokens[start : start + size]))
            if found is not None:
                return found, start + size
        return None

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
    )


def _of_pack(pack: Pack) -> Iterator[tuple[tuple[str, ...], NumberWord]]:
    tags = frozenset({pack.tag})
    joins = tags if 21 not in pack.number_words.values() else frozenset()
    for words, value in pack.digit_words.items():
        yield tuple(words.split()), NumberWord(Fraction(int(value)), tags=tags)
    for words, number in pack.number_words.items():
        yield tuple(words.split()), NumberWord(Fraction(number), joins=joins, tags=tags)
    for words, fraction in pack.fraction_words.items():
        yield tuple(words.split()), NumberWord(Fraction(fraction), shift=fraction[0] in "+-", tags=tags)
    for words, times in pack.repeat_words.items():
        yield tuple(words.split()), NumberWord(repeat=times, tags=tags)
