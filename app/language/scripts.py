"""Which writing system a letter belongs to: the first evidence of identification and normalisation."""

from functools import lru_cache

# Unicode block -> ISO 15924 script, and the language whose rules `indicnlp` applies to the script.
# Source: Unicode 16.0, Blocks.txt.
_BLOCKS = (
    (0x0041, 0x024F, "Latn"),
    (0x0600, 0x06FF, "Arab"),
    (0x0900, 0x097F, "Deva"),
    (0x0980, 0x09FF, "Beng"),
    (0x0A00, 0x0A7F, "Guru"),
    (0x0A80, 0x0AFF, "Gujr"),
    (0x0B00, 0x0B7F, "Orya"),
    (0x0B80, 0x0BFF, "Taml"),
    (0x0C00, 0x0C7F, "Telu"),
    (0x0C80, 0x0CFF, "Knda"),
    (0x0D00, 0x0D7F, "Mlym"),
    (0x1E00, 0x1EFF, "Latn"),
)
RULES_OF_SCRIPT = {
    "Deva": "hi", "Beng": "bn", "Guru": "pa", "Gujr": "gu", "Orya": "or",
    "Taml": "ta", "Telu": "te", "Knda": "kn", "Mlym": "ml",
}  # fmt: skip
SCRIPTS = frozenset(script for _, _, script in _BLOCKS)
LATIN = "Latn"


@lru_cache(maxsize=4096)
def script_of_letter(char: str) -> str | None:
    """Returns the ISO 15924 script of one character, None for digits, marks of no script, signs and rarer scripts."""
    code = ord(char)
    if char.isdigit() or char in "।॥":
        return None
    if code < 0x80:
        return LATIN if char.isalpha() else None
    return next((script for low, high, script in _BLOCKS if low <= code <= high), None)


@lru_cache(maxsize=65_536)
def script_of_word(word: str) -> str | None:
    """Returns the script that most letters of a word are in, None when none has any."""
    counts: dict[str, int] = {}
    for char in word:
        script = script_of_letter(char)
        if script is not None:
            counts[script] = counts.get(script, 0) + 1
    return max(counts, key=counts.__getitem__) if counts else None


def letters_of_script(script: str) -> str:
    """Returns where a script's letters stand in Unicode ("U+0C80-U+0CFF"), "" for a script that is not known."""
    return ", ".join(f"U+{low:04X}-U+{high:04X}" for low, high, name in _BLOCKS if name == script)
