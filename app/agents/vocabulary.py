"""The words a business uses: checked where they come in, given to the recogniser with every utterance."""

import unicodedata
from typing import Final

MOST_PHRASES: Final = 500
_SHORTEST: Final = 2
_LONGEST: Final = 60
_MOST_DIGITS: Final = 16
_INSIDE_WORDS: Final = frozenset(" -'’&.")
DIGIT: Final = "#"


def phrase(text: str) -> str:
    """Returns a phrase of an agent's vocabulary in its stored form: Unicode NFC, single spaces.

    A phrase is a word or a few ("Zenfone", "காஞ்சி பட்டு"), or the format of an order id, a `#` for each digit
    ("AB-####").

    Raises:
        ValueError: It can be no phrase; the message says what to write instead.
    """
    clean = unicodedata.normalize("NFC", " ".join(text.split()))
    if not _SHORTEST <= len(clean) <= _LONGEST:
        raise ValueError(f"must have {_SHORTEST} to {_LONGEST} characters; give names and formats, not sentences")
    if any(char.isdecimal() for char in clean):
        raise ValueError('holds figures: write numbers as they are said ("iphone fifteen"), or # for any digit')
    odd = next((char for char in clean if not _may_stand(char)), None)
    if odd is not None:
        raise ValueError(f"holds {odd!r}: write letters, spaces, - ' & . and # for a digit")
    if DIGIT in clean:
        _check_format(clean)
    elif sum(unicodedata.category(char)[0] == "L" for char in clean) < _SHORTEST:
        raise ValueError("must hold at least two letters")
    return clean


def _may_stand(char: str) -> bool:
    return char in _INSIDE_WORDS or char == DIGIT or unicodedata.category(char)[0] in "LM"


def _check_format(text: str) -> None:
    tail = text[text.index(DIGIT) :]
    if any(char not in "# -." for char in tail):
        raise ValueError('has letters after a digit: a format is letters, then digits ("AB-####"), or digits alone')
    if text.count(DIGIT) > _MOST_DIGITS:
        raise ValueError(f"has more than {_MOST_DIGITS} digits")


def phrases(texts: list[str]) -> tuple[str, ...]:
    """Returns the phrases without repetitions, whatever their case; the first spelling stays."""
    kept: dict[str, str] = {}
    for text in texts:
        kept.setdefault(text.casefold(), text)
    return tuple(kept.values())
