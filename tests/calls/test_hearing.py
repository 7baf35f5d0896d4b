"""What the recogniser is told to expect, from the real packs."""

import pytest

from app.calls.hearing import bias_for, numerals, packs_of
from app.dialogue.turn import Expectation
from app.language.packs import Pack
from tests.packs import shipped_packs

pytestmark = pytest.mark.langpack


@pytest.fixture(scope="module")
def packs() -> tuple[Pack, ...]:
    return shipped_packs().packs


def tags(packs: tuple[Pack, ...]) -> list[str]:
    return [pack.tag for pack in packs]


def test_english_words_may_turn_up_in_every_language(packs: tuple[Pack, ...]) -> None:
    assert sorted(tags(packs_of(("ta-IN",), packs))) == ["en-IN", "ta-IN"]
    assert tags(packs_of(("en-IN",), packs)) == ["en-IN"]


def test_numerals_are_written_as_transcripts_write_them(packs: tuple[Pack, ...]) -> None:
    words = dict(numerals(packs_of(("hi-IN",), packs)))
    assert (words["चार"], words["four"], words["double"], words["चालीस"], words["forty"]) == (1, 1, 1, -2, -2)
    assert words["triple"] == 2
    assert words["ग्यारह"] == words["eleven"] == 2
    assert not words.keys() & {"chaar", "paanch", "सौ", "hundred"}


@pytest.mark.parametrize(
    ("expectation", "words", "others"),
    [
        (Expectation.YES_NO, {"हाँ", "नहीं", "yes"}, {"haan", "सोमवार"}),
        (Expectation.LANGUAGE, {"तमिल", "hindi"}, {"हाँ"}),
        (Expectation.DATE, {"सोमवार", "कल", "tomorrow", "जनवरी"}, {"kal", "हाँ"}),
        (Expectation.TEXT, {"मोबाइल"}, {"हाँ"}),
    ],
)
def test_each_question_expects_its_answers(
    packs: tuple[Pack, ...], expectation: Expectation, words: set[str], others: set[str]
) -> None:
    bias = bias_for(expectation, None, packs_of(("hi-IN",), packs), ())
    assert words <= set(bias.expected)
    assert not others & set(bias.expected)
    assert (bias.digits, bias.numerals) == (None, ())


def test_a_time_is_expected_in_words_of_the_clock(packs: tuple[Pack, ...]) -> None:
    assert bias_for(Expectation.TIME, None, packs_of(("te-IN",), packs), ()).expected


def test_a_number_is_expected_with_its_length(packs: tuple[Pack, ...]) -> None:
    own = packs_of(("ta-IN",), packs)
    assert bias_for(Expectation.DIGITS, (4, 8), own, ()).digits == (4, 8)
    assert bias_for(Expectation.DIGITS, None, own, ()).digits == (1, 16)
    assert bias_for(Expectation.OPEN, (4, 8), own, ()).digits is None
    assert dict(bias_for(Expectation.DIGITS, None, own, ()).numerals)["நாலு"] == 1


def test_the_vocabulary_and_the_cities_are_always_listened_for(packs: tuple[Pack, ...]) -> None:
    own = packs_of(("hi-IN",), packs)
    bias = bias_for(Expectation.OPEN, None, own, ("Zenfone",))
    assert bias.phrases[0] == "Zenfone"
    assert {"दिल्ली", "delhi"} <= set(bias.phrases)
    assert bias.numerals == ()
    assert bias_for(Expectation.OPEN, None, own, ("AB-####",)).numerals
    assert bias_for(Expectation.OPEN, None, own, ("Zenfone",)) is bias


def test_a_word_is_listened_for_as_transcripts_write_it_too(packs: tuple[Pack, ...]) -> None:
    bias = bias_for(Expectation.OPEN, None, packs, ("ऑर्डर बुक",))
    assert {"ऑर्डर बुक", "order बुक"} <= set(bias.phrases)
