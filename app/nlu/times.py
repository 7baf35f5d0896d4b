"""Times of day in an utterance ("shaam saadhe paanch baje", "half past six"): words beside the 24-hour time."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction

from app.language.number_parsing import number_at
from app.language.packs import Pack
from app.nlu.bare_hours import BareHours
from app.nlu.dates import Moment
from app.nlu.phrases import Phrases

_WRITTEN = re.compile(r"(?<![\d:])([01]?\d|2[0-3])[:.]([0-5]\d)(?![\d:])(?:\s*([ap])\.?\s?m\b\.?)?", re.IGNORECASE)
_PARTS = ("morning", "noon", "afternoon", "evening", "night", "midnight", "am", "pm")
_EXACT = {"noon": "12:00", "midnight": "00:00"}
_EARLIEST_BARE_HOUR = 8  # "at seven" without a part of the day is the evening, "at eight" the morning
_FURTHEST_MINUTES = 48 * 60


class TimeFinder:
    """Finds times by the words of all packs; the first pack's are right where they disagree."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        self._packs = tuple(packs)
        self._phrases = Phrases([p.vocabulary.clock for p in packs])
        self._bare = BareHours(self._packs)

    def find(
        self, tokens: list[str], now: datetime, *, expected: bool, dated: bool = False, bare: bool = False
    ) -> list[Moment]:
        """Returns the times named, in order, none overlapping.

        Args:
            tokens: What `tokens_of` returned, dates blanked out.
            now: The caller's local time, for "in two hours".
            expected: Whether a time was asked for: then a bare number is an hour.
            dated: Whether a date was named: then a bare "five and a half" is an hour too.
            bare: Whether nothing else was asked for: then "around four" and a lone "eleven forty five" are times too.
        """
        found: list[Moment] = []
        index = 0
        while index < len(tokens):
            moment = self._at(tokens, index, now, expected, dated) or (self._unmarked(tokens, index) if bare else None)
            if moment is None:
                index += 1
            else:
                found.append(moment)
                index = moment.end
        return found or self._part_alone(tokens)

    def part_of_day(self, tokens: list[str]) -> str:
        """Returns the part of the day that is named first, "" when none is."""
        return next((code for i in range(len(tokens)) if (code := self._code(tokens, i)[0]) in _PARTS), "")

    def _code(self, tokens: list[str], index: int) -> tuple[str, int]:
        if index >= len(tokens):
            return "", index
        return self._phrases.at(tokens, index) or ("", index)

    def _number(self, tokens: list[str], index: int) -> tuple[Fraction, int] | None:
        return number_at(tokens, index, self._packs) if index < len(tokens) else None

    def _at(self, tokens: list[str], index: int, now: datetime, expected: bool, dated: bool) -> Moment | None:
        code, end = self._code(tokens, index)
        if code in ("half", "quarter"):
            return self._fraction_first(tokens, index, end, code, now)
        if code[:1] in ("h", "q") and code[1:].replace(".", "").isdigit():
            return self._timed(tokens, index, end, Fraction(code[1:]))
        if code in _PARTS and (follows := self._part_first(tokens, index, end)) is not None:
            return follows
        number = self._number(tokens, index)
        if number is None:
            return None
        value, after = number
        next_code, next_end = self._code(tokens, after)
        if next_code == "short" and value <= 12 and (left := self._minutes_behind(tokens, next_end))[0]:
            return self._timed(tokens, index, left[1], value - left[0])
        if next_code in ("hours", "hour", "minute") and (
            ahead := self._ahead(tokens, index, value, next_code, next_end, now)
        ):
            return ahead
        if next_code in ("past", "to") and value.denominator == 1 and value < 60:
            return self._minutes_first(tokens, index, next_end, int(value), next_code)
        if next_code == "minute":
            return self._minutes_then_hour(tokens, index, next_end, int(value))
        if value > 24 or value < 0:
            return None
        if next_code == "hour":
            minutes = self._minutes_behind(tokens, next_end)
            return self._timed(tokens, index, minutes[1], value + minutes[0])
        minute = self._number(tokens, after) if value.denominator == 1 else None
        if minute is not None and minute[0].denominator == 1 and 0 < minute[0] < 60 and minute[0] % 5 == 0:
            behind, behind_end = self._near(tokens, minute[1])
            if behind in ("hour", *_PARTS) or (expected and minute[1] == len(tokens)):
                stop = behind_end if behind else minute[1]
                return self._timed(tokens, index, stop, value + minute[0] / 60, behind)
        near_code, near_end = self._near(tokens, after)
        if near_code in _PARTS and 1 <= value <= 12:
            return self._timed(tokens, index, near_end, value, near_code)
        if value.denominator in (2, 4) and 1 <= value < 13 and (expected or dated):
            return self._timed(tokens, index, after, value)
        if expected and 1 <= value <= 24 and (after == len(tokens) or index == 0):
            return self._timed(tokens, index, after, value)
        return None

    def _unmarked(self, tokens: list[str], index: int) -> Moment | None:
        """Reads "around four", "chaar ke aaspaas", and an hour with minutes or a quarter that is all that is said."""
        if self._number(tokens, index) is None or (index and self._number(tokens, index - 1) is not None):
            return None
        before = next(
            (start for start in range(max(0, index - 3), index) if self._code(tokens, start) == ("about>", index)), None
        )
        start = index if before is None else before
        if start != index and start and self._number(tokens, start - 1) is not None:  # "one by one"
            return None
        read = self._bare.at(tokens, index)
        if read is None:
            return None
        hour, end, parted = read
        behind, behind_end = self._code(tokens, end)
        if behind == "<about":
            return self._timed(tokens, start, behind_end, hour)
        if before is None and not (parted and index == 0):
            return None
        return self._timed(tokens, start, end, hour) if self._bare.ends(tokens, end) else None

    def _near(self, tokens: list[str], index: int) -> tuple[str, int]:
        """Returns the hour mark or part of the day at a token, or behind one or two short words ("in the evening")."""
        for start in range(index, min(index + 3, len(tokens))):
            code, end = self._code(tokens, start)
            if code in _PARTS or (code == "hour" and start == index):
                return code, end
            if len(tokens[start]) > 3 or self._number(tokens, start) is not None:
                break
        return "", index

    def _part_first(self, tokens: list[str], index: int, end: int) -> Moment | None:
        """Reads "evening five", "saayangaalam anju mani": a part of the day with a number right behind it."""
        part = self._code(tokens, index)[0]
        for start in (end, end + 1, end + 2):
            if start > end and (start - 1 >= len(tokens) or len(tokens[start - 1]) > 4):
                return None
            if (number := self._number(tokens, start)) is None:
                if self._code(tokens, start)[0] in ("half", "quarter"):
                    return None
                continue
            value, after = number
            code, code_end = self._code(tokens, after)
            if code == "hour" and value <= 24:
                minutes = self._minutes_behind(tokens, code_end)
                return self._timed(tokens, index, minutes[1], value + minutes[0], part)
            minute = self._number(tokens, after) if value.denominator == 1 else None
            if minute is not None and minute[0] in range(5, 60, 5) and value <= 12:
                behind, behind_end = self._code(tokens, minute[1])
                stop = behind_end if behind == "hour" else minute[1]
                return self._timed(tokens, index, stop, value + minute[0] / 60, part)
            lone = after == len(tokens) or len(tokens[after]) <= 4
            if 1 <= value <= 12 and (lone or value.denominator != 1) and code not in ("minute", "hours", "past", "to"):
                return self._timed(tokens, index, after, value, part)
            return None
        return None

    def _fraction_first(self, tokens: list[str], index: int, end: int, code: str, now: datetime) -> Moment | None:
        """Reads "half past five", "quarter to six", "half an hour later"."""
        turn, after = self._code(tokens, end)
        part = Fraction(1, 2) if code == "half" else Fraction(1, 4)
        number = self._number(tokens, after) or self._named_hour(tokens, after)
        if turn in ("past", "to") and number is not None and number[0] <= 12:
            return self._timed(tokens, index, number[1], number[0] + (part if turn == "past" else -part))
        for start in (end, end + 1):
            if self._code(tokens, start)[0] in ("hours", "hour"):
                unit, unit_end = self._code(tokens, start)
                return self._ahead(tokens, index, part, unit, unit_end, now)
        number = self._number(tokens, end)
        if code == "half" and number is not None and number[0] <= 12 and self._code(tokens, number[1])[0] == "hour":
            return self._timed(tokens, index, self._code(tokens, number[1])[1], number[0] + part)
        return None

    def _named_hour(self, tokens: list[str], index: int) -> tuple[Fraction, int] | None:
        """Returns the hour that one word names ("aarintiki") and where it ends."""
        code, end = self._code(tokens, index)
        return (Fraction(code[1:]), end) if code[:1] == "h" and code[1:].isdigit() else None

    def _minutes_first(self, tokens: list[str], index: int, end: int, minutes: int, turn: str) -> Moment | None:
        """Reads "ten to six"."""
        hour = self._number(tokens, end)
        if hour is None or hour[0].denominator != 1 or hour[0] > 12:
            return None
        shift = Fraction(minutes if turn == "past" else -minutes, 60)
        return self._timed(tokens, index, hour[1], hour[0] + shift)

    def _minutes_then_hour(self, tokens: list[str], index: int, end: int, minutes: int) -> Moment | None:
        turn, after = self._code(tokens, end)
        return self._minutes_first(tokens, index, after, minutes, turn) if turn in ("past", "to") else None

    def _minutes_behind(self, tokens: list[str], index: int) -> tuple[Fraction, int]:
        """Returns the minutes behind an hour as a share of it ("paanch baj kar das minute"), and where they end."""
        for start in (index, index + 1):
            number = self._number(tokens, start)
            if number is not None and number[0] in range(1, 60):
                code, end = self._code(tokens, number[1])
                if code == "minute":
                    return number[0] / 60, end
        return Fraction(0), index

    def _ahead(
        self, tokens: list[str], index: int, value: Fraction, unit: str, end: int, now: datetime
    ) -> Moment | None:
        """Reads "do ghante baad", "in two hours"."""
        turn, after = self._code(tokens, end)
        before = self._code(tokens, index - 1)[0] if index else ""
        if turn != "later" and not (turn == "within" and unit != "hour") and before != "within":
            return None
        minutes = int(value * (1 if unit == "minute" else 60))
        if minutes > _FURTHEST_MINUTES:
            return None
        moment = now + timedelta(minutes=minutes)
        start = index - 1 if before == "within" else index
        return Moment(start, after if turn in ("later", "within") else end, f"{moment:%H:%M}")

    def _part_alone(self, tokens: list[str]) -> list[Moment]:
        for index in range(len(tokens)):
            code, end = self._code(tokens, index)
            if code in _PARTS and code not in ("am", "pm"):
                return [Moment(index, end, _EXACT.get(code))]
        return []

    def _timed(self, tokens: list[str], start: int, end: int, hour: Fraction, part: str = "") -> Moment | None:
        """Returns the time with the part of the day that stands beside it, or anywhere in the utterance."""
        if part in ("", "hour"):
            behind, behind_end = self._near(tokens, end)
            before = next((i for i in (start - 1, start - 2) if i >= 0 and self._code(tokens, i)[0] in _PARTS), None)
            if behind in _PARTS:
                part, end = behind, behind_end
            elif before is not None:
                part, start = self._code(tokens, before)[0], before
            else:
                part = self.part_of_day(tokens)
        resolved = clock_time(hour, part)
        return Moment(start, end, resolved) if resolved is not None else None


def written_times(text: str) -> list[tuple[int, int, int, int, str]]:
    """Returns (start, end, hour, minute, "am"/"pm"/"") of times written like 5:30 or 5:30 pm; "5.30" needs am or pm."""
    return [
        (m.start(), m.end(), int(m[1]), int(m[2]), f"{m[3].lower()}m" if m[3] else "")
        for m in _WRITTEN.finditer(text)
        if m[3] or ":" in m[0]
    ]


def clock_time(hour: Fraction, part: str) -> str | None:
    """Returns HH:MM of an hour and a part of the day; without one the usual hours of business are meant.

    Args:
        hour: 0 to 24, with its fraction: 11/2 is half past five.
        part: morning, noon, afternoon, evening, night, midnight, am, pm or "".
    """
    minutes = round(hour * 60)
    whole = minutes // 60
    if not 0 <= minutes <= 24 * 60:
        return None
    if minutes < 13 * 60:
        twelve = whole % 12
        match part:
            case "am" | "morning":
                minutes = twelve * 60 + minutes % 60 if part == "am" or whole != 12 else minutes
            case "midnight":
                minutes = twelve * 60 + minutes % 60
            case "night":
                minutes = (twelve + (0 if whole == 12 or whole < 5 else 12)) * 60 + minutes % 60
            case "noon" | "afternoon":
                minutes = minutes if whole in (10, 11, 12) else minutes + 12 * 60
            case "pm" | "evening":
                minutes = minutes if whole == 12 else minutes + 12 * 60
            case _:
                minutes += 12 * 60 if whole < _EARLIEST_BARE_HOUR and minutes else 0
    minutes %= 24 * 60
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
