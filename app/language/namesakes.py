"""Places, persons and things that bear a language's name ("Tamil Nadu", "Tamil Selvan"); they ask for no language."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from app.language.packs import Pack

_SHORTEST = 4  # letters of a language's name, or of a namesake, that may stand inside a longer word


@dataclass(frozen=True, slots=True)
class _Lists:
    languages: tuple[str, ...]  # the longest first
    namesakes: frozenset[str]
    stems: tuple[str, ...]
    before: frozenset[tuple[str, ...]]  # "my name is"
    behind: frozenset[tuple[str, ...]]  # "speaking"


@lru_cache(maxsize=4)
def _lists(packs: tuple[Pack, ...]) -> _Lists:
    languages = {name for pack in packs for name in pack.lexicon.language_names}
    namesakes = frozenset(word for pack in packs for word in pack.lexicon.language_namesakes)
    cues = {(words, code) for pack in packs for words, code in pack.vocabulary.cues.items()}
    return _Lists(
        languages=tuple(sorted(languages, key=len, reverse=True)),
        namesakes=namesakes,
        stems=tuple(word for word in namesakes if len(word) >= _SHORTEST),
        before=frozenset(words for words, code in cues if code == "person>"),
        behind=frozenset(words for words, code in cues if code == "<person"),
    )


def without_namesakes(words: Sequence[str], packs: tuple[Pack, ...]) -> list[str]:
    """Returns the words, empty where a language's name is part of another name.

    It is where a namesake follows ("tamil nadu", "tamilnadu", "hindi film") and where a caller says who speaks ("my
    name is tamil speaking").

    Args:
        words: Lower-case words of the utterance.
        packs: Packs whose words count.
    """
    lists = _lists(packs)
    left = list(words)
    for index, word in enumerate(words):
        if not word.startswith(lists.languages):
            continue
        name = next(name for name in lists.languages if word.startswith(name))
        rest, behind = word[len(name) :], words[index + 1] if index + 1 < len(words) else ""
        joined = len(name) >= _SHORTEST and rest.startswith(lists.stems)
        followed = not rest and (behind in lists.namesakes or behind.startswith(lists.stems))
        if joined or followed or (not rest and _says_who(words, index, lists)):
            left[index] = ""
    return left


def _says_who(words: Sequence[str], index: int, lists: _Lists) -> bool:
    told = any(tuple(words[max(0, index - len(cue)) : index]) == cue for cue in lists.before)
    return told and tuple(words[index + 1 :]) in lists.behind
