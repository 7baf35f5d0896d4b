"""Whether a caller asks for another language ("tamil la pesunga"), in any language; part of `identify`."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from app.language.namesakes import without_namesakes
from app.language.packs import Pack

_NEAR = 2  # a "not" this close to a language's name refuses it
_REFUSED = 3  # the same where no word for speaking is said
_FAR = 6
_REACH = 5  # words between a name and the word for speaking
_LONGEST_ENDING = 3


@lru_cache(maxsize=4)
def _lists(packs: tuple[Pack, ...]) -> tuple[dict[str, str], frozenset[str], frozenset[str]]:
    names: dict[str, str] = {}
    for pack in packs:
        for name, tag in pack.lexicon.language_names.items():
            names.setdefault(name, tag)
    speak = frozenset(word for pack in packs for word in pack.lexicon.speak_words)
    refusals = frozenset(word for pack in packs for word in pack.lexicon.no_words | pack.lexicon.refusal_words)
    return names, speak, refusals


def requested_language(words: Sequence[str], packs: tuple[Pack, ...]) -> str | None:
    """Returns the BCP-47 tag of the language asked for, None when none is.

    A name alone is an answer, not a request: a word for speaking must stand with it. Of several names ("I do not know
    English, speak Hindi") the one nearest to such a word and farthest from a refusal counts.

    Args:
        words: Lower-case words of the utterance.
        packs: Packs whose words count.
    """
    names, speak, refusals = _lists(packs)
    found = list(_names(without_namesakes(words, packs), names))
    if not found:
        return None
    spoken = [i for i, word in enumerate(words) if word in speak]
    if not spoken:
        return None
    refused = [i for i, word in enumerate(words) if word in refusals]
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
    names, _, refusals = _lists(packs)
    found = list(_names(without_namesakes(words, packs), names))
    refused = [i for i, word in enumerate(words) if word in refusals]
    if not found or all(abs(index - i) > _REFUSED for index, _ in found for i in refused):
        return found[0][1] if found else None
    if len({tag for _, tag in found}) == 1:
        return None
    return found[0][1] if refused[-1] > found[-1][0] else found[-1][1]


def names_language(words: Sequence[str], packs: tuple[Pack, ...]) -> bool:
    """Tells whether a language's name is among some lower-case words."""
    return next(_names(words, _lists(packs)[0]), None) is not None


def _names(words: Sequence[str], names: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Yields (index, tag) of each language's name; a case ending may hang on it ("தமிழ்ல", "telugulo")."""
    longest = sorted((name for name in names if len(name) >= 4), key=len, reverse=True)
    for index, word in enumerate(words):
        tag = names.get(word)
        if tag is None:
            stem = next(
                (name for name in longest if word.startswith(name) and len(word) - len(name) <= _LONGEST_ENDING), None
            )
            tag = names[stem] if stem else None
        if tag is not None:
            yield index, tag
