"""Values in an utterance: digits, phone, amount, language and day words, read through the packs' own words."""

import re
from collections.abc import Mapping, Sequence

from app.language.numbers import parse_amount, parse_digits
from app.language.packs import Pack
from app.nlu.phonetic import sound_key, words_of
from app.nlu.understanding import Entity

_MONEY_SIGNS = frozenset("₹")
_MONEY_WORDS = frozenset({"rs", "inr"})
_RUPEE_SOUND = "rup"  # rupees, rupaye, ரூபாய், రూపాయలు: alike by sound key
_PHONE = re.compile(r"(?:91|0)?[6-9]\d{9}$")
_LONGEST_ENDING = 4
_FIGURES = re.compile(r"\d[\d,]*")


class EntityFinder:
    """Finds entities by the words of all packs, since callers mix languages within a sentence."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        self._packs = tuple(packs)
        self._numbers = frozenset(
            word for p in packs for words in (p.digit_words, p.number_words, p.repeat_words) for word in words
        )
        days = {w for p in packs for w in (*p.lexicon.relative_days, *p.formats.weekdays, *p.formats.months)}
        self._days = sorted({" ".join(words_of(day)) for day in days}, key=lambda day: (-len(day), day))
        self._languages = _by_sound({name: tag for p in packs for name, tag in p.lexicon.language_names.items()})

    def find(
        self,
        text: str,
        *,
        language: str,
        heard_with: float,
        digits_expected: bool = False,
        expected_digits: tuple[int, int] | None = None,
    ) -> tuple[Entity, ...]:
        """Returns the entities of an utterance.

        Args:
            text: The caller's words.
            language: BCP-47 tag whose number words win where languages disagree.
            heard_with: Recogniser confidence, 0..1; the confidence of what is found.
            digits_expected: Whether a number was asked for; a lone digit word counts only then, as many digit words
                mean other things too.
            expected_digits: Fewest and most digits that make sense.
        """
        packs = tuple(sorted(self._packs, key=lambda pack: pack.tag != language))
        found: list[Entity] = []
        if self._is_money(text):
            amount = parse_amount(text, packs)
            found += [Entity("amount", str(amount), text, heard_with)] if amount is not None else []
        elif (digits := self._digits(text, packs, digits_expected, expected_digits)) is not None:
            found.append(Entity("digits", digits, text, heard_with))
            if _PHONE.match(digits):
                found.append(Entity("phone", digits[-10:], text, heard_with))
        found += [Entity("date", phrase, phrase, heard_with) for phrase in self._days_in(text)]
        found += [Entity("language", tag, name, heard_with) for name, tag in self._languages_in(text)]
        return tuple(found)

    def number_share(self, text: str) -> float:
        """Returns the share (0..1) of words that belong to numbers."""
        words = words_of(text)
        return sum(w in self._numbers or w.isdigit() for w in words) / len(words) if words else 0.0

    def _digits(self, text: str, packs: tuple[Pack, ...], expected: bool, length: tuple[int, int] | None) -> str | None:
        digits = parse_digits(text, packs, length)
        if not digits:
            return None
        lone = len(digits) < 2 or not (self._number_run(text) >= 2 or _FIGURES.search(text))
        if lone and not (expected and self.number_share(text) >= 0.5):
            return None
        return digits

    def _number_run(self, text: str) -> int:
        """Returns the most number words in a row."""
        best = run = 0
        for word in words_of(text):
            run = run + 1 if word in self._numbers or word.isdigit() else 0
            best = max(best, run)
        return best

    def _is_money(self, text: str) -> bool:
        words = words_of(text)
        return any(sign in text for sign in _MONEY_SIGNS) or any(
            word in _MONEY_WORDS or sound_key(word).startswith(_RUPEE_SOUND) for word in words
        )

    def _days_in(self, text: str) -> list[str]:
        """Returns day words as spoken, the longest of those that overlap, in order of mention."""
        padded = f" {' '.join(words_of(text))} "
        hits: list[tuple[int, str]] = []
        for phrase in self._days:
            at = padded.find(f" {phrase} ")
            if at >= 0:
                hits.append((at, phrase))
                padded = padded.replace(f" {phrase} ", f" {'_' * len(phrase)} ", 1)
        return [phrase for _, phrase in sorted(hits)]

    def _languages_in(self, text: str) -> list[tuple[str, str]]:
        """Returns (word, tag) of each language named, in order of mention; a case ending may follow a name."""
        hits: dict[str, str] = {}
        for word in words_of(text):
            key = sound_key(word)
            for name, tag in self._languages:
                if tag not in hits and key.startswith(name) and len(key) - len(name) <= _LONGEST_ENDING:
                    hits[tag] = word
        return [(word, tag) for tag, word in hits.items()]


def _by_sound(names: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Returns (sound key, tag) pairs, longest first."""
    keys = {sound_key(name): tag for name, tag in names.items()}
    return tuple(sorted(keys.items(), key=lambda item: -len(item[0])))
