"""A pack's language in Latin letters, as its people type it in chats: for customers who write so themselves.

The spelling of a word is the one that the pack's own romanised sentences use, where that is the same word; common
English words come back as English; the rest is spelt by rule. A word is never exchanged for another.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Final

from app.language.latinise import spelt
from app.language.packs import Pack
from app.language.scripts import LATIN, script_of_letter

_LEAST_LIKENESS: Final = 0.8
_LOANS: Final = (
    "order", "number", "parcel", "delivery", "cancel", "return", "refund", "payment", "system", "computer", "address",
    "customer", "service", "courier", "message", "assistant", "automatic", "keypad", "appointment", "balance",
    "product", "store", "stock", "ticket", "manager", "quotation",
)  # fmt: skip
_LEAST_LOAN_SOUNDS: Final = 3
_WORD = re.compile(r"[^\W_]+(?:[\u200c\u200d\u0300-\u036f\u0900-\u0dff]+[^\W_]*)*")
_LATIN_WORD = re.compile(r"[a-z]{2,}")
_BREATH = re.compile(r"(?<=[bcdgjkpst])h")
_REPEATED = re.compile(r"(.)\1+")
_SYLLABLE = re.compile(r"[aeiouy]+")
_TAMIL_HABITS = tuple(
    (re.compile(pattern), habit)
    for pattern, habit in (
        (r"^ch(?!ch)", "s"),
        (r"ngk", "ng"),
        (r"nch", "nj"),
        (r"mp(?=[aeiou])", "mb"),
        (r"(?<=[aeiounr])t(?=[aeiou])", "d"),
        (r"(?<=[aeiou])k(?=[aeiou])", "g"),
    )
)
"""Tamil writes one letter for a voiced and a voiceless sound; people type what they say."""
_PLAIN_VOWELS = re.compile(r"[aeiou]")
_VOWELS = re.compile(r"[aeiouy]")
_SOUNDS: Final = str.maketrans("bdgjwz", "ptkcvc")
_MARKS: Final = str.maketrans({"।": ".", "॥": ".", "\u200c": None, "\u200d": None})


def is_latin(text: str) -> bool | None:
    """Returns whether a text's letters are all Latin; None: it has no letters."""
    scripts = {script_of_letter(char) for char in text if char.isalpha()} - {None}
    return scripts == {LATIN} if scripts else None


class Romaniser:
    """Respells one pack's language.

    Args:
        pack: Its romanised and mixed sentences are the spelling book.
    """

    def __init__(self, pack: Pack) -> None:
        self._native = frozenset(pack.manifest.scripts) - {LATIN}
        self._drops_schwa = "Deva" in self._native
        self._voices = "Taml" in self._native
        counted = Counter(_spellings(pack))
        by_sound: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        for word, count in counted.items():
            by_sound[_sound(word)].append((word, count))
        self._spellings = dict(by_sound)
        loans = {_sound(word): word for word in _LOANS}
        self._loans = {sound: word for sound, word in loans.items() if len(sound) >= _LEAST_LOAN_SOUNDS}
        self._word = lru_cache(maxsize=4096)(self._respelt)

    def romanise(self, text: str) -> str:
        """Returns a text with its native words in Latin letters; English words and numbers stay as they are."""
        if not self._native:
            return text
        plain = unicodedata.normalize("NFC", text).translate(_MARKS)
        respelt = _WORD.sub(lambda match: self._word(match[0]), plain)
        return re.sub(r"(^|[.!?]\s+)([a-z])", lambda match: match[1] + match[2].upper(), respelt)

    def _respelt(self, word: str) -> str:
        if is_latin(word) is not False:
            return "".join(_digit(char) for char in word)
        rule = spelt(word, drops_schwa=self._drops_schwa)
        if self._voices:
            for pattern, habit in _TAMIL_HABITS:
                rule = pattern.sub(habit, rule)
        sound = _sound(rule)
        loan = self._loans.get(sound)
        if loan is not None and len(_SYLLABLE.findall(loan)) == len(_SYLLABLE.findall(rule)):
            return loan
        known = [
            (SequenceMatcher(None, _shape(rule), _shape(other)).ratio(), count, other)
            for other, count in self._spellings.get(sound, ())
            if _same_word(rule, other)
        ]
        likeness, _, best = max(known, default=(0.0, 0, rule))
        return best if likeness >= _LEAST_LIKENESS else rule


def _same_word(rule: str, other: str) -> bool:
    """Returns whether two spellings have the same syllables and the same end, so that only their habits differ."""
    shapes = _shape(rule), _shape(other)
    vowels = ["".join(_PLAIN_VOWELS.findall(shape)) for shape in shapes]
    return vowels[0] == vowels[1] and shapes[0][-1:] == shapes[1][-1:]


def _shape(word: str) -> str:
    return _REPEATED.sub(r"\1", word.replace("ee", "i").replace("oo", "u").replace("ei", "e"))


class Romanisers:
    """The respelling of every pack that serves; a book is made at its first use, anew when its pack was exchanged."""

    def __init__(self, packs: Mapping[str, Pack]) -> None:
        self._packs = packs
        self._books: dict[str, tuple[Pack, Romaniser]] = {}

    def romanise(self, language: str, text: str) -> str:
        """Returns a text of `language` (BCP-47) in Latin letters; of a language without a pack, as it is."""
        pack = self._packs.get(language)
        if pack is None:
            return text
        book = self._books.get(language)
        if book is None or book[0] is not pack:
            book = (pack, Romaniser(pack))
            self._books[language] = book
        return book[1].romanise(text)


def _spellings(pack: Pack) -> Iterator[str]:
    for forms in pack.intents.values():
        for form in ("romanised", "mixed"):
            for sentence in forms.get(form, ()):
                yield from _LATIN_WORD.findall(sentence.lower())
    yield from (word for word in pack.lexicon.function_words_romanised if word.isascii())


def _sound(word: str) -> str:
    """Returns what different spellings of a word share: its consonants, without voice and breath."""
    flat = _REPEATED.sub(r"\1", _BREATH.sub("", word).translate(_SOUNDS))
    return _VOWELS.sub("a", flat[:1]) + _VOWELS.sub("", flat[1:])


def _digit(char: str) -> str:
    return str(unicodedata.digit(char)) if unicodedata.category(char) == "Nd" else char
