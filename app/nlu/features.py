"""Text to classifier features: sound-key words, pairs, character n-grams and consonant skeletons.

Used by `training` and, on each utterance, by `classifier`; both must see the same features.
"""

from collections.abc import Collection

from app.nlu.phonetic import skeleton, sound_key, words_of

FEATURES_VERSION = 3
NUMBER = "#"
_GRAMS = (2, 3, 4, 5)


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
        out += [f"s:{left}_{right}" for left, right in zip(bones, bones[1:], strict=False)]
        for key in keys:
            padded = f" {key} "
            out += [f"k:{padded[i : i + n]}" for n in _GRAMS for i in range(len(padded) - n + 1)]
        return out

    def known_share(self, text: str, known: Collection[str]) -> float:
        """Returns the share (0..1) of a text's words that the training sentences hold, by sound."""
        keys = [word if word == NUMBER else sound_key(word) for word in self.words(text)]
        keys = [key for key in keys if key]
        return sum(f"w:{key}" in known for key in keys) / len(keys) if keys else 0.0
