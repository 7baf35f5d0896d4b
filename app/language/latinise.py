"""Native script into Latin letters, roughly as people type them in chats; `wordmodel` learns from it how words look."""

import re

from indic_transliteration import sanscript
from indic_transliteration.sanscript import transliterate

from app.language.scripts import script_of_word

SCHEMES = {
    "Deva": sanscript.DEVANAGARI, "Beng": sanscript.BENGALI, "Guru": sanscript.GURMUKHI, "Gujr": sanscript.GUJARATI,
    "Orya": sanscript.ORIYA, "Taml": sanscript.TAMIL, "Telu": sanscript.TELUGU, "Knda": sanscript.KANNADA,
    "Mlym": sanscript.MALAYALAM,
}  # fmt: skip
_CHAT = (
    (re.compile(r"\.[a-z]|[^a-z]"), ""),
    (re.compile(r"(.)\1\1+"), r"\1\1"),
    (re.compile(r"chch"), "cch"),
    (re.compile(r"thth"), "tth"),
)


def latin_key(word: str) -> str:
    """Returns a word in Latin letters; one that is already so, or of a script without a scheme, comes back lower case."""
    scheme = SCHEMES.get(script_of_word(word) or "")
    if scheme is None:
        return word.lower()
    latin = transliterate(word, scheme, sanscript.ITRANS).lower()
    for pattern, replacement in _CHAT:
        latin = pattern.sub(replacement, latin)
    return latin
