"""Numbers, dates, times and places as the agent says them; and `number_parsing`, by which it understands numbers."""

from datetime import date, time

from app.errors import PackError
from app.language.number_parsing import parse_amount, parse_digits, parse_number
from app.language.number_words import LARGEST_SPOKEN, cardinal, has_number_engine
from app.language.packs import Pack
from app.language.render import fill
from app.language.scripts import LATIN, script_of_word

__all__ = [
    "has_number_engine", "parse_amount", "parse_digits", "parse_number", "spoken_amount", "spoken_city", "spoken_date",
    "spoken_digits", "spoken_number", "spoken_time",
]  # fmt: skip

_QUARTERS = {15: "quarter", 30: "half", 45: "three_quarters"}


def spoken_digits(pack: Pack, digits: str) -> str:
    """Returns each digit as a word ("4512" -> "four five one two"); letters are spelt, other signs left out.

    Args:
        pack: The language to speak.
        digits: An order id or phone number.

    Raises:
        PackError: The pack has no ten digit names.
    """
    names = pack.formats.digit_names
    if len(names) != 10:
        raise PackError(f"{pack.tag}/lexicon.yaml: digit_names: holds {len(names)} entries; exactly 10 needed")
    return " ".join(names[int(char)] if char.isdecimal() else char.upper() for char in digits if char.isalnum())


def spoken_number(pack: Pack, number: int) -> str:
    """Returns a cardinal in words, in lakhs and crores; as numerals where the language has no number engine.

    Args:
        pack: The language to speak.
        number: 0 up to 999,999,999.

    Raises:
        ValueError: The number is negative or larger.
    """
    if not 0 <= number <= LARGEST_SPOKEN:
        raise ValueError(f"{number} cannot be spoken: give 0 to {LARGEST_SPOKEN}")
    if not has_number_engine(pack.manifest.numbers):
        return str(number)
    return " ".join(cardinal(pack.manifest.numbers, number))


def spoken_amount(pack: Pack, rupees: int, paise: int = 0) -> str:
    """Returns an amount of money in words; paise only where there are any and the pack can say them.

    Args:
        pack: The language to speak.
        rupees: 0 up to 999,999,999.
        paise: 0 to 99.

    Raises:
        ValueError: The amount is out of these bounds.
    """
    if not 0 <= paise <= 99:
        raise ValueError(f"{paise} paise cannot be spoken: give 0 to 99")
    formats = pack.formats
    number = spoken_number(pack, rupees)
    if paise and formats.paise:
        return fill(pack, formats.paise, {"number": number, "paise": spoken_number(pack, paise)})
    if rupees == 1 and formats.one:
        return formats.one
    return fill(pack, formats.amount, {"number": number})


def spoken_date(pack: Pack, day: date, today: date | None = None) -> str:
    """Returns a date in words, without its year.

    Args:
        pack: The language to speak.
        day: The date.
        today: When given, today and tomorrow are said so.
    """
    if today is not None and (day - today).days in (0, 1):
        for word, offset in pack.lexicon.relative_days.items():
            if offset == (day - today).days:
                return word
    month = pack.formats.months[day.month - 1]
    return fill(pack, pack.formats.date, {"day": spoken_number(pack, day.day), "month": month})


def spoken_time(pack: Pack, at: time) -> str:
    """Returns a time of day in words, with its part of the day ("शाम साढ़े पाँच बजे"); seconds are left out.

    Args:
        pack: The language to speak.
        at: The time, 24 hours.
    """
    times = pack.formats.times
    hours = sorted(pack.formats.day_parts)
    own = [hour for hour in hours if hour <= at.hour] or hours[-1:]
    slots = {
        "hour": spoken_number(pack, (at.hour - 1) % 12 + 1),
        "next": spoken_number(pack, at.hour % 12 + 1),
        "minute": spoken_number(pack, at.minute),
        "part": pack.formats.day_parts[own[-1]],
    }
    kind = "whole" if at.minute == 0 else _QUARTERS.get(at.minute, "minutes")
    if kind not in times or (0 < at.minute < 10 and "minutes_below_ten" in times):
        kind = "minutes_below_ten" if 0 < at.minute < 10 and "minutes_below_ten" in times else "minutes"
    return fill(pack, times.get(f"{at.hour}:{at.minute:02}", times[kind]), slots)


def spoken_city(pack: Pack, name: str) -> str:
    """Returns a city as the pack's speakers call it, in the pack's own script; the name itself where that is unknown.

    Args:
        pack: The language to speak.
        name: The city's English name.
    """
    wanted = name.casefold().strip()
    scripts = set(pack.manifest.scripts) - {LATIN}
    for words, english in pack.vocabulary.cities.items():
        if english.casefold() == wanted and {script_of_word(word) for word in words} <= scripts:
            return " ".join(words)
    return name
