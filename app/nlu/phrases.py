"""Finds the packs' words and phrases among an utterance's words, however they are spelt, for the entity finders."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from app.nlu.phonetic import sound_key

_LONGEST = 4
_SHORTEST_STEM = 4
_LONGEST_ENDING = 7
_SHORTEST_SOUND_STEM = 6
_LONGEST_SOUND_ENDING = 4
_SHORTEST_SOUND = 4


class Phrases:
    """What phrases stand for: looked up as written, then by sound, then with a case ending behind a native word."""

    def __init__(
        self,
        groups: Iterable[Mapping[tuple[str, ...], str]],
        *,
        endings: bool = True,
        shortest_sound: int = _SHORTEST_SOUND,
    ) -> None:
        """Merges the groups; where they disagree about a spelling the earlier one is right.

        Args:
            groups: Word tuples -> meaning, of each pack.
            endings: Whether a case ending may follow a single word.
            shortest_sound: Fewest letters of a sound key by which another spelling is known; short ones collide.
        """
        self._exact: dict[tuple[str, ...], str] = {}
        self._sounds: dict[tuple[str, ...], str] = {}
        for group in groups:
            for words, meaning in group.items():
                self._exact.setdefault(words, meaning)
                keys = sound_of(words)
                if all(keys) and sum(map(len, keys)) >= shortest_sound:
                    self._sounds.setdefault(keys, meaning)
        self._longest = min(_LONGEST, max(map(len, self._exact), default=0))
        singles = [(words[0], meaning) for words, meaning in self._exact.items() if len(words) == 1]
        self._stems = (
            {word: meaning for word, meaning in singles if len(word) >= _SHORTEST_STEM and not word.isascii()}
            if endings
            else {}
        )
        self._sound_stems = (
            {
                keys[0]: meaning
                for keys, meaning in self._sounds.items()
                if len(keys) == 1 and len(keys[0]) >= _SHORTEST_SOUND_STEM
            }
            if endings
            else {}
        )

    def at(self, tokens: Sequence[str], start: int) -> tuple[str, int] | None:
        """Returns what the longest phrase at a token stands for, and where it ends."""
        for size in range(min(self._longest, len(tokens) - start), 0, -1):
            words = tuple(tokens[start : start + size])
            meaning = self._exact.get(words)
            if meaning is None and all(word.isascii() for word in words) and not words[0].isdigit():
                meaning = self._sounds.get(sound_of(words))
            if meaning is None and size == 1:
                meaning = self._stem(words[0])
            if meaning is not None:
                return meaning, start + size
        return None

    def _stem(self, word: str) -> str | None:
        if word.isascii():
            key = sound_key(word)
            for cut in range(1, min(_LONGEST_SOUND_ENDING, len(key) - _SHORTEST_SOUND_STEM) + 1):
                if (meaning := self._sound_stems.get(key[:-cut])) is not None:
                    return meaning
            return None
        for cut in range(1, min(_LONGEST_ENDING, len(word) - _SHORTEST_STEM) + 1):
            if (meaning := self._stems.get(word[:-cut])) is not None:
                return meaning
        return None


@lru_cache(maxsize=65_536)
def sound_of(words: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the sound keys of words."""
    return tuple(sound_key(word) for word in words)
