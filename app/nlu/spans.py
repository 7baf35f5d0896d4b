"""Names, reasons and addresses: words beside a phrase which announces them; always the caller's own words."""

import re
from collections.abc import Iterator, Sequence

from app.language.normalise import normalise
from app.language.packs import Pack
from app.nlu.phrases import Phrases

_LONGEST_NAME = 3
_SHORTEST_ADDRESS = 2
_FOLLOWS = re.compile(r"(person|reason|address)>")


class NameFinder:
    """Finds persons, reasons and addresses by the packs' cues."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        groups = [{w: c for w, c in p.vocabulary.cues.items() if c != "nobody"} for p in packs]
        self._cues = Phrases(groups, endings=False)
        nobody = {words[0] for p in packs for words, code in p.vocabulary.cues.items() if code == "nobody"}
        lexicons = [p.lexicon for p in packs]
        self._nobody = frozenset(nobody).union(
            *(lex.function_words_native | lex.function_words_romanised | lex.common_words for lex in lexicons),
            *(lex.yes_words | lex.no_words | lex.backchannels for lex in lexicons),
            *(lex.alarm_words for lex in lexicons),
        )

    def find(self, tokens: list[str], free: list[str]) -> Iterator[tuple[str, int, int]]:
        """Yields (kind, start, end) of each name, reason and address.

        Args:
            tokens: What `split` returned.
            free: The same with dates and times blanked; a name holds none of them.
        """
        taken: set[str] = set()
        for index in range(len(tokens)):
            cue = self._cues.at(tokens, index)
            if cue is None:
                continue
            code, end = cue
            span = self._span(code, tokens, free, index, end)
            if span is not None and span[0] not in taken:
                taken.add(span[0])
                yield span

    def _span(self, code: str, tokens: list[str], free: list[str], start: int, end: int) -> tuple[str, int, int] | None:
        if code == "person<>":
            behind = next((at for at in range(end, len(tokens)) if self._is(tokens, at, "<person")), None)
            size = (behind or 0) - end
            if behind is None or not 1 <= size <= _LONGEST_NAME:
                return None
            return ("person", end, behind) if self._named(free, end) else None
        if code == "<person":
            first = start
            while first > 0 and start - first < _LONGEST_NAME - 1 and self._named(free, first - 1):
                first -= 1
            return ("person", first, start) if first < start else None
        if code == "person>":
            last = end
            while (
                last < len(tokens)
                and last - end < _LONGEST_NAME
                and self._named(free, last)
                and not self._is(tokens, last, "<person")
            ):
                last += 1
            return ("person", end, last) if last > end else None
        if code == "<reason":
            return ("reason", 0, start) if start else None
        kind = code[:-1]
        least = _SHORTEST_ADDRESS if kind == "address" else 1
        return (kind, end, len(tokens)) if len(tokens) - end >= least else None

    def _is(self, tokens: list[str], index: int, code: str) -> bool:
        found = self._cues.at(tokens, index)
        return found is not None and found[0] == code

    def _named(self, free: list[str], index: int) -> bool:
        word = free[index]
        return word not in self._nobody and len(word) > 1 and word[0].isalpha()


def spoken(text: str, tokens: Sequence[str]) -> str:
    """Returns how a text writes some of its words, with its own case; the words themselves where it cannot be found."""
    if not tokens:
        return ""
    pattern = r"[^\w]*".join(map(re.escape, tokens))
    match = re.search(pattern, normalise(text), re.IGNORECASE)
    return match[0] if match else " ".join(tokens)
