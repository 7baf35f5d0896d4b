"""What is likely to be said, as an automaton over the recogniser's pieces: the beam search's lean towards hot words.

A phrase is matched letter by letter, so that every way of cutting it into pieces counts. Each matched letter lends a
hypothesis some credit; a phrase that is completed at a word's end keeps it, one that is abandoned gives it back.

Source: credit for each unit, given back where a phrase is abandoned, is the shallow fusion of "Contextual speech
recognition in end-to-end neural network systems using beam search" (Williams et al., 2018) and of the baseline in "Deep
context" (Pundak et al., 2018); here on CTC prefixes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from .engine import Bias
from .phrase_trie import DIGIT, WORD_START, PhraseTrie, fold, is_number_format, letters_of, spoken_forms

_TENS = -2
_KEPT = 64
_MOST_PLACES = 20_000

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class BiasWeights:
    """How far the search leans, in nats; tuned on words that docs/reports/asr-decoding.md does not measure.

    Attributes:
        phrase: Per letter of a phrase of the vocabulary, but for the first.
        expected: Per letter of a phrase that the question asks for.
        numeral: Per letter of a digit word while a number is awaited.
        fitting_number: For a number of a length that is asked for, at the utterance's end.
        inflected: Share of the credit that a word keeps which goes on after the phrase ("சென்னை" + "க்கு").
        most: The most that one phrase earns.
    """

    phrase: float = 1.6
    expected: float = 1.8
    numeral: float = 0.6
    fitting_number: float = 4.0
    inflected: float = 0.8
    most: float = 16.0


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a hypothesis stands: trie nodes that its last letters match, and the digits of its number so far."""

    vocabulary: frozenset[int]
    expected: frozenset[int]
    numeral: frozenset[int]
    digits: int
    room: int
    after_tens: bool


class BiasAutomaton:
    """Follows hypotheses piece by piece; places are numbered and steps remembered, since streams repeat them."""

    start = 0

    def __init__(
        self,
        pieces: Sequence[str],
        vocabulary: PhraseTrie,
        expected: PhraseTrie,
        numerals: PhraseTrie,
        bias: Bias,
        weights: BiasWeights,
    ) -> None:
        self._pieces = pieces
        self._tries = (vocabulary, expected, numerals)
        self._weights = weights
        self._wanted = bias.digits
        free = [letters_of(phrase).count(DIGIT) for phrase in bias.phrases if is_number_format(phrase)]
        room = max([bias.digits[1] if bias.digits else 0, *free])
        self._ceiling = (bias.digits[1] if bias.digits else 0) + 1
        nothing: frozenset[int] = frozenset()
        self._places = [_Place(nothing, nothing, nothing, 0, room, False)]
        self._numbers = {self._places[0]: 0}
        self._steps: list[dict[int, tuple[int, float]]] = [{}]
        self._endings: dict[int, float] = {}

    @property
    def size(self) -> int:
        """How many places have been reached so far; it grows with what callers say."""
        return len(self._places)

    def steps_from(self, place: int) -> dict[int, tuple[int, float]]:
        """Returns the steps already walked from a place, by piece."""
        return self._steps[place]

    def step(self, place: int, piece: int) -> tuple[int, float]:
        """Returns the place after a further piece and what the step earns or costs, in nats."""
        found = self._steps[place].get(piece)
        if found is None:
            found = self._steps[place][piece] = self._walk(place, piece)
        return found

    def ending(self, place: int) -> float:
        """Returns what is earned or given back if the utterance ends here."""
        found = self._endings.get(place)
        if found is None:
            at = self._places[place]
            after, gain = self._letter(at, WORD_START)
            found = gain - self._held(after)
            wanted = self._wanted
            if wanted is not None and wanted[0] <= after.digits <= wanted[1]:
                found += self._weights.fitting_number
            self._endings[place] = found
        return found

    def _walk(self, place: int, piece: int) -> tuple[int, float]:
        at, gain = self._places[place], 0.0
        for letter in fold(self._pieces[piece]):
            at, more = self._letter(at, letter)
            gain += more
        number = self._numbers.get(at)
        if number is None:
            number = self._numbers[at] = len(self._places)
            self._places.append(at)
            self._steps.append({})
        return number, gain

    def _letter(self, at: _Place, letter: str) -> tuple[_Place, float]:
        if letter != WORD_START and not (at.vocabulary or at.expected or at.numeral):
            return at, 0.0
        vocabulary, expected, numerals = self._tries
        earned, digits, room, after_tens = 0.0, at.digits, at.room, at.after_tens
        if letter == WORD_START:
            from_vocabulary, report = self._complete(vocabulary, at.vocabulary)
            from_expected, _ = self._complete(expected, at.expected)
            from_numeral, count = self._complete(numerals, at.numeral)
            if report:
                room = report
            if count:
                added = 0 if after_tens and count == 1 else abs(count)
                from_numeral = from_numeral if added <= room else 0.0
                digits, room = min(self._ceiling, digits + added), max(0, room - added)
            after_tens = count == _TENS
            earned = max(from_vocabulary, from_expected, from_numeral)
        after = _Place(
            vocabulary.follow(at.vocabulary, letter, stems=True),
            expected.follow(at.expected, letter, stems=True),
            numerals.follow(at.numeral, letter, stems=False) if room or self._wanted else frozenset(),
            digits,
            room,
            after_tens,
        )
        return after, earned + self._held(after) - self._held(at)

    def _held(self, at: _Place) -> float:
        """Returns the credit that is lent and not yet earned; of several matches the best counts."""
        vocabulary, expected, numerals = self._tries
        held = max(self._worth(vocabulary, at.vocabulary), self._worth(expected, at.expected))
        return max(held, self._worth(numerals, at.numeral)) if at.room else held

    def _worth(self, trie: PhraseTrie, nodes: frozenset[int]) -> float:
        share = self._weights.inflected
        return max((trie.worth[node] if node >= 0 else share * trie.worth[-1 - node] for node in nodes), default=0.0)

    def _complete(self, trie: PhraseTrie, nodes: frozenset[int]) -> tuple[float, int]:
        """Returns what the phrases that end here earn, and the report of the one that is spoken out."""
        ended = [node for node in nodes if node < 0 or node in trie.ends]
        if not ended:
            return 0.0, 0
        reports = [trie.ends[node] for node in ended if node >= 0]
        return self._worth(trie, frozenset(ended)), max(reports, key=abs, default=0)


class BiasCache:
    """Automata by what they lean towards, and tries by their phrases: streams with the same bias share them."""

    def __init__(self, pieces: Sequence[str], weights: BiasWeights | None = None) -> None:
        """Takes the vocabulary in order and the weights."""
        self._pieces = list(pieces)
        self._weights = weights or BiasWeights()
        self._automata: OrderedDict[Bias, BiasAutomaton] = OrderedDict()
        self._tries: OrderedDict[tuple[object, float], PhraseTrie] = OrderedDict()

    def automaton(self, bias: Bias | None) -> BiasAutomaton | None:
        """Returns the automaton of a bias, or None where there is nothing to lean towards."""
        if bias is None or not (bias.phrases or bias.expected or bias.digits):
            return None
        found = self._automata.get(bias)
        if found is None or found.size > _MOST_PLACES:
            weights = self._weights
            vocabulary = self._phrases(bias.phrases, weights.phrase)
            expected = self._phrases(bias.expected, weights.expected)
            numerals = self._numerals(bias.numerals, weights.numeral)
            found = BiasAutomaton(self._pieces, vocabulary, expected, numerals, bias, weights)
            _keep(self._automata, bias, found)
        self._automata.move_to_end(bias)
        return found

    def _phrases(self, phrases: tuple[str, ...], per_letter: float) -> PhraseTrie:
        found = self._tries.get((phrases, per_letter))
        if found is None:
            forms = [form for phrase in phrases for form in spoken_forms(phrase)]
            found = _keep(self._tries, (phrases, per_letter), PhraseTrie(forms, per_letter, self._weights.most))
        return found

    def _numerals(self, numerals: tuple[tuple[str, int], ...], per_letter: float) -> PhraseTrie:
        found = self._tries.get((numerals, per_letter))
        if found is None:
            forms = [(letters_of(word), count) for word, count in numerals]
            found = _keep(self._tries, (numerals, per_letter), PhraseTrie(forms, per_letter, self._weights.most))
        return found


def _keep(kept: OrderedDict[Key, Value], key: Key, value: Value) -> Value:
    kept[key] = value
    if len(kept) > _KEPT:
        kept.popitem(last=False)
    return value
