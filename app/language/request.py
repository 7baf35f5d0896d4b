"""Whether a caller asks for another language ("tamil la pesunga"), in any language; part of `identify`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from app.language.namesakes import without_namesakes
from app.language.packs import Pack

_NEAR = 2  # a "not" this close to a language's name refuses it
_REFUSED = 3  # the same where no word for speaking is said
_FAR = 6
_REACH = 5  # words between a name and the word for speaking
_LONGEST_ENDING = 3
_SHORTEST_STEM = 4


@dataclass(frozen=True, slots=True)
class _Lists:
    names: dict[str, str]  # a language's name -> BCP-47 tag
    stems: tuple[str, ...]  # names that an ending may hang on, the longest first
    speak: frozenset[str]
    refusals: frozenset[str]


@lru_cache(maxsize=4)
def _lists(packs: tuple[Pack, ...]) -> _Lists:
    names: dict[str, str] = {}
    for pack in packs:
        for name, tag in pack.lexicon.language_names.items():
            names.setdefault(name, tag)
    return _Lists(
        names=names,
        stems=tuple(sorted((name for name in names if len(name) >= _SHORTEST_STEM), key=len, reverse=True)),
        speak=frozenset(word for pack in packs for word in pack.lexicon.speak_words),
        refusals=frozenset(word for pack in packs for word in pack.lexicon.no_words | pack.lexicon.refusal_words),
    )


def requested_language(words: Sequence[str], packs: tuple[Pack, ...]) -> str | None:
    """Returns the BCP-47 tag of the language asked for, None when none is.

    A name alone is an answer, not a request: a word for speaking must stand with it. Of several names ("I do not know
    English, speak Hindi") the one nearest to such a word and farthest from a refusal counts.

    Args:
        words: Lower-case words of the utterance.
        packs: Packs whose words count.
    """
    lists = _lists(packs)
    spoken = [i for i, word in enumerate(words) if word in lists.speak]
    if not spoken:
        return None
    found = list(_names(without_namesakes(words, packs), lists))
    if not found:
        return None
    refused = [i for i, word in enumerate(words) if word in lists.refusals]
    best: tuple[int, str] | None = None
    for index, tag in found:
        near = min(abs(index - i) for i in spoken)
        away = min((abs(index - i) for i in refused), default=_FAR)
        if near > _REACH:
            continue
        if away <= _NEAR and len({other for _, other in found}) == 1:
            continue
        score = min(away, _FAR) - near
        if best is None or score >= best[0]:
            best = (score, tag)
    return best[1] if best else None


def named_language(words: Sequence[str], packs: tuple[Pack, ...]) -> str | None:
    """Returns the language that a caller names who wants another one but says no word for speaking.

    "I do not know English" names none; of "not English, Hindi" and "English nahi, Hindi" it is Hindi.

    Args:
        words: Lower-case words of the utterance.
        packs: Packs whose words count.
    """
    lists = _lists(packs)
    found = list(_names(without_namesakes(words, packs), lists))
    refused = [i for i, word in enumerate(words) if word in lists.refusals]
    if not found or all(abs(index - i) > _REFUSED for index, _ in found for i in refused):
        return found[0][1] if found else None
    if len({tag for _, tag in found}) == 1:
        return None
    return found[0][1] if refused[-1] > found[-1][0] else found[-1][1]


def names_language(words: Sequence[str], packs: tuple[Pack, ...]) -> bool:
    """Tells whether a language's name is among some lower-case words."""
    return next(_names(words, _lists(packs)), None) is not None


def _names(words: Sequence[str], lists: _Lists) -> Iterator[tuple[int, str]]:
    """Yields (index, tag) of each language's name; a case ending may hang on it ("தமிழ்ல", "telugulo")."""
    for index, word in enumerate(words):
        tag = lists.names.get(word)
        if tag is None and word.startswith(lists.stems):
            fitting = (
                name for name in lists.stems if word.startswith(name) and len(word) - len(name) <= _LONGEST_ENDING
            )
            tag = lists.names.get(next(fitting, ""))
        if tag is not None:
            yield index, tag
