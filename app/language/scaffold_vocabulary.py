"""Starts a pack's `vocabulary.yaml`: days and hours to fill in, the other sections as comments to take up.

`scaffold` writes what this makes.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from app.language.packs import Pack
from app.language.vocabulary import CODES, LISTS

_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NEEDED: Final[Mapping[str, Sequence[str]]] = {
    "calendar": ("r-1", "r0", "r1", "r2", "next", "this", "last", "dom", "days", "weeks", "later", "ago", "past"),
    "clock": ("hour", "morning", "afternoon", "evening", "night", "half", "minute", "hours", "later"),
}
_SHOWN: Final = 8


def vocabulary_lines(
    months: Sequence[str], weekdays: Sequence[str], example: Pack | None, unfinished: str
) -> Iterator[str]:
    """Yields the lines of a new pack's vocabulary.

    Args:
        months: Their names, January first.
        weekdays: Their names, Monday first.
        example: Pack whose words show in comments what each code is for; None where there is none.
        unfinished: What stands where only a speaker of the language knows the words.
    """
    words = _by_code(example)
    yield "# By which words callers name days, hours, places, goods and units, in every spelling and script they use."
    yield "# docs/language.md explains the codes. A code without words in this language goes, line and all; `r~1`"
    yield "# is for a word that is both yesterday and tomorrow. Sections in comments are optional: take up some."
    names = dict(zip(_WEEKDAYS, weekdays, strict=True))
    names |= {f"m{number}": name for number, name in enumerate(months, 1)}
    for section, codes in _NEEDED.items():
        yield f"{section}:"
        for code in codes:
            yield f"  {code}: [{unfinished}]{_hint(words.get(section, {}).get(code, ()), example)}"
        if section == "calendar":
            yield from (f"  {code}: [{json.dumps(name, ensure_ascii=False)}]" for code, name in names.items())
    for section in (name for name in CODES if name not in _NEEDED):
        yield f"# {section}:"
        for code, known in words.get(section, {}).items():
            yield f"#   {json.dumps(code)}: []{_hint(known, example)}"
    for section in LISTS:
        yield f"# {section}: []{_hint(list(words.get(section, {})), example)}"


def _hint(words: Sequence[str], example: Pack | None) -> str:
    """Returns a comment with an example pack's words."""
    return f"  # {example.tag}: {', '.join(words[:_SHOWN])}" if example is not None and words else ""


def _by_code(pack: Pack | None) -> Mapping[str, Mapping[str, Sequence[str]]]:
    """Returns a pack's words by section and code; none of no pack."""
    found: dict[str, dict[str, list[str]]] = {}
    if pack is None:
        return found
    for section in (*CODES, *LISTS):
        entries: Iterable[tuple[tuple[str, ...], str]] = getattr(pack.vocabulary, section).items()
        for phrase, code in entries:
            found.setdefault(section, {}).setdefault(code, []).append(" ".join(phrase))
    return found
