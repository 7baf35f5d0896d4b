"""Text to classifier features: sound-key words, pairs, character n-grams, consonant skeletons and glosses.

Glosses are the English words that the packs give for their own; they carry what one language taught to the others.

Used by `training` and, on each utterance, by `classifier`; both must see the same features.
"""

from collections.abc import Collection
from itertools import pairwise

from app.nlu.phonetic import skeleton, sound_key, words_of
from app.nlu.phrases import Phrases

FEATURES_VERSION = 6
NUMBER = "#"
_GRAMS = (2, 3, 4, 5)
_GRAM = "k:"
_STEMS = (3, 4)
_TELLING_LENGTH = 4
_MOST_GLOSSES = 10


class FeatureExtractor:
    """Turns text into named features; spoken numbers become one placeholder."""

    def __init__(self, number_words: Collection[str], glosses: Phrases | None = None) -> None:
        """Keeps the words of all packs that may stand in a spoken number, and the packs' glosses.

        Args:
            number_words: Lower-case NFC digit, number and repeat words of all packs.
            glosses: What words of any language mean, in English.
        """
        self._number_words = frozenset(number_words)
        self._glosses = glosses

    def words(self, text: str) -> list[str]:
        """Returns lower-case words in which each run of at least two number words, or any figures, is `#`."""
        raw = words_of(text)
        out: list[str] = []
        index = 0
        while index < len(raw):
            end = index
            while end < len(raw) and (raw[end] in self._number_words or raw[end].isdigit()):
                end += 1
            if end - index >= 2 or (end > index and raw[index].isdigit()):
                out.append(NUMBER)
                index = end
            else:
                out.append(raw[index])
                index += 1
        return out

    def extract(self, text: str) -> list[str]:
        """Returns the features of a text, with repeats."""
        words = self.words(text)
        keys = [word if word == NUMBER else sound_key(word) for word in words]
        keys = [key for key in keys if key]
        out = [f"r:{word}" for word in words]
        out += [f"w:{key}" for key in keys]
        out += [f"b:{left}_{right}" for left, right in zip(["^", *keys], [*keys, "$"], strict=True)]
        bones = [skeleton(key) for key in keys]
        out += [f"s:{left}_{right}" for left, right in pairwise(bones)]
        for bone in bones:
            out += [f"q:{bone}", *(f"q:{bone[:size]}-" for size in _STEMS if len(bone) > size)]
        for key in keys:
            padded = f" {key} "
            out += [f"{_GRAM}{padded[i : i + n]}" for n in _GRAMS for i in range(len(padded) - n + 1)]
        return out + self._meanings(words)

    def _meanings(self, words: list[str]) -> list[str]:
        """Returns the glosses of a text, their order, and which stand together in any order."""
        if self._glosses is None:
            return []
        found: list[str] = []
        index = 0
        while index < len(words):
            hit = self._glosses.at(words, index)
            if hit is None:
                index += 1
            else:
                found.append(hit[0])
                index = hit[1]
        kinds = sorted(set(found))[:_MOST_GLOSSES]
        pairs = [f"p:{one}+{other}" for place, one in enumerate(kinds) for other in kinds[place + 1 :]]
        return [f"g:{name}" for name in found] + [f"h:{one}_{other}" for one, other in pairwise(found)] + pairs

    def known_share(self, features: Collection[str], known: Collection[str]) -> float:
        """Returns the share (0..1) of a text's longer character n-grams that the training sentences hold.

        Args:
            features: What `extract` returned for the text.
            known: The features of the trained model.
        """
        grams = [name for name in features if name.startswith(_GRAM) and len(name) >= len(_GRAM) + _TELLING_LENGTH]
        return sum(name in known for name in grams) / len(grams) if grams else 1.0
