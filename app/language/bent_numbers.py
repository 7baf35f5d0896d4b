"""Number words bent by a pack's own cases, as it says days and hours: what the agent speaks, callers say too.

"அஞ்சு" in the case of `date_format` is "அஞ்சாம்", the fifth; in that of `time_formats.half` it is "அஞ்சரை", five and a half.
"""

import re
from collections.abc import Iterator
from fractions import Fraction

from app.language.normalise import words_of
from app.language.packs import Pack
from app.language.render import inflect

_PARTS = {"quarter": Fraction(1, 4), "half": Fraction(1, 2), "three_quarters": Fraction(3, 4)}
_LAST_DAY, _LAST_HOUR = 31, 12


def ordinals(pack: Pack) -> dict[tuple[str, ...], int]:
    """Returns the words for days of the month (1 to 31) where `date_format` bends them; else nothing."""
    case = _case_of(pack.formats.date, "day")
    return dict(_bent(pack, case, _LAST_DAY)) if case else {}


def hours_and_parts(pack: Pack) -> dict[tuple[str, ...], Fraction]:
    """Returns the words for an hour (1 to 12) and a quarter, half or three quarters, where `time_formats` bend it."""
    found: dict[tuple[str, ...], Fraction] = {}
    for kind, part in _PARTS.items():
        case = _case_of(pack.formats.times.get(kind, ""), "hour")
        for words, hour in _bent(pack, case, _LAST_HOUR) if case else ():
            found.setdefault(words, hour + part)
    return found


def _case_of(text: str, slot: str) -> str:
    match = re.search(rf"\{{{slot}:(\w+)\}}", text)
    return match[1] if match else ""


def _bent(pack: Pack, case: str, most: int) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yields each number word, 1 to `most`, in a case, and its value; what a case leaves as it is stays out."""
    known = {**{word: int(value) for word, value in pack.digit_words.items()}, **pack.number_words}
    for word, value in known.items():
        bent = inflect(pack, case, word)
        if 1 <= value <= most and bent != word and "-" not in bent:
            yield tuple(words_of(bent)), value
