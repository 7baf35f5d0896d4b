"""Whether two words in different scripts are the same word: "order" and "ऑर्डर" are; `measures` needs it for T-WER."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from unicodedata import lookup

from indic_transliteration import sanscript

from app.language.scripts import LATIN, script_of_word

_SCHEMES = {
    "Deva": sanscript.DEVANAGARI, "Taml": sanscript.TAMIL, "Telu": sanscript.TELUGU, "Knda": sanscript.KANNADA,
    "Mlym": sanscript.MALAYALAM, "Beng": sanscript.BENGALI, "Gujr": sanscript.GUJARATI, "Guru": sanscript.GURMUKHI,
    "Orya": sanscript.ORIYA,
}  # fmt: skip
_ENGLISH = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"[ts]ion", "sn"), (r"tch|ch|sh", "s"), (r"c(?=[eiy])", "s"), (r"d?ge$", "s"), (r"ck|c|q", "k"),
        (r"x", "ks"), (r"^kn", "n"), (r"^wr", "r"), (r"igh", "i"),
    )
)  # fmt: skip
_CLASSES = str.maketrans({
    "g": "k", "d": "t", "b": "p", "f": "p", "j": "s", "z": "s", "c": "s", "w": "v", "m": "n", "~": None, "y": None,
    "h": None,
})  # fmt: skip
_TAMIL_N = str.maketrans(lookup("TAMIL LETTER NNNA"), lookup("TAMIL LETTER NA"))
_SHORTEST = 2


@lru_cache(maxsize=65_536)
def _consonants(word: str) -> str:
    """Returns the consonants of a word in classes of sound, an opening vowel as `a`; "" where there are none."""
    script = script_of_word(word)
    if script == LATIN:
        latin = word
        for pattern, sound in _ENGLISH:
            latin = pattern.sub(sound, latin)
    elif script in _SCHEMES:
        written = sanscript.transliterate(word.translate(_TAMIL_N), _SCHEMES[script], sanscript.ITRANS)
        latin = unicodedata.normalize("NFD", written.replace("x", "ksh")).lower()
    else:
        return ""
    opens_with_vowel = not latin[:1].isascii() or latin[:1] in "aeiou"
    letters = "".join(c for c in latin if c.isascii() and c.isalpha() and c not in "aeiou").translate(_CLASSES)
    merged = re.sub(r"(.)\1+", r"\1", letters)
    return ("a" if opens_with_vowel else "") + merged


def is_same_word(one: str, other: str) -> bool:
    """Tells whether two normalised words are one word: equal, or alike in their consonants and in different scripts.

    A rule-based reading of "transliteration-optimised WER": an English word counts as right in either script. Words
    in the same script must be equal, so that spelling errors stay errors.

    Source: Emond et al., "Transliteration based approaches to improve code-switched speech recognition performance",
    IEEE SLT 2018 (there with a learnt transliterator).
    """
    if one == other:
        return True
    scripts = {script_of_word(one), script_of_word(other)}
    if len(scripts) != 2 or LATIN not in scripts or None in scripts:
        return False
    key = _consonants(one)
    return len(key) >= _SHORTEST and key == _consonants(other)
