"""The lean towards hot words: credit lent, earned and given back, and what the search makes of it."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from app.speech.asr.beam import BeamDecoder, BeamSettings
from app.speech.asr.biasing import BiasAutomaton, BiasCache, BiasWeights
from app.speech.asr.engine import Bias
from app.speech.asr.features import FloatArray
from app.speech.asr.ngrams import NgramModel, context_key
from app.speech.asr.phrase_trie import letters_of
from app.speech.asr.served import make_decoder

pytestmark = pytest.mark.unit

PIECES = ["▁mad", "u", "r", "ai", "▁m", "a", "d", "▁", "mad", "▁road", "▁சென்னை", "க்கு", "▁four", "▁five", "▁double",
          "▁forty", "▁a", "b", "▁हिं", "दी", "▁हिँ", "▁madras"]  # fmt: skip
WEIGHTS = BiasWeights(phrase=1.0, expected=2.0, numeral=0.5, fitting_number=3.0, inflected=0.5, most=100.0)
NUMERALS = (("four", 1), ("five", 1), ("double", 1), ("forty", -2))


def automaton(**bias: object) -> BiasAutomaton:
    found = BiasCache(PIECES, WEIGHTS).automaton(Bias(**bias))  # type: ignore[arg-type]
    assert found is not None
    return found


def earned(lean: BiasAutomaton, *pieces: str) -> float:
    """Returns the whole credit of a sequence, its ending included."""
    place, total = lean.start, 0.0
    for piece in pieces:
        place, gain = lean.step(place, PIECES.index(piece))
        total += gain
    return total + lean.ending(place)


@pytest.mark.parametrize(
    "pieces",
    [
        ("▁mad", "u", "r", "ai"),
        ("▁m", "a", "d", "u", "r", "ai"),
        ("▁", "mad", "u", "r", "ai"),
        ("▁", "mad", "u", "r", "a"),
    ],
)
def test_every_segmentation_earns_the_same(pieces: tuple[str, ...]) -> None:
    expected = 6.0 if pieces[-1] == "ai" else 0.0
    assert earned(automaton(phrases=("Madurai",)), *pieces) == pytest.approx(expected)


def test_abandoned_credit_is_given_back() -> None:
    lean = automaton(phrases=("madurai",))
    place, lent = lean.step(lean.start, PIECES.index("▁mad"))
    assert lent == pytest.approx(2.0)
    _, taken = lean.step(place, PIECES.index("a"))
    assert taken == pytest.approx(-2.0)
    assert earned(lean, "▁mad", "▁road") == pytest.approx(0.0)


def test_a_phrase_of_two_words_pays_both_and_its_first_word_alone_nothing() -> None:
    lean = automaton(phrases=("madurai road",))
    assert earned(lean, "▁mad", "u", "r", "ai", "▁road") == pytest.approx(10.0)
    assert earned(lean, "▁mad", "u", "r", "ai") == pytest.approx(0.0)
    assert earned(automaton(phrases=("madurai", "madurai road")), "▁mad", "u", "r", "ai", "▁road") == pytest.approx(9.0)


def test_a_word_that_goes_on_keeps_its_share() -> None:
    lean = automaton(phrases=("சென்னை",))
    whole = earned(lean, "▁சென்னை")
    assert whole > 0
    assert earned(lean, "▁சென்னை", "க்கு") == pytest.approx(whole / 2)


def test_spellings_of_nasal_signs_and_case_are_one() -> None:
    assert letters_of("हिँदी!") == letters_of("हिंदी") == "▁हिंदी"
    lean = automaton(phrases=("हिंदी",))
    assert earned(lean, "▁हिँ", "दी") == earned(lean, "▁हिं", "दी") > 0


def test_what_the_question_expects_weighs_more() -> None:
    assert earned(automaton(expected=("madras",)), "▁madras") == pytest.approx(10.0)


def test_a_number_of_the_wanted_length_is_favoured() -> None:
    lean = automaton(digits=(3, 3), numerals=NUMERALS)
    fitting = earned(lean, "▁four", "▁five", "▁four")
    assert fitting == pytest.approx(earned(lean, "▁four", "▁five") + 1.5 + 3.0)
    assert earned(lean, "▁double", "▁five", "▁four") > earned(lean, "▁double", "▁five")
    assert earned(lean, "▁four", "▁five", "▁four", "▁four") == pytest.approx(fitting - 3.0)
    assert earned(lean, "▁forty", "▁five", "▁four") > 3.0
    assert earned(automaton(phrases=("madras",), numerals=NUMERALS), "▁four", "▁five") == pytest.approx(0.0)


def test_a_format_awaits_its_digits() -> None:
    lean = automaton(phrases=("AB-##",), numerals=NUMERALS)
    plain = earned(lean, "▁a", "b")
    assert plain > 0
    assert earned(lean, "▁a", "b", "▁four", "▁five") == pytest.approx(plain + 3.0)
    assert earned(lean, "▁a", "b", "▁four", "▁five", "▁four") == pytest.approx(plain + 3.0)
    assert earned(lean, "▁four", "▁five") == pytest.approx(0.0)
    assert earned(automaton(phrases=("##",), numerals=NUMERALS), "▁four", "▁five") == pytest.approx(3.0)


def test_nothing_to_lean_towards_is_no_automaton() -> None:
    cache = BiasCache(PIECES)
    assert cache.automaton(None) is None
    assert cache.automaton(Bias(numerals=NUMERALS)) is None


def test_streams_with_the_same_bias_share_one_automaton() -> None:
    cache = BiasCache(PIECES)
    assert cache.automaton(Bias(("madurai",))) is cache.automaton(Bias(tuple(["madu" + "rai"])))
    for number in range(100):
        cache.automaton(Bias((f"word{number}",)))
    assert cache.automaton(Bias(("madurai",))) is not None


def test_credit_never_depends_on_the_way() -> None:
    """What a sequence has earned in the end is the sum over its complete words, for every sequence of pieces."""
    lean = automaton(phrases=("madurai", "madras", "a"), expected=("road",))
    worth = {"madurai": 6.0, "madras": 5.0, "a": 0.0, "road": 6.0}
    for pieces in itertools.product(("▁mad", "u", "r", "ai", "▁road", "▁a", "▁madras"), repeat=4):
        words = "".join(pieces).replace("▁", " ").split() if pieces[0].startswith("▁") else []
        if words and all(word in worth for word in words):
            assert earned(lean, *pieces) == pytest.approx(sum(worth[word] for word in words)), pieces


def frames(*rows: dict[str, float]) -> FloatArray:
    """Returns float32[frames, pieces + 1] log probabilities; what a row does not name is unlikely, "" is the blank."""
    made = np.full((len(rows), len(PIECES) + 1), 1e-5, np.float32)
    for at, row in enumerate(rows):
        for piece, probability in row.items():
            made[at, PIECES.index(piece) if piece else len(PIECES)] = probability
    return np.log(made)


def decoder() -> BeamDecoder:
    radix = len(PIECES) + 2
    ngrams = NgramModel({context_key((piece,), radix): -2.0 for piece in range(len(PIECES))}, {}, 3, len(PIECES))
    return BeamDecoder(PIECES, 80, 0, ngrams, BeamSettings(language_weight=0.0, piece_bonus=0.0), WEIGHTS)


HEARD = frames({"▁madras": 0.6, "▁mad": 0.3}, {"": 0.7, "u": 0.29}, {"": 0.6, "r": 0.39}, {"": 0.7, "ai": 0.3})


def test_the_search_hears_what_the_business_says() -> None:
    decode = decoder()
    heard = {}
    for bias in (None, Bias(("madurai",)), Bias(("சென்னை",))):
        state = decode.new_state(bias)
        decode.advance(state, HEARD)
        heard[bias] = [word.text for word in decode.words(state)]
    assert list(heard.values()) == [["madras"], ["madurai"], ["madras"]]


def test_what_was_not_heard_is_not_invented() -> None:
    decode = decoder()
    state = decode.new_state(Bias(("சென்னை",), (4, 4), ("madurai",), NUMERALS))
    decode.advance(state, frames({"▁road": 0.99}, {"": 0.98}))
    assert [word.text for word in decode.words(state)] == ["road"]


def test_alternatives_are_other_texts_with_shares() -> None:
    decode = decoder()
    state = decode.new_state(Bias(("madurai",)))
    decode.advance(state, HEARD)
    others = decode.alternatives(state)
    texts = [other.text for other in others]
    assert "madras" in texts
    assert "madurai" not in texts
    assert len(set(texts)) == len(texts) <= 4
    assert [other.confidence for other in others] == sorted((other.confidence for other in others), reverse=True)
    assert 0 < sum(other.confidence for other in others) < 1
    assert others[0].text == " ".join(word.text for word in others[0].words)


def test_a_copy_keeps_the_bias() -> None:
    decode = decoder()
    state = decode.new_state(Bias(("madurai",)))
    twin = state.copy()
    decode.advance(twin, HEARD)
    assert [word.text for word in decode.words(twin)] == ["madurai"]
    assert decode.words(state) == ()


def test_without_n_grams_the_search_hears_what_greedy_hears_and_still_leans(tmp_path: Path) -> None:
    decode = make_decoder(PIECES, 80, 0, tmp_path / "none", BeamSettings(), greedy=False)
    state, biased = decode.new_state(), decode.new_state(Bias(("madurai",)))
    for one in (state, biased):
        decode.advance(one, HEARD)
    assert [word.text for word in decode.words(state)] == ["madras"]
    assert [word.text for word in decode.words(biased)] == ["madurai"]
    greedy = make_decoder(PIECES, 80, 0, tmp_path / "none", BeamSettings(), greedy=True)
    alone = greedy.new_state(Bias(("madurai",)))
    greedy.advance(alone, HEARD)
    assert [word.text for word in greedy.words(alone)] == ["madras"]
