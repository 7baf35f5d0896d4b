"""One written form for what is compared: the evaluation's own text normaliser, pinned by a version.

Reference and hypothesis both pass through it before anything is counted. It is apart from `app.language.normalise`
(which serves calls and may change with them), so that figures of different days stay comparable: whoever changes a
rule here raises `VERSION`, and reports of different versions are not compared. docs/asr.md lists the rules.

Letters are recognised by their Unicode names, so that a rule for a letter holds in every script that has it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from app.language.numbers import parse_digits
from app.language.packs import Pack

VERSION = "1.0"
_JOINED = frozenset("'’`")
_CLASSES = (("NGA", ("KA", "KHA", "GA", "GHA")), ("NYA", ("CA", "CHA", "JA", "JHA")),
            ("NNA", ("TTA", "TTHA", "DDA", "DDHA")), ("NA", ("TA", "THA", "DA", "DHA")),
            ("MA", ("PA", "PHA", "BA", "BHA")))  # fmt: skip
_NASAL_BEFORE = {stop: nasal for nasal, stops in _CLASSES for stop in stops}
_KEEP_NUKTA = frozenset({"DDA", "DDHA"})
_REPLACED = {
    ("TAMIL", "LETTER SHA"): "TAMIL LETTER SA",
    ("TELUGU", "LETTER RRA"): "TELUGU LETTER RA",
    ("TELUGU", "LETTER TSA"): "TELUGU LETTER CA",
    ("TELUGU", "LETTER DZA"): "TELUGU LETTER JA",
}


def normalise(text: str) -> str:
    """Returns a text as it is compared: lower-case words with single spaces, no punctuation, one spelling.

    1. Unicode NFC; joiners, direction marks and other format characters go.
    2. Latin letters are lower case; apostrophes go ("don't" is "dont"); other signs separate words.
    3. Nukta goes, but for the flaps (DDA, DDHA with nukta are sounds of their own, others a matter of spelling).
    4. Chandrabindu is anusvara; a nasal with virama before a stop of its own class is anusvara (not in Tamil,
       which has none).
    5. Devanagari: visarga at a word's end is HA; "ye" and "yi" after a letter at a word's end are "e" and "i".
    6. Tamil: SHA is SA, aytham before PA goes ("f"). Telugu: RRA is RA, TSA is CA, DZA is JA.
    7. Digits of every script are ASCII.
    """
    cleaned = "".join(c for c in unicodedata.normalize("NFC", text) if unicodedata.category(c) != "Cf")
    spaced = "".join(_plain(c) for c in cleaned.lower())
    words = (_word(word) for word in spaced.split())
    return " ".join(word for word in words if word)


def _plain(char: str) -> str:
    if char in _JOINED:
        return ""
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    return char if unicodedata.category(char)[0] in "LMN" else " "


@lru_cache(maxsize=65_536)
def _word(word: str) -> str:
    if word.isascii():
        return word
    letters = _spelling([_substituted(c) for c in unicodedata.normalize("NFD", word)])
    return unicodedata.normalize("NFC", "".join(_endings(letters)))


def _substituted(char: str) -> str:
    script, name = _name(char)
    replacement = _REPLACED.get((script, name))
    if replacement is not None:
        return unicodedata.lookup(replacement)
    return unicodedata.lookup(f"{script} SIGN ANUSVARA") if name == "SIGN CANDRABINDU" else char


def _spelling(letters: list[str]) -> list[str]:
    kept: list[str] = []
    for at, char in enumerate(letters):
        script, name = _name(char)
        following = _name(letters[at + 1])[1] if at + 1 < len(letters) else ""
        if name == "SIGN NUKTA" and not (kept and _name(kept[-1])[1].removeprefix("LETTER ") in _KEEP_NUKTA):
            continue
        if script == "TAMIL" and name == "SIGN VISARGA" and following == "LETTER PA":
            continue
        nasal = _NASAL_BEFORE.get(name.removeprefix("LETTER "))
        if nasal and script != "TAMIL" and len(kept) > 2 and _ends(kept, f"LETTER {nasal}", "SIGN VIRAMA"):
            kept[-2:] = [unicodedata.lookup(f"{script} SIGN ANUSVARA")]
        kept.append(char)
    return kept


def _endings(letters: list[str]) -> list[str]:
    if len(letters) > 1 and _name(letters[-1]) == ("DEVANAGARI", "SIGN VISARGA"):
        return [*letters[:-1], unicodedata.lookup("DEVANAGARI LETTER HA")]
    if len(letters) > 2 and _name(letters[-2]) == ("DEVANAGARI", "LETTER YA"):
        vowel = {"VOWEL SIGN E": "LETTER E", "VOWEL SIGN II": "LETTER II"}.get(_name(letters[-1])[1])
        if vowel is not None:
            return [*letters[:-2], unicodedata.lookup(f"DEVANAGARI {vowel}")]
    return letters


def _ends(letters: list[str], *names: str) -> bool:
    return [_name(char)[1] for char in letters[-len(names) :]] == list(names)


@lru_cache(maxsize=4096)
def _name(char: str) -> tuple[str, str]:
    """Returns a letter's script and name, as ("TAMIL", "SIGN VIRAMA")."""
    script, _, name = unicodedata.name(char, "").partition(" ")
    return script, name


def with_digits(text: str, packs: Sequence[Pack]) -> str:
    """Returns a normalised text in which every number is a row of digits, a word each ("4512" is "4 5 1 2").

    Words for numbers are read by the packs, digit by digit, in pairs or as cardinals, whichever was said.

    Args:
        text: What `normalise` returned.
        packs: Whose number words count; where they disagree, the earlier one is right.
    """
    numbers = _number_words(tuple(packs))
    out: list[str] = []
    run: list[str] = []
    for word in [*text.split(), ""]:
        if word and (word in numbers or word.isdecimal()):
            run.append(word)
            continue
        if run:
            digits = parse_digits(" ".join(run), packs)
            out += list(digits) if digits else run
            run = []
        if word:
            out.append(word)
    return " ".join(out)


def comparable(reference: str, heard: str, packs: Sequence[Pack]) -> tuple[str, str]:
    """Returns both texts normalised; where either holds figures, the numbers of both become rows of digits."""
    wanted, got = normalise(reference), normalise(heard)
    if any(char.isdecimal() for char in wanted + got):
        return with_digits(wanted, packs), with_digits(got, packs)
    return wanted, got


@lru_cache(maxsize=64)
def _number_words(packs: tuple[Pack, ...]) -> frozenset[str]:
    words = {
        word for pack in packs for group in (pack.digit_words, pack.number_words, pack.repeat_words) for word in group
    }
    return frozenset(normalise(word) for word in words)
