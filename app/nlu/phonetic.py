"""Sound keys of words, the same for native script and chat spelling, so that both train one classifier.

The keys stand between the recognised text and `features`: "ऑर्डर कहाँ", "order kahan" and "order kaha" come out alike.
Letters are read by their Unicode names, hence any Brahmic script works without a table of its own.
"""

import re
import unicodedata
from functools import lru_cache

from app.language.normalise import words_of as normalised_words

_VOWELS = {
    "A": "a",
    "AA": "a",
    "I": "i",
    "II": "i",
    "U": "u",
    "UU": "u",
    "E": "e",
    "EE": "e",
    "O": "o",
    "OO": "o",
    "AI": "e",
    "AU": "o",
    "VOCALIC R": "ri",
    "CANDRA E": "e",
    "CANDRA O": "o",
    "SHORT E": "e",
    "SHORT O": "o",
}
_SIGNS = {"ANUSVARA": "n", "CANDRABINDU": "n", "BINDI": "n", "TIPPI": "n", "VISARGA": "h"}
_VIRAMAS = ("VIRAMA", "HALANT")
_CONSONANTS = {"llla": "l", "ca": "ch", "cha": "ch", "nya": "n"}

_LATIN_RULES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"zh", "l"),
        (r"ch+", "C"),
        (r"c(?=[eiy])", "s"),
        (r"ck?|q", "k"),
        (r"C", "s"),
        (r"x", "ks"),
        (r"ph|f", "p"),
        (r"w", "v"),
        (r"z", "j"),
        (r"a[ie]|[ae]y(?![aeiou])|ei", "e"),
        (r"a[uw]|o[uw]", "o"),
        (r"oo", "u"),
        (r"ee", "i"),
    )
)
_VOICED = str.maketrans("gdbj", "ktps")
_ASPIRATION = re.compile(r"(?<=[kctpsnlrmvy])h")
_REPEATED = re.compile(r"(.)\1+")
_GLIDE = re.compile(r"(?<=i)y(?=[aeiou])")
_NASAL = re.compile(r"m(?=p|$)")
_BURST = re.compile(r"ntr")
_SCHWA_REVERSED = re.compile(r"([aeiou][^aeiou])a(?=[^aeiou][aeiou])")
_JOINTS = re.compile(r"[-&]")
_NOT_SOUND = re.compile(r"[^a-z0-9]")


def words_of(text: str) -> list[str]:
    """Returns the lower-case normalised words of a text; hyphenated words come apart, apostrophes go."""
    return [part for word in normalised_words(text) for part in _JOINTS.split(word.replace("'", "")) if part]


@lru_cache(maxsize=65_536)
def sound_key(word: str) -> str:
    """Returns the sound key of one lower-case word: Latin letters, "" when nothing sounds.

    Voicing, aspiration, vowel length and doubling are dropped: they are what chat spelling and noisy recognition
    disagree on, and what Tamil script does not write.
    """
    latin = _romanise(word)
    for pattern, replacement in _LATIN_RULES:
        latin = pattern.sub(replacement, latin)
    latin = _NOT_SOUND.sub("", latin).translate(_VOICED)
    latin = _REPEATED.sub(r"\1", _ASPIRATION.sub("", latin))
    latin = _BURST.sub("nr", _NASAL.sub("n", _GLIDE.sub("", latin)))
    latin = _SCHWA_REVERSED.sub(r"\1", latin[::-1])[::-1]
    return latin[:-1] if len(latin) > 2 and latin.endswith("a") else latin


@lru_cache(maxsize=65_536)
def skeleton(key: str) -> str:
    """Returns the consonants of a sound key; an opening vowel counts as `a`."""
    if not key:
        return ""
    first = "a" if key[0] in "aeiou" else key[0]
    return first + re.sub(r"[aeiouyh]", "", key[1:])


@lru_cache(maxsize=4096)
def _letter(char: str) -> tuple[str, str]:
    """Returns (kind, sound) of a character: consonant, vowel, sign (dependent vowel), mark, virama or other."""
    if char.isascii():
        return "other", char
    if char.isdigit():
        return "other", str(unicodedata.digit(char))
    name = unicodedata.name(char, "")
    _, letter, rest = name.partition(" LETTER ")
    if letter:
        if rest in _VOWELS:
            return "vowel", _VOWELS[rest]
        stem = rest.split(" ")[-1].lower()
        return "consonant", _CONSONANTS.get(stem, stem.removesuffix("a"))
    _, vowel, rest = name.partition(" VOWEL SIGN ")
    if vowel:
        return "sign", _VOWELS.get(rest, "")
    _, sign, rest = name.partition(" SIGN ")
    if sign and rest in _VIRAMAS:
        return "virama", ""
    return ("mark", _SIGNS.get(rest, "")) if sign else ("other", char)


def _romanise(word: str) -> str:
    out: list[str] = []
    inherent = False
    for char in word:
        kind, sound = _letter(char)
        if inherent and kind in ("consonant", "vowel", "other", "mark") and (kind != "mark" or sound):
            out.append("a")
            inherent = False
        if kind in ("sign", "virama"):
            inherent = False
        out.append(sound)
        if kind == "consonant":
            inherent = True
    if inherent:
        out.append("a")
    return "".join(out)
