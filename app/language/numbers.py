"""Numbers and dates as the agent says them, and, from `number_parsing`, as it understands them."""

from datetime import date

from app.errors import PackError
from app.language.number_parsing import parse_amount, parse_digits, parse_number
from app.language.number_words import LARGEST_SPOKEN, cardinal, has_number_engine
from app.language.packs import Pack

__all__ = [
    "has_number_engine", "parse_amount", "parse_digits", "parse_number", "spoken_amount", "spoken_date",
    "spoken_digits", "spoken_number",
]  # fmt: skip


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


def spoken_amount(pack: Pack, rupees: int) -> str:
    """Returns an amount in whole rupees in words.

    Raises:
        ValueError: The amount is negative or above 999,999,999.
    """
    return pack.formats.amount.replace("{number}", spoken_number(pack, rupees))


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
    return pack.formats.date.replace("{day}", spoken_number(pack, day.day)).replace("{month}", month)
