"""Text to classifier features: sound-key words, pairs, character n-grams and consonant skeletons.

Used by `training` and, on each utterance, by `classifier`; both must see the same features.
"""

from collections.abc import Collection
from itertools import pairwise

from app.nlu.phonetic import skeleton, sound_key, words_of

FEATURES_VERSION = 4
NUMBER = "#"
_GRAMS = (2, 3, 4, 5)
_GRAM = "k:"
_TELLING_LENGTH = 4


class FeatureExtractor:
    """Turns text into named features; spoken numbers become one placeholder."""

    def __init__(self, number_words: Collection[str]) -> None:
        """Keeps the words of all packs that may stand in a spoken number.

        Args:
            number_words: Lower-case NFC digit, number and repeat words of all packs.
        """
        self._number_words = frozenset(number_words)

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
        for key in keys:
            padded = f" {key} "
            out += [f"{_GRAM}{padded[i : i + n]}" for n in _GRAMS for i in range(len(padded) - n + 1)]
        return out

    def known_share(self, features: Collection[str], known: Collection[str]) -> float:
        """Returns the share (0..1) of a text's longer character n-grams that the training sentences hold.

        Args:
            features: What `extract` returned for the text.
            known: The features of the trained model.
        """
        grams = [name for name in features if name.startswith(_GRAM) and len(name) >= len(_GRAM) + _TELLING_LENGTH]
        return sum(name in known for name in grams) / len(grams) if grams else 1.0
