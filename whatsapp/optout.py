"""Tells a whole-message STOP or START, in any language of the packs, from talk that merely holds the word."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Self

from app.language.packs import Pack


class Command(StrEnum):
    """What a whole message may order."""

    STOP = "stop"
    START = "start"


def normal_form(text: str) -> str:
    """Returns `text` after NFKC and case-folding, without punctuation, symbols and format characters, single-spaced.

    Zero-width joiners and the variation selectors of emoji vanish; the vowel signs of Indian scripts stay.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = (" " if unicodedata.category(char)[0] in "PSZ" else char for char in folded)
    return " ".join(
        "".join(
            char for char in kept if unicodedata.category(char) not in {"Cf", "Cc"} and not "\ufe00" <= char <= "\ufe0f"
        ).split()
    )


@dataclass(frozen=True, slots=True)
class OptOutWords:
    """The words of every pack, in normal form."""

    stop: frozenset[str]
    start: frozenset[str]

    @classmethod
    def of(cls, packs: Iterable[Pack]) -> Self:
        """Gathers the words of all packs: a caller may stop us in any language that we know."""
        packs = tuple(packs)
        return cls(
            frozenset(normal_form(word) for pack in packs for word in pack.lexicon.stop_words) - {""},
            frozenset(normal_form(word) for pack in packs for word in pack.lexicon.start_words) - {""},
        )

    def command(self, text: str) -> Command | None:
        """Returns what the message orders, if it is nothing but an order."""
        words = normal_form(text)
        if words in self.stop:
            return Command.STOP
        if words in self.start:
            return Command.START
        return None


@lru_cache(maxsize=32)
def opt_out_words(packs: tuple[Pack, ...]) -> OptOutWords:
    """Returns the words of some packs, gathered once."""
    return OptOutWords.of(packs)


def confirmation(packs: Mapping[str, Pack], language: str) -> str:
    """Returns the approved opt-out confirmation in `language`.

    Raises:
        KeyError: No such pack; compliance strings never fall back to another language by themselves.
    """
    return packs[language].disclosures["opt_out_confirmation"].text
