"""Hours that no word marks as such: "eleven forty five", "four" of "around four", "அஞ்சே முக்கால்"."""

from collections.abc import Sequence
from fractions import Fraction

from app.language.bent_numbers import hours_and_parts
from app.language.number_parsing import number_at
from app.language.packs import Pack

_HOURS = 12
_MINUTES = range(10, 60, 5)  # "five five" are two digits


class BareHours:
    """Reads them; whether what was said may be an hour at all is for the caller to judge."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        self._packs = tuple(packs)
        bent = [(pack, hours) for pack in packs if (hours := hours_and_parts(pack))]
        self._parted = frozenset(
            tuple(words.split())
            for pack, _ in bent
            for words, value in pack.fraction_words.items()
            if value[0] not in "+-" and 1 < Fraction(value) < _HOURS + 1
        ).union(*(hours for _, hours in bent))
        lexicons = [pack.lexicon for pack in packs]
        self._little = frozenset[str]().union(*(x.function_words_native | x.function_words_romanised for x in lexicons))
        self._soft = frozenset[str]().union(*(x.backchannels | x.yes_words | x.clause_joins for x in lexicons))

    def at(self, tokens: list[str], index: int) -> tuple[Fraction, int, bool] | None:
        """Returns the hour at a token, where it ends, and whether minutes or a part of the hour were said with it."""
        number = number_at(tokens, index, self._packs)
        if number is None or not 1 <= number[0] < _HOURS + 1 or tokens[index][0].isdigit():
            return self._figure(tokens, index, number)
        hour, end = number
        if hour.denominator != 1:
            return (hour, end, True) if tuple(tokens[index:end]) in self._parted else None
        minutes = number_at(tokens, end, self._packs) if end < len(tokens) else None
        if minutes is None:
            return hour, end, False
        told = minutes[0] in _MINUTES and not tokens[end][0].isdigit()
        return (hour + minutes[0] / 60, minutes[1], True) if told else None

    def ends(self, tokens: list[str], index: int) -> bool:
        """Tells whether what was said ends at a token, but for "please", "ok" and a date."""
        if len(tokens) - index == 1 and tokens[index] in self._little:
            return True
        return all(word in self._soft or not word[0].isalnum() for word in tokens[index : index + 1])

    def _figure(
        self, tokens: list[str], index: int, number: tuple[Fraction, int] | None
    ) -> tuple[Fraction, int, bool] | None:
        whole = number is not None and tokens[index].isdigit() and number[1] == index + 1 and 1 <= number[0] <= _HOURS
        alone = index + 1 >= len(tokens) or number_at(tokens, index + 1, self._packs) is None
        return (number[0], number[1], False) if number is not None and whole and alone else None
