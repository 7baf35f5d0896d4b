"""What must not lie in the clear, in every language's spoken forms too; runs before words are stored or sent in clear.

"Nau aath saat ...", "double five", "ravi at the rate gmail dot com": numbers are read by the packs' number words, the
rest by the words of `redaction_words`. The rules of what is what, and what stays readable, are `app.kit.redaction`'s.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

from app.kit.redaction import Atom, Found, Kind, Nearby, masked, scan, signs_in
from app.language import redaction_words as words
from app.language.number_parsing import digit_runs, number_spans, tokens_of
from app.language.packs import Pack

_CHUNK: Final = re.compile(r"\d+|[^\s\d,;:!?()\[\]{}\"“”|।/\\.@_+\-–—₹]+")
_FORM: Final = re.compile(r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]|[A-Z]{4}0[A-Z0-9]{6}")
_SHOWN: Final = re.compile(r" …\d+\]")
_BEFORE: Final = 6
_AFTER: Final = 4
_BUSINESS_BEFORE: Final = 4
_MOST_LOCAL_WORDS: Final = 12

_Run = Sequence[tuple[str, int, int]]
"""A stretch of numbers: digits, first word, word after the last."""


@dataclass(frozen=True, slots=True)
class _Word:
    """One token, and the stretch of the text that it was read from."""

    token: str
    start: int
    end: int


class Redactor:
    """Masks personal identifiers in the languages of some packs. Safe to share; holds nothing of what it read.

    Args:
        packs: BCP-47 tag -> pack; may be a living mapping whose packs are exchanged.
    """

    def __init__(self, packs: Mapping[str, Pack]) -> None:
        self._packs = packs

    def __call__(self, text: str) -> str:
        """Returns the text with everything masked."""
        return self.text(text)

    def text(self, text: str, keep: frozenset[Kind] = frozenset()) -> str:
        """Returns the text with what was found masked.

        Args:
            text: What somebody said or wrote, or a note about it.
            keep: Kinds that the field may hold.
        """
        if not text.strip():
            return text
        found = signs_in(text) if "@" in text or any(char.isdecimal() for char in text) else []
        spoken = _words(text)
        runs = digit_runs([word.token for word in spoken], tuple(self._packs.values()))
        numeric = frozenset(index for run in runs for _, start, end in run for index in range(start, end))
        found.extend(_addresses(text, spoken, numeric))
        found.extend(_numbers(text, spoken, runs))
        return masked(text, found, keep) if found else text

    def without_numbers(self, text: str) -> str:
        """Returns the text with identifiers and every other number replaced by what they are; no digit is left.

        Only single words that mean more than a number ("ek", "do") stay.
        """
        clean = _SHOWN.sub("]", self.text(text))
        spoken = _words(clean)
        spans = number_spans([word.token for word in spoken], tuple(self._packs.values()))
        for span in reversed(spans):
            start, end = spoken[span.start].start, spoken[span.end - 1].end
            is_masked = clean.rfind("[", 0, start) > clean.rfind("]", 0, start)
            if is_masked or (span.everyday and span.end - span.start == 1 and not span.figures):
                continue
            clean = f"{clean[:start]}[number]{clean[end:]}"
        return clean


def _words(text: str) -> list[_Word]:
    return [_Word(token, match.start(), match.end()) for match in _CHUNK.finditer(text) for token in _tokens(match[0])]


@lru_cache(maxsize=8192)
def _tokens(chunk: str) -> tuple[str, ...]:
    return tuple(token for token in tokens_of(chunk) if token)


def _numbers(text: str, spoken: Sequence[_Word], runs: Sequence[_Run]) -> Iterator[Found]:
    for run in runs:
        atoms = [Atom(digits, spoken[start].start, spoken[end - 1].end) for digits, start, end in run]
        yield from scan(text, atoms, _nearby(text, spoken, run[0][1], run[-1][2]))
    yield from _letters(spoken, runs)


def _letters(spoken: Sequence[_Word], runs: Sequence[_Run]) -> Iterator[Found]:
    """Finds PAN and IFSC spelt out: single letters and digits in a row."""
    digits = {start: (text, end) for run in runs for text, start, end in run}
    stretch: list[tuple[str, _Word, _Word]] = []
    index = 0
    while index <= len(spoken):
        piece = _piece(spoken, index, digits) if index < len(spoken) else None
        if piece is not None:
            stretch.append((piece[0], spoken[index], spoken[piece[1] - 1]))
            index = piece[1]
            continue
        if len(stretch) > 4:
            yield from _forms(stretch)
        stretch = []
        index += 1


def _piece(spoken: Sequence[_Word], index: int, digits: Mapping[int, tuple[str, int]]) -> tuple[str, int] | None:
    token = spoken[index].token
    letter = token.upper() if len(token) == 1 and token.isascii() and token.isalpha() else words.LETTERS.get(token)
    if letter is not None:
        return letter, index + 1
    return digits.get(index)


def _forms(stretch: Sequence[tuple[str, _Word, _Word]]) -> Iterator[Found]:
    joined = "".join(text for text, _, _ in stretch)
    places = [number for number, (text, _, _) in enumerate(stretch) for _ in text]
    for match in _FORM.finditer(joined):
        kind = Kind.IFSC if match[0][4] == "0" else Kind.PAN
        first, last = stretch[places[match.start()]], stretch[places[match.end() - 1]]
        yield Found(kind, "", first[1].start, last[2].end)


def _nearby(text: str, spoken: Sequence[_Word], first: int, last: int) -> Nearby:
    before = [word.token for word in spoken[max(0, first - _BEFORE) : first]]
    after = [word.token for word in spoken[last : last + _AFTER]]
    around = {*before, *after}
    pairs = {f"{one} {two}" for side in (before, after) for one, two in pairwise(side)}
    near = {*before[-_BUSINESS_BEFORE:], *after[:2]}
    currency = "₹" in text[max(0, spoken[first].start - 2) : spoken[first].start]
    return Nearby(
        code=bool((around | pairs) & words.CODES) and not (around | pairs) & words.POSTCODES,
        account=bool({*before, *pairs} & words.ACCOUNTS),
        business=currency or bool(near & words.BUSINESS),
    )


def _addresses(text: str, spoken: Sequence[_Word], numeric: frozenset[int]) -> Iterator[Found]:
    """Finds mail addresses and UPI ids that were spoken: "ravi at the rate gmail dot com"."""
    index = 0
    while index < len(spoken):
        after = _at_sign(spoken, index)
        ended = _domain(text, spoken, after[0], certain=after[1]) if after is not None and index else None
        if ended is None:
            index += 1
            continue
        end, kind = ended
        yield Found(kind, "", spoken[_local(text, spoken, numeric, index)].start, spoken[end - 1].end)
        index = end


def _at_sign(spoken: Sequence[_Word], index: int) -> tuple[int, bool] | None:
    """Returns the word after a spoken @, and whether it can be nothing else."""
    for phrase in words.AT:
        if tuple(word.token for word in spoken[index : index + len(phrase)]) == phrase:
            return index + len(phrase), len(phrase) > 1
    return None


def _domain(text: str, spoken: Sequence[_Word], index: int, *, certain: bool) -> tuple[int, Kind] | None:
    if index >= len(spoken):
        return None
    if spoken[index].token in words.UPI_HANDLES:
        return index + 1, Kind.UPI
    end = index + 1
    named = certain and spoken[index].token in words.MAIL_HOSTS
    kind = (end, Kind.EMAIL) if named else None
    while end < len(spoken):
        dotted = spoken[end].token in words.DOTS
        place = end + 1 if dotted else end
        joined = text[spoken[end - 1].end : spoken[end].start] == "."
        if place >= len(spoken) or not (dotted or joined):
            break
        end = place + 1
        if spoken[place].token in words.TOP_LEVEL:
            kind = (end, Kind.EMAIL)
    return kind


def _local(text: str, spoken: Sequence[_Word], numeric: frozenset[int], at: int) -> int:
    """Returns where the part before a spoken @ begins: one word, and what is tied to it by dots, digits and letters."""
    first = at - 1
    while first > 0 and at - first < _MOST_LOCAL_WORDS:
        before, here = spoken[first - 1].token, spoken[first].token
        tied = before in words.DOTS or here in words.DOTS or len(here) == 1 or first in numeric
        tied = tied or text[spoken[first - 1].end : spoken[first].start] in (".", "_", "-")
        if not tied or before in words.BEFORE_ADDRESS:
            break
        first -= 1
    return first
