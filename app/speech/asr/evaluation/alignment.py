"""Aligns what was heard with what was said, word by word or letter by letter; `measures` counts on it."""

from __future__ import annotations

import operator
import unicodedata
from collections.abc import Callable, Sequence

Pair = tuple[int | None, int | None]
"""Positions in reference and hypothesis; None: nothing on that side (an insertion or a deletion)."""


def align(reference: Sequence[str], heard: Sequence[str], same: Callable[[str, str], bool] = operator.eq) -> list[Pair]:
    """Returns the pairs of a shortest edit script (Levenshtein), in order; among equals, substitutions win.

    jiwer and rapidfuzz count the same distance (a test holds them equal); they are not in the serving install, and
    the measures here need to know which word became which.

    Args:
        reference: What was said.
        heard: What was recognised.
        same: Tells whether two units count as one.
    """
    rows, columns = len(reference) + 1, len(heard) + 1
    table = [list(range(columns)), *([row] + [0] * (columns - 1) for row in range(1, rows))]
    for i in range(1, rows):
        above, row, wanted = table[i - 1], table[i], reference[i - 1]
        for j in range(1, columns):
            replaced = above[j - 1] + (not same(wanted, heard[j - 1]))
            row[j] = min(replaced, above[j] + 1, row[j - 1] + 1)
    pairs: list[Pair] = []
    i, j = rows - 1, columns - 1
    while i or j:
        if i and j and table[i][j] == table[i - 1][j - 1] + (not same(reference[i - 1], heard[j - 1])):
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif i and table[i][j] == table[i - 1][j] + 1:
            i -= 1
            pairs.append((i, None))
        else:
            j -= 1
            pairs.append((None, j))
    pairs.reverse()
    return pairs


def graphemes(word: str) -> list[str]:
    """Returns a word's letters with their vowel signs and marks (legacy grapheme clusters).

    Source: Unicode Standard Annex 29, "Unicode Text Segmentation", table 1b.
    """
    found: list[str] = []
    for char in word:
        if found and unicodedata.category(char)[0] == "M":
            found[-1] += char
        else:
            found.append(char)
    return found
