"""Makes training sentences noisier, as a recogniser would: wrong letters, lost words, a filler in front."""

import random
from collections.abc import Collection, Sequence

from app.nlu.phonetic import words_of

_PIECES = 3
_PIECES_FROM = 4


def noisy_copies(
    text: str, fillers: Sequence[str], copies: int, rng: random.Random, idle_words: Collection[str] = ()
) -> list[str]:
    """Returns noisy variants of a sentence, at most `copies`, none equal to it.

    Args:
        text: One training sentence.
        fillers: Words that a speaker of its language says before the matter ("haan", "okay").
        copies: How many variants to try.
        rng: Source of chance.
        idle_words: Words that may be lost without changing the matter; a lost "recording" or "don't" would.
    """
    words = words_of(text)
    found: list[str] = []
    for number in range(copies):
        variant = list(words)
        idle = [index for index, word in enumerate(variant) if word in idle_words]
        if idle and len(variant) >= 4 and (number % 2 == 0 or rng.random() < 0.3):
            del variant[rng.choice(idle)]
        if sum(map(len, variant)) >= 6:
            variant = _misheard(variant, rng)
        if fillers and len(words) >= 3 and rng.random() < 0.4:
            variant.insert(0, rng.choice(fillers))
        sentence = " ".join(variant)
        if sentence and sentence != " ".join(words):
            found.append(sentence)
    return found


def spliced(texts: Sequence[str], count: int, rng: random.Random) -> list[str]:
    """Returns sentences spliced from pieces of others: familiar words that mean nothing together.

    They teach the classifier that one telling word ("number", "phone") is not yet a matter.

    Args:
        texts: Sentences to cut pieces from.
        count: How many to make.
        rng: Source of chance.
    """
    pool = [words for text in texts if len(words := words_of(text)) >= _PIECES_FROM]
    if len(pool) < _PIECES:
        return []
    made: list[str] = []
    for _ in range(count):
        pieces: list[str] = []
        for words in rng.sample(pool, _PIECES):
            length = rng.choice((1, 2))
            start = rng.randrange(len(words) - length + 1)
            pieces += words[start : start + length]
        rng.shuffle(pieces)
        made.append(" ".join(pieces))
    return made


def _misheard(words: list[str], rng: random.Random) -> list[str]:
    """Changes about one letter in twelve."""
    out = list(words)
    for _ in range(max(1, sum(map(len, out)) // 12)):
        index = rng.randrange(len(out))
        word = out[index]
        if len(word) < 3 or word.isdigit():
            continue
        at = rng.randrange(1, len(word))
        match rng.randrange(3):
            case 0:
                out[index] = word[:at] + word[at + 1 :]
            case 1:
                out[index] = word[:at] + rng.choice(word) + word[at:]
            case _:
                out[index] = word[:at] + rng.choice(word) + word[at + 1 :]
    return out
