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
