"""Which language carries an utterance: script, words and letters, the state of the call, and what the caller asks for.

Stands after recognition and normalisation, before understanding. A sentence belongs to the language of its function
words and verbs: "payment ho gaya" is Hindi with an English noun.
"""

import math
from collections.abc import Collection, Sequence
from functools import lru_cache
from itertools import pairwise

from app.language.guess import LanguageGuess
from app.language.normalise import words_of
from app.language.packs import Pack
from app.language.request import requested_language
from app.language.respelt import Respelt
from app.language.scripts import LATIN, script_of_word
from app.language.strangers import stranger
from app.language.wordmodel import WordModel

UNKNOWN = "und"
_EVIDENCE = ("script", "respelt", "words", "letters", "grammar")
_STAY = 0.8  # probability that the next word is of the same language
_CURRENT_BONUS = 0.35
_ASR_BONUS = 0.6
_BORROWED = 0.08  # weight of a content word of the language that all others borrow from
_BORROWED_GRAMMAR = 0.4
_OWN = 1.0
_NOISE = 0.04
_SHARPNESS = 2.0
_GRAMMAR_OF_A_SENTENCE = 2  # function words of the lending language that make a sentence its own
_NAMES_ONLY = 0.3  # weight of a language's words where none of them is a function word: names, dishes, festivals
# ln P(native word | language), up to a constant: of a known word; of a word of another language, respelt; of another
# language's function word in a shared script; of an unknown word in a script that is not the language's; impossible.
_KNOWN, _OTHERS_WORD, _OTHERS_FUNCTION_WORD, _MISSPELT, _IMPOSSIBLE = -2.0, -5.0, -6.0, -3.0, -30.0
_OUTSIDE = 0.15  # weight of words of a language that the agent does not speak


def identify(
    text: str,
    packs: Sequence[Pack],
    *,
    enabled: Collection[str] | None = None,
    current: str | None = None,
    asr_tag: str | None = None,
) -> LanguageGuess:
    """Returns the language of an utterance.

    Args:
        text: What was recognised or typed.
        packs: All loaded packs (a request may name a language that the agent does not speak).
        enabled: Tags that the agent speaks; all packs when not given.
        current: The language of the conversation so far: decides between equals.
        asr_tag: The recogniser's own tag, if it has one.
    """
    return identifier(tuple(packs)).identify(text, enabled=enabled, current=current, asr_tag=asr_tag)


@lru_cache(maxsize=4)
def identifier(packs: tuple[Pack, ...]) -> "Identifier":
    """Returns the identifier of a set of packs, trained on first use (a fraction of a second; call it at start)."""
    return Identifier(packs)


class Identifier:
    """Identification for a fixed set of packs; thread-safe after construction."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        self._packs = tuple(packs)
        self._tags = tuple(pack.tag for pack in packs)
        self._model = WordModel(packs)
        self._function = [pack.lexicon.function_words_romanised | pack.lexicon.function_words_native for pack in packs]
        self._native = {
            script: tuple(i for i, pack in enumerate(packs) if script in pack.manifest.scripts)
            for script in {s for pack in packs for s in pack.manifest.scripts} - {LATIN}
        }
        self._respelt = Respelt(packs)
        self._embedded = tuple(tag in self._model.embedded for tag in self._tags)
        self._stay, self._leave = math.log(_STAY), math.log((1 - _STAY) / max(1, len(self._tags) - 1))
        self._noises = frozenset(word for pack in packs for word in pack.lexicon.backchannels)

    def identify(
        self, text: str, *, enabled: Collection[str] | None, current: str | None, asr_tag: str | None
    ) -> LanguageGuess:
        """Returns the language of an utterance; see the function `identify`."""
        words = words_of(text)
        states = self._label([self._emissions(word) for word in words])
        tags = tuple(UNKNOWN if state is None else self._tags[state] for state in states)
        allowed = [i for i, tag in enumerate(self._tags) if enabled is None or tag in enabled]
        weights, grammar = self._weigh(words, states, allowed)
        matrix, confidence, swayed = self._carrier(weights, len(words), current, asr_tag)
        foreign = stranger(words, self._share_known(words)) if matrix is not None else None
        if foreign is not None and foreign != matrix:
            confidence *= 0.5
        evidence = () if matrix is None else self._evidence(words, states, self._tags.index(matrix), grammar)
        known = [(index, tag) for index, tag in enumerate(tags) if tag != UNKNOWN]
        return LanguageGuess(
            matrix=matrix,
            confidence=round(confidence, 4),
            token_tags=tags,
            switch_points=tuple(index for (_, before), (index, tag) in pairwise(known) if tag != before),
            requested=requested_language(words, self._packs),
            evidence=(*evidence, *swayed, *(() if foreign is None else (f"stranger:{foreign}",))),
        )

    def _emissions(self, word: str) -> tuple[float, ...] | None:
        """Returns ln P(word | language) per pack; None for what speaks for no language (figures, other scripts)."""
        script = script_of_word(word)
        if script is None:
            return None
        if script == LATIN:
            return self._model.log_probabilities(word)
        among = self._native.get(script)
        if not among:
            return None
        foreign = self._respelt.packs_of(word)
        if foreign:
            return self._native_scores(foreign, _KNOWN, among, _OTHERS_WORD)
        own = [i for i in among if word in self._function[i]]
        if own:
            return self._native_scores(own, _KNOWN, among, _OTHERS_FUNCTION_WORD)
        return self._native_scores(among, _KNOWN, self._respelt.strangers_of(word), _MISSPELT)

    def _native_scores(
        self, likely: Collection[int], score: float, others: Collection[int], lesser: float
    ) -> tuple[float, ...]:
        rest = range(len(self._tags))
        return tuple(score if i in likely else (lesser if i in others else _IMPOSSIBLE) for i in rest)

    def _label(self, emissions: Sequence[tuple[float, ...] | None]) -> list[int | None]:
        """Labels each word by the likeliest path (Viterbi); unlabelled words do not break the path."""
        count = range(len(self._tags))
        scores: list[float] = []
        back: list[list[int]] = []
        for emission in emissions:
            if emission is None:
                continue
            if not scores:
                scores = list(emission)
                back.append([])
                continue
            top = max(count, key=scores.__getitem__)
            change, stay = scores[top] + self._leave, self._stay
            came = [j if scores[j] + stay >= change else top for j in count]
            scores = [max(scores[j] + stay, change) + emission[j] for j in count]
            back.append(came)
        path: list[int] = []
        if scores:
            state = max(count, key=scores.__getitem__)
            for came in reversed(back):
                path.append(state)
                if came:
                    state = came[state]
            path.reverse()
        steps = iter(path)
        return [None if emission is None else next(steps) for emission in emissions]

    def _weigh(
        self, words: Sequence[str], states: Sequence[int | None], allowed: Sequence[int]
    ) -> tuple[dict[int, float], dict[int, int]]:
        """Returns the weight of each language that may carry, and how many function words each language has.

        Nothing is weighed when no word speaks for any language.
        """
        weights = dict.fromkeys(allowed, 0.0)
        grammar = dict.fromkeys(range(len(self._tags)), 0)
        for word, state in zip(words, states, strict=True):
            if state is None:
                continue
            grammar[state] += word in self._function[state] and word not in self._noises
            weight = self._weight(word, state)
            if state in weights:
                weights[state] += weight
            else:
                for index in allowed:
                    weights[index] += _OUTSIDE * weight / len(allowed)
        if all(state is None for state in states):
            return {}, grammar
        if sum(grammar[index] for index in allowed if self._embedded[index]) >= _GRAMMAR_OF_A_SENTENCE:
            for index in allowed:
                weights[index] *= 1.0 if grammar[index] or self._embedded[index] else _NAMES_ONLY
        return weights, grammar

    def _carrier(
        self, weights: dict[int, float], length: int, current: str | None, asr_tag: str | None
    ) -> tuple[str | None, float, tuple[str, ...]]:
        """Returns the carrying language, its probability, and which of the call's hints decided, if one did."""
        if not weights:
            return None, 0.0, ()
        swayed = dict(weights)
        for index in weights:
            tag = self._tags[index]
            swayed[index] += _CURRENT_BONUS * (tag == current) * (length <= 2)
            swayed[index] += 0.05 * (tag == current) + _ASR_BONUS * (tag == asr_tag)
        best = max(swayed, key=swayed.__getitem__)
        tag = self._tags[best]
        alone = max(weights, key=weights.__getitem__)
        decided = alone != best or list(weights.values()).count(weights[best]) > 1
        hints = tuple(name for name, hint in (("state", current), ("asr", asr_tag)) if decided and hint == tag)
        share = [math.exp(_SHARPNESS * (weight - swayed[best])) for weight in swayed.values()]
        return tag, 1.0 / sum(share), hints

    def _evidence(
        self, words: Sequence[str], states: Sequence[int | None], matrix: int, grammar: dict[int, int]
    ) -> tuple[str, ...]:
        """Names what speaks for the carrying language, in the fixed order of docs/language.md."""
        found = set()
        for word, state in zip(words, states, strict=True):
            if state != matrix:
                continue
            script = script_of_word(word)
            if script == LATIN:
                found.add("words" if self._model.knows(word) else "letters")
            elif script is not None:
                found.add("script" if matrix in self._native.get(script, ()) else "respelt")
        if grammar[matrix]:
            found.add("grammar")
        return tuple(name for name in _EVIDENCE if name in found)

    def _weight(self, word: str, state: int) -> float:
        if word in self._noises or len(word) == 1:
            return _NOISE
        if self._embedded[state]:
            return _BORROWED_GRAMMAR if word in self._function[state] else _BORROWED
        return _OWN

    def _share_known(self, words: Sequence[str]) -> float:
        """Returns the share of words that some pack's lists or sentences hold."""
        known = sum(self._model.knows(word) or any(word in listed for listed in self._function) for word in words)
        return known / len(words) if words else 1.0
