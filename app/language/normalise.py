"""One spelling for one text: Unicode form, Indic letter variants, spaces; runs before identification."""

import re
import unicodedata
from functools import lru_cache
from typing import Any

from indicnlp.normalize.indic_normalize import IndicNormalizerFactory

from app.language.scripts import RULES_OF_SCRIPT, script_of_letter

_INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad\u202a-\u202e]")
_SPACES = re.compile(r"\s+")
_WORD_PART = "'-&"
_QUOTES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u00a0": " "})
_PIPE = "\ue000"
# Vowels that were typed in parts, which look right but are other letters; neither NFC nor indicnlp joins them.
_TYPED_APART = {
    "\u0905\u093e\u0947": "\u0913", "\u0905\u093e\u0948": "\u0914",
    "\u093e\u0947": "\u094b", "\u093e\u0948": "\u094c", "\u0905\u093e": "\u0906", "\u0906\u0947": "\u0913",
    "\u0905\u094b": "\u0913", "\u0906\u0948": "\u0914", "\u0905\u094c": "\u0914", "\u0905\u0949": "\u0911",
    "\u0b85\u0bbe": "\u0b86", "\u0c12\u0c4c": "\u0c14",
}  # fmt: skip
_APART = re.compile("|".join(_TYPED_APART))


def normalise(text: str) -> str:
    """Returns the text in NFC, with one spelling per Indic letter, plain quotes and single spaces.

    A `|` stays as it is (the Devanagari normaliser would make it a danda, which is right in prose but not in
    identifiers and links). Case and punctuation are kept; `words_of` drops them.

    Args:
        text: Any text.
    """
    clean = _SPACES.sub(" ", _INVISIBLE.sub("", text).translate(_QUOTES)).strip()
    if clean.isascii():
        return clean
    clean = unicodedata.normalize("NFC", clean)
    scripts = {script_of_letter(char) for char in set(clean) if ord(char) >= 0x0900}
    if not scripts & RULES_OF_SCRIPT.keys():
        return clean
    guarded = _APART.sub(lambda match: _TYPED_APART[match[0]], clean.replace("|", _PIPE))
    for script in sorted(scripts & RULES_OF_SCRIPT.keys(), key=str):
        guarded = _normaliser(str(script)).normalize(guarded)
    return unicodedata.normalize("NFC", _SPACES.sub(" ", guarded.replace(_PIPE, "|")).strip())


def words_of(text: str) -> list[str]:
    """Returns the lower-case words of a text: letters with their marks, digits, and ' - & inside a word."""
    return split_words(normalise(text))


def split_words(normalised: str) -> list[str]:
    """Returns the lower-case words of a text that is normalised, or written with care."""
    runs = normalised.lower().translate(_LETTERS).split()
    return [word for run in runs if (word := run.strip(_WORD_PART))]


class _Letters(dict[int, str]):
    """What `str.translate` makes of each character: itself where it may stand in a word, else a space."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        self[code] = char if unicodedata.category(char)[0] in "LMN" or char in _WORD_PART else " "
        return self[code]


_LETTERS = _Letters()


@lru_cache(maxsize=16)
def _normaliser(script: str) -> Any:
    return IndicNormalizerFactory().get_normalizer(RULES_OF_SCRIPT[script])
