"""Dates in an utterance: relative days, weekdays, days of the month, "in two weeks"; words beside an ISO date."""

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from app.language.bent_numbers import ordinals
from app.language.number_parsing import number_at, tokens_of
from app.language.packs import Pack
from app.nlu.phrases import Phrases

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ISO = re.compile(r"(?<!\d)(20\d\d)-(\d{1,2})-(\d{1,2})(?!\d)")
_DAY_FIRST = re.compile(r"(?<!\d)(\d{1,2})[/.-](\d{1,2})(?:[/.-](20\d\d|\d\d))?(?![\d/])")
_FURTHEST_DAYS = 400
_FIRST_YEAR_OF_BIRTH, _FIRST_YEAR, _LAST_YEAR = 1900, 2020, 2040
_UNITS = ("days", "weeks", "months")
_UNITS_AHEAD = {"days_ahead": "days", "weeks_ahead": "weeks"}
_TURNS = {"next": 1, "this": 0, "last": -1}


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or a time that was named: the tokens `start` to `end`, and its machine form where it has one."""

    start: int
    end: int
    resolved: str | None


class DateFinder:
    """Finds dates by the words of all packs; the first pack's are right where they disagree."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        self._packs = tuple(packs)
        formats = [
            {tuple(tokens_of(name)): f"m{number}" for number, name in enumerate(p.formats.months, 1)} for p in packs
        ]
        weekdays = [
            dict(zip((tuple(tokens_of(w)) for w in p.formats.weekdays), _WEEKDAYS, strict=False)) for p in packs
        ]
        relative = [{tuple(tokens_of(w)): f"r{days}" for w, days in p.lexicon.relative_days.items()} for p in packs]
        numbered = [{words: f"o{day}" for words, day in ordinals(p).items()} for p in packs]
        own = [p.vocabulary.calendar for p in packs]
        self._past = frozenset(words for group in own for words, code in group.items() if code == "past")
        groups = [{w: c for w, c in group.items() if c != "past"} for group in own]
        self._phrases = Phrases([*groups, *relative, *weekdays, *formats, *numbered])

    def find(self, tokens: list[str], today: date, *, past: bool, expected: bool, early: bool = False) -> list[Moment]:
        """Returns the dates named, in order, none overlapping.

        Args:
            tokens: What `tokens_of` returned.
            today: Where the caller is.
            past: Whether the matter lies behind; decides a word for both directions, and which Monday.
            expected: Whether a date was asked for: then a bare number is a day of the month.
            early: Whether years from 1900 on may be meant, as of a birth; else such a number is one of its own.
        """
        reader = _Reader(self, tokens, today, past or (self._looks_back(tokens) and not expected), expected, early)
        found: list[Moment] = []
        index = 0
        while index < len(tokens):
            moment = reader.at(index)
            if moment is None:
                index += 1
            else:
                found.append(moment)
                index = moment.end
        return found

    def _looks_back(self, tokens: list[str]) -> bool:
        return any((word,) in self._past for word in tokens)

    def code(self, tokens: list[str], index: int) -> tuple[str, int]:
        """Returns the calendar code at a token and where it ends; an empty code where there is none."""
        if index >= len(tokens):
            return "", index
        return self._phrases.at(tokens, index) or ("", index)

    def ordinal(self, tokens: list[str], index: int) -> tuple[int, int] | None:
        """Returns a day of the month at a token ("fifth", "twenty fifth") and where it ends."""
        code, end = self.code(tokens, index)
        if code[:1] == "o":
            return int(code[1:]), end
        ten = self.number(tokens, index)
        if ten is not None and ten[0] in (20, 30):
            code, end = self.code(tokens, ten[1])
            if code[:1] == "o" and int(code[1:]) < 10:
                return ten[0] + int(code[1:]), end
        return None

    def number(self, tokens: list[str], index: int) -> tuple[int, int] | None:
        """Returns a whole number at a token and where it ends."""
        found = number_at(tokens, index, self._packs) if index < len(tokens) else None
        return (int(found[0]), found[1]) if found is not None and found[0].denominator == 1 else None


def written_dates(text: str, today: date) -> list[tuple[int, int, str]]:
    """Returns (start, end, ISO date) of dates written in figures: 2026-11-25, 25/11/2026, 25/11."""
    found: list[tuple[int, int, str]] = []
    for match in _ISO.finditer(text):
        day = _day(int(match[1]), int(match[2]), int(match[3]))
        found += [(match.start(), match.end(), day.isoformat())] if day else []
    for match in _DAY_FIRST.finditer(text):
        if any(start <= match.start() < end for start, end, _ in found):
            continue
        if match[3] is None and match[0][len(match[1])] != "/":
            continue
        year = None if match[3] is None else int(match[3]) + (2000 if len(match[3]) == 2 else 0)
        day = in_month(int(match[1]), int(match[2]), year, today, past=False)
        found += [(match.start(), match.end(), day.isoformat())] if day else []
    return sorted(found)


def in_month(day: int, month: int, year: int | None, today: date, *, past: bool) -> date | None:
    """Returns a day of a month, in the nearest year ahead (or behind) when none is named; None if there is no such."""
    if year is not None:
        return _day(year, month, day)
    for candidate in (today.year, today.year - 1) if past else (today.year, today.year + 1, today.year + 2):
        found = _day(candidate, month, day)
        if found is not None and (found <= today if past else found >= today):
            return found
    return None


def _day(year: int, month: int, day: int) -> date | None:
    if not 1 <= month <= 12 or not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None
    return date(year, month, day)


class _Reader:
    """Reads the date, if any, that begins at a token."""

    def __init__(
        self, finder: DateFinder, tokens: list[str], today: date, past: bool, expected: bool, early: bool
    ) -> None:
        self._finder = finder
        self._tokens = tokens
        self._today = today
        self._past = past
        self._expected = expected
        self._first_year = _FIRST_YEAR_OF_BIRTH if early else _FIRST_YEAR

    def at(self, index: int) -> Moment | None:
        code, end = self._finder.code(self._tokens, index)
        number = self._finder.number(self._tokens, index)
        if code[:1] == "r" and (number is None or number[1] <= end):
            return self._from_today(index, end, code) or self._moment(index, end, self._relative(code))
        if code in ("next", "last", "this"):
            return self._turned(index, end, code)
        if code in _WEEKDAYS or code == "weekend":
            return self._weekday(index, end, code)
        if code in ("eom", "eom1"):
            return self._moment(index, end, self._last_day("next" if code == "eom1" else "this"))
        if code[:1] == "m" and code[1:].isdigit() and (found := self._month_first(index, end, int(code[1:]))):
            return found
        if code == "dom" and self._tokens[index] not in ("th", "st", "nd", "rd"):
            after = self._finder.number(self._tokens, end)
            if after is not None and 1 <= after[0] <= 31:
                return self._moment(index, after[1], self._day_of_month(after[0]))
        if (ordinal := self._finder.ordinal(self._tokens, index)) is not None:
            return self._numbered(index, ordinal[1], ordinal[0], ordinal=True)
        if code in _UNITS and (found := self._one_unit(index, end, code)):
            return found
        if code in ("within", "later") and (found := self._ahead(index, end)):
            return found
        if number is not None:
            return self._numbered(index, number[1], number[0], ordinal=False)
        return None

    def _from_today(self, index: int, end: int, code: str) -> Moment | None:
        """Reads "aaj se teen din baad": counted from a day that is named with it."""
        for start in (end, end + 1) if code == "r0" else ():
            number = self._finder.number(self._tokens, start)
            unit, after = self._finder.code(self._tokens, number[1]) if number is not None else ("", 0)
            turn, ended = self._finder.code(self._tokens, after) if unit in _UNITS else ("", 0)
            if number is not None and turn == "later":
                return self._moment(index, ended, self._shifted(number[0], unit))
        return None

    def _one_unit(self, index: int, end: int, unit: str) -> Moment | None:
        """Reads "vaaram tarvata", "a week later": one of a unit, as none is counted."""
        if index and self._finder.number(self._tokens, index - 1) is not None:
            return None
        if (counted := self._from_named(index, end, 1, unit)) is not None:
            return counted
        turn, after = self._finder.code(self._tokens, end)
        count = {"later": 1, "ago": -1}.get(turn)
        return self._moment(index, after, self._shifted(count, unit)) if count is not None else None

    def _from_named(self, index: int, end: int, count: int, unit: str) -> Moment | None:
        """Reads what follows "a week" in "a week from monday": the day that is counted from."""
        turn, start = self._finder.code(self._tokens, end)
        if turn not in ("from", "later"):
            return None
        code, after = self._finder.code(self._tokens, start)
        if code in _WEEKDAYS:
            base = self._weekday(start, after, code).resolved
        elif code[:1] == "r":
            day = self._relative(code)
            base = day.isoformat() if day is not None else None
        else:
            return None
        days = {"days": 1, "weeks": 7}.get(unit)
        if base is None or days is None or count * days > _FURTHEST_DAYS:
            return None
        return self._moment(index, after, date.fromisoformat(base) + timedelta(days=count * days))

    def _ahead(self, index: int, end: int) -> Moment | None:
        """Reads "in three days", "after two weeks", "in a week"."""
        number = self._finder.number(self._tokens, end)
        if number is None and end < len(self._tokens) and len(self._tokens[end]) == 1:
            number = (1, end + 1)
        if number is None:
            return None
        unit, after = self._finder.code(self._tokens, number[1])
        return self._moment(index, after, self._shifted(number[0], unit)) if unit in _UNITS else None

    def _numbered(self, index: int, end: int, number: int, *, ordinal: bool) -> Moment | None:
        """Reads what a number begins: "25 november", "25 tareekh", "do din baad", or a bare day when one was asked."""
        code, after = self._finder.code(self._tokens, end)
        if code == "dom":
            end = after
            code, after = self._finder.code(self._tokens, end)
            named = True
        else:
            named = False
        skipped = end + 1 if end < len(self._tokens) and self._tokens[end] == "of" else end
        if code[:1] != "m" and skipped != end:
            code, after = self._finder.code(self._tokens, skipped)
        if code[:1] == "m" and code[1:].isdigit() and 1 <= number <= 31:
            year, after = self._year(after)
            return self._moment(index, after, in_month(number, int(code[1:]), year, self._today, past=self._past))
        if named and 1 <= number <= 31:
            return self._moment(index, end, self._day_of_month(number))
        if code in _UNITS and not ordinal:
            if (counted := self._from_named(index, after, number, code)) is not None:
                return counted
            turn, ended = self._finder.code(self._tokens, after)
            if turn in ("later", "ago"):
                return self._moment(index, ended, self._shifted(-number if turn == "ago" else number, code))
            return None
        behind = index > 0 and self._finder.code(self._tokens, index - 1)[0] == "last"
        if code in _UNITS_AHEAD and not (ordinal or behind or self._past):
            return self._moment(index, after, self._shifted(number, _UNITS_AHEAD[code]))
        if ordinal and code in ("next", "this", "last"):
            unit, ended = self._finder.code(self._tokens, after)
            if unit == "months":
                return self._moment(index, ended, self._day_in_turned_month(number, code))
        begins = index > 0 and self._tokens[index - 1] in ("the", "on")
        alone = self._expected and end - index == len(self._tokens) and 1 <= number <= 31
        if (ordinal and begins and end == len(self._tokens)) or (ordinal and self._expected) or alone:
            return self._moment(index, end, self._day_of_month(number))
        return None

    def _month_first(self, index: int, end: int, month: int) -> Moment | None:
        """Reads "november 25", "november twenty fifth 2026"."""
        number = self._finder.ordinal(self._tokens, end) or self._finder.number(self._tokens, end)
        if number is not None and number[0] > 31:  # "fifteen" of "august fifteen thousand nine hundred ..." in Tamil
            number = self._finder.number(self._tokens[: end + 1], end)
        if number is None or not 1 <= number[0] <= 31:
            return None
        day, after = number
        if self._finder.code(self._tokens, after)[0] == "dom":
            after = self._finder.code(self._tokens, after)[1]
        year, after = self._year(after)
        return self._moment(index, after, in_month(day, month, year, self._today, past=self._past))

    def _turned(self, index: int, end: int, turn: str) -> Moment | None:
        """Reads what follows next, last or this: a weekday, a week, a month with a day in it."""
        code, after = self._finder.code(self._tokens, end)
        if code in _WEEKDAYS or code == "weekend":
            return self._weekday(index, after, code, turn)
        if code == "weeks" and turn != "this":
            day = self._today + timedelta(days=7 if turn == "next" else -7)
            named, ended = self._finder.code(self._tokens, after)
            if named not in _WEEKDAYS and after + 1 < len(self._tokens):
                named, ended = self._finder.code(self._tokens, after + 1)
            if named in _WEEKDAYS:
                day += timedelta(days=_WEEKDAYS.index(named) - day.weekday())
                after = ended
            return self._moment(index, after, day)
        if code == "eom":
            return self._moment(index, after, self._last_day(turn))
        if code == "months":
            return self._in_turned_month(index, after, turn)
        return None

    def _in_turned_month(self, index: int, end: int, turn: str) -> Moment:
        for start in (end, end + 1):
            ordinal = self._finder.ordinal(self._tokens, start)
            number = ordinal or self._finder.number(self._tokens, start)
            if number is None:
                continue
            code, after = self._finder.code(self._tokens, number[1])
            if code == "dom" or ordinal is not None:
                ended = after if code == "dom" else number[1]
                return self._moment(index, ended, self._day_in_turned_month(number[0], turn))
        return Moment(index, end, None)

    def _day_in_turned_month(self, day: int, turn: str) -> date | None:
        months = self._today.year * 12 + self._today.month - 1 + _TURNS[turn]
        return _day(months // 12, months % 12 + 1, day)

    def _last_day(self, turn: str) -> date:
        months = self._today.year * 12 + self._today.month - 1 + _TURNS[turn]
        year, month = months // 12, months % 12 + 1
        return date(year, month, calendar.monthrange(year, month)[1])

    def _weekday(self, index: int, end: int, code: str, turn: str = "") -> Moment:
        wanted = 5 if code == "weekend" else _WEEKDAYS.index(code)
        ahead = (wanted - self._today.weekday()) % 7
        if turn == "next":
            monday = self._today + timedelta(days=7 - self._today.weekday())
            return self._moment(index, end, monday + timedelta(days=wanted))
        if turn == "last" or (self._past and not turn):
            return self._moment(index, end, self._today - timedelta(days=(7 - ahead) % 7 or 7))
        return self._moment(index, end, self._today + timedelta(days=ahead or (0 if turn == "this" else 7)))

    def _relative(self, code: str) -> date:
        days = int(code[1:].removeprefix("~"))
        return self._today + timedelta(days=-days if self._past and "~" in code else days)

    def _shifted(self, number: int, unit: str) -> date | None:
        if unit == "months":
            months = self._today.year * 12 + self._today.month - 1 + number
            last = calendar.monthrange(months // 12, months % 12 + 1)[1] if 12_000 < months < 36_000 else 0
            return _day(months // 12, months % 12 + 1, min(self._today.day, last)) if last else None
        days = number * (7 if unit == "weeks" else 1)
        return self._today + timedelta(days=days) if abs(days) <= _FURTHEST_DAYS else None

    def _day_of_month(self, number: int) -> date | None:
        month = self._today.year * 12 + self._today.month - 1
        for step in range(0, -3, -1) if self._past else range(3):
            found = _day((month + step) // 12, (month + step) % 12 + 1, number)
            if found is not None and (found <= self._today if self._past else found >= self._today):
                return found
        return None

    def _year(self, index: int) -> tuple[int | None, int]:
        """Reads a year: "1990", "unnees sau nabbe", and "nineteen ninety" in two numbers."""
        number = self._finder.number(self._tokens, index)
        if number is None:
            return None, index
        year, end = number
        rest = self._finder.number(self._tokens, end) if year in (19, 20) else None
        if rest is not None and 10 <= rest[0] <= 99:
            year, end = year * 100 + rest[0], rest[1]
        return (year, end) if self._first_year <= year <= _LAST_YEAR else (None, index)

    def _moment(self, start: int, end: int, day: date | None) -> Moment:
        return Moment(start, end, day.isoformat() if day is not None else None)
