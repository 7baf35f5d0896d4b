"""Native script into Latin letters, roughly as people type them in chats; `wordmodel` learns from it how words look.

Letters are read by their Unicode names, so that any Brahmic script works without a table of its own.
"""

import unicodedata
from functools import lru_cache

_VOWELS = {
    "A": "a", "AA": "a", "I": "i", "II": "i", "U": "u", "UU": "u", "E": "e", "EE": "e", "O": "o", "OO": "o", "AI": "ai",
    "AU": "au", "VOCALIC R": "ri", "CANDRA E": "e", "CANDRA O": "o", "SHORT E": "e", "SHORT O": "o",
}  # fmt: skip
_CONSONANTS = {
    "CA": "ch", "CHA": "ch", "SSA": "sh", "TTA": "t", "TTHA": "th", "DDA": "d", "DDHA": "dh", "NNA": "n", "NNNA": "n",
    "LLA": "l", "LLLA": "zh", "RRA": "r", "NYA": "n", "DDDHA": "d", "RHA": "d", "YYA": "y",
}  # fmt: skip
_SIGNS = {"ANUSVARA": "n", "CANDRABINDU": "n", "BINDI": "n", "TIPPI": "n", "VISARGA": "h"}


def latin_key(word: str) -> str:
    """Returns a word in Latin letters, lower case; letters of other than Brahmic scripts stay as they are."""
    out: list[str] = []
    open_consonant = False
    for char in word.lower():
        kind, sound = _letter(char)
        if kind == "virama":
            open_consonant = False
        elif kind == "sign":
            out.append(sound)
            open_consonant = False
        elif kind != "none":
            out += ["a", sound] if open_consonant else [sound]
            open_consonant = kind == "consonant"
    if open_consonant and len(out) < 2:
        out.append("a")
    return "".join(out)


@lru_cache(maxsize=2048)
def _letter(char: str) -> tuple[str, str]:
    """Returns (kind, sound): kind is consonant, vowel, sign (dependent vowel), mark, virama, other or none."""
    if ord(char) < 0x0900:
        return "other", char
    name = unicodedata.name(char, "")
    _, _, tail = name.partition(" ")
    if "VIRAMA" in tail or "HALANT" in tail or "PULLI" in tail:
        return "virama", ""
    if tail.startswith("VOWEL SIGN "):
        return "sign", _VOWELS.get(tail.removeprefix("VOWEL SIGN "), "")
    if tail.startswith("SIGN "):
        sound = _SIGNS.get(tail.removeprefix("SIGN "), "")
        return ("mark", sound) if sound else ("none", "")
    letter = tail.removeprefix("LETTER ")
    if letter in _VOWELS:
        return "vowel", _VOWELS[letter]
    sound = _CONSONANTS.get(letter, letter.lower().removesuffix("a") if letter.isalpha() else "")
    if name.startswith("TAMIL") and letter == "TA":
        sound = "th"
    return ("consonant", sound) if sound else ("none", "")


def spelt(word: str, *, drops_schwa: bool) -> str:
    """Returns a native word as people would type it: long "a" of a first syllable doubled, silent vowels left out.

    Args:
        word: In a Brahmic script.
        drops_schwa: Whether the language leaves the inherent vowel out between a vowel and a syllable, as Hindi does.
    """
    units: list[list[str]] = []
    for place, char in enumerate(word.lower()):
        kind, sound = _letter(char)
        if sound == "n" and kind == "mark":
            sound = _nasal(word, place)
        if kind == "virama" and units:
            units[-1][1] = ""
        elif kind == "sign" and units:
            units[-1][1] = _long(char, sound, len(units) == 1)
        elif kind == "consonant":
            units.append([sound, _SCHWA])
        elif kind in ("vowel", "mark", "other"):
            units.append(["", _long(char, sound, not units)] if kind == "vowel" else [sound, ""])
    if len(units) > 1 and units[-1][1] == _SCHWA and drops_schwa:
        units[-1][1] = ""
    if drops_schwa:
        for place in range(len(units) - 2, 0, -1):
            before, after = units[place - 1], units[place + 1]
            if units[place][1] == _SCHWA and before[1] and after[0] and after[1]:
                units[place][1] = ""
    return "".join(consonant + vowel.replace(_SCHWA, "a") for consonant, vowel in units)


_SCHWA = "ə"
_LABIALS = ("p", "b", "m")


def _nasal(word: str, place: int) -> str:
    """Returns how a nasal mark sounds: m before a labial, and at the end of a word that ends in a full nasal."""
    following = _letter(word[place + 1])[1] if place + 1 < len(word) else ""
    ends_full = not following and unicodedata.name(word[place], "").startswith("TELUGU SIGN ANUSVARA")
    return "m" if following.startswith(_LABIALS) or ends_full else "n"


def _long(char: str, sound: str, is_first: bool) -> str:
    return "aa" if is_first and sound == "a" and unicodedata.name(char, "").endswith(" AA") else sound
