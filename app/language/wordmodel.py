"""How likely a Latin-letter word is in each language: known words first, letters of unknown ones second.

`identify` asks it for every Latin token. It is trained when packs are loaded, from their own sentences and lists.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.language.latinise import latin_key
from app.language.normalise import words_of
from app.language.packs import Pack
from app.language.scripts import LATIN, RULES_OF_SCRIPT, script_of_word

_ORDER = 4
_LIST_WEIGHT = 2.0
_FUNCTION_WEIGHT = 8.0
_SUFFIX_BONUS = 1.0
_FLOOR = 1e-7
_UNSEEN_SHARE = 0.12  # probability kept for words that no list holds


@dataclass(slots=True)
class _Letters:
    """Letter model of one language: counts of n-grams up to order 4, interpolated (Witten-Bell)."""

    grams: Counter[str] = field(default_factory=Counter)
    contexts: Counter[str] = field(default_factory=Counter)
    followers: Counter[str] = field(default_factory=Counter)

    def add(self, word: str, weight: float) -> None:
        padded = "^" * (_ORDER - 1) + word + "$"
        for at in range(_ORDER - 1, len(padded)):
            for size in range(_ORDER):
                context = padded[at - size : at]
                gram = context + padded[at]
                if gram not in self.grams:
                    self.followers[context] += 1
                self.grams[gram] += weight  # type: ignore[assignment]
                self.contexts[context] += weight  # type: ignore[assignment]

    def log_probability(self, word: str) -> float:
        """Returns ln P(letters of the word)."""
        padded = "^" * (_ORDER - 1) + word + "$"
        total = 0.0
        for at in range(_ORDER - 1, len(padded)):
            chance = 1 / 40
            for size in range(_ORDER):
                context = padded[at - size : at]
                seen = self.contexts.get(context, 0)
                if not seen:
                    break
                kinds = self.followers[context]
                chance = (self.grams.get(context + padded[at], 0) + kinds * chance) / (seen + kinds)
            total += math.log(chance)
        return total


class WordModel:
    """P(word | language) for the Latin spelling of each pack's language."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        """Trains on the packs' lists and sentences.

        Args:
            packs: All packs; those whose only script is Latin give the words that the others borrow.
        """
        self.tags = tuple(pack.tag for pack in packs)
        self.embedded = frozenset(pack.tag for pack in packs if set(pack.manifest.scripts) == {LATIN})
        borrowed = {word for pack in packs if pack.tag in self.embedded for word in _listed(pack)}
        self._logs: dict[str, tuple[float, ...]] = {}
        self._letters: list[_Letters] = []
        counts: list[Counter[str]] = []
        for pack in packs:
            counted = _count(pack, packs, frozenset() if pack.tag in self.embedded else frozenset(borrowed))
            letters = _Letters()
            for word in _latinised(pack):
                letters.add(word, 1.0)
            for word, weight in counted.items():
                letters.add(word, 1.0 + math.log(weight + 1.0))
            counts.append(counted)
            self._letters.append(letters)
        self._suffixes = tuple(pack.lexicon.suffixes for pack in packs)
        self._known = [{word: count / sum(c.values()) for word, count in c.items()} for c in counts]
        for word in {word for c in counts for word in c}:
            self._logs[word] = self._compute(word)

    def log_probabilities(self, word: str) -> tuple[float, ...]:
        """Returns ln P(word | language) per tag of `tags`, for a lower-case word."""
        known = self._logs.get(word)
        return known if known is not None else self._compute(word)

    def knows(self, word: str) -> bool:
        """Tells whether any list or sentence holds the word."""
        return word in self._logs

    def _compute(self, word: str) -> tuple[float, ...]:
        out = []
        for index, known in enumerate(self._known):
            spelt = self._letters[index].log_probability(word)
            if len(word) > 4 and any(word.endswith(suffix) for suffix in self._suffixes[index]):
                spelt += _SUFFIX_BONUS
            out.append(
                math.log((1 - _UNSEEN_SHARE) * known.get(word, 0.0) + _UNSEEN_SHARE * math.exp(spelt) + _FLOOR**2)
            )
        return tuple(out)


def _latinised(pack: Pack) -> set[str]:
    """Returns a pack's native words in Latin letters: they teach how the language's words look."""
    words = {*_words([pack], ("native", "asr")), *pack.lexicon.function_words_native}
    return {latin_key(word) for word in words if script_of_word(word) in RULES_OF_SCRIPT}


def _listed(pack: Pack) -> Iterable[str]:
    lexicon = pack.lexicon
    return lexicon.common_words | lexicon.function_words_native


def _count(pack: Pack, packs: Sequence[Pack], borrowed: frozenset[str]) -> Counter[str]:
    """Counts a pack's Latin words; words that it borrows count only where they are its own function words."""
    counted: Counter[str] = Counter()
    lexicon = pack.lexicon
    own = lexicon.function_words_romanised if borrowed else lexicon.function_words_native
    lists: Mapping[str, float] = {
        **{word: _LIST_WEIGHT for word in lexicon.common_words},
        **{word: _LIST_WEIGHT for word in lexicon.speak_words | lexicon.yes_words | lexicon.backchannels},
        **{word: _LIST_WEIGHT for word in (*pack.digit_words, *pack.number_words)},
        **{word: _FUNCTION_WEIGHT for word in own},
    }
    for phrase, weight in lists.items():
        for word in phrase.split():
            if script_of_word(word) == LATIN and (word not in borrowed or word in own):
                counted[word] += weight  # type: ignore[assignment]
    forms = ("romanised", "mixed") if borrowed else ("native", "asr")
    for word in _sentence_words([pack], forms):
        if word not in borrowed or word in own:
            counted[word] += 1
    if not borrowed:
        for word in _sentence_words([other for other in packs if other is not pack], ("asr",)):
            counted[word] += 1
    return counted


def _sentence_words(packs: Iterable[Pack], forms: Sequence[str]) -> Iterable[str]:
    return (word for word in _words(packs, forms) if script_of_word(word) == LATIN)


def _words(packs: Iterable[Pack], forms: Sequence[str]) -> Iterable[str]:
    for pack in packs:
        for by_form in pack.intents.values():
            for form in forms:
                for text in by_form.get(form, ()):
                    yield from words_of(text)
