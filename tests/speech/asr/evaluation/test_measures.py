"""Each measure on small cases worked out by hand; distances against jiwer's."""

import hypothesis
import jiwer
import pytest
from hypothesis import strategies as st

from app.language.packs import Pack
from app.speech.asr.evaluation.alignment import align, graphemes
from app.speech.asr.evaluation.measures import Heard, count, embedded_words, partial_changes
from app.speech.asr.evaluation.transliteration import is_same_word
from tests.packs import shipped_packs

pytestmark = pytest.mark.langpack
WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def packs() -> tuple[Pack, ...]:
    registry = shipped_packs()
    return tuple(registry.get(tag) for tag in ("hi-IN", "en-IN"))


@hypothesis.given(WORDS, WORDS)
def test_counts_are_those_of_jiwer(reference: list[str], heard: list[str]) -> None:
    theirs = jiwer.process_words(" ".join(reference), " ".join(heard))
    pairs = align(reference, heard)
    hits = sum(a is not None and b is not None and reference[a] == heard[b] for a, b in pairs)
    assert len(pairs) - hits == theirs.substitutions + theirs.deletions + theirs.insertions
    counted = count(" ".join(reference), Heard(" ".join(heard)), ())
    assert counted["wer"][0] / counted["wer"][1] == pytest.approx(theirs.wer)
    assert counted["cer"][0] / counted["cer"][1] == pytest.approx(jiwer.cer(" ".join(reference), " ".join(heard)))
    assert [a for a, _ in pairs if a is not None] == list(range(len(reference)))
    assert [b for _, b in pairs if b is not None] == list(range(len(heard)))


def test_match_error_rate_never_exceeds_one() -> None:
    counted = count("a", Heard("b c d"), ())
    assert counted["wer"] == (3, 1)
    assert counted["match_error_rate"] == (3, 3)


def test_graphemes_hold_their_signs() -> None:
    assert graphemes("சென்னை") == ["செ", "ன்", "னை"]
    assert graphemes("हिंदी") == ["हिं", "दी"]


def test_mixed_error_rate_takes_latin_words_whole_and_indic_letters() -> None:
    counted = count("मेरा order", Heard("मेरी order"), ())
    assert counted["mixed_error_rate"] == (1, 3)


@pytest.mark.parametrize(
    ("one", "other"),
    [("order", "ऑर्डर"), ("cancel", "कैंसिल"), ("delivery", "டெலிவரி"), ("status", "स्टेटस"), ("account", "अकाउंट"),
     ("whatsapp", "వాట్సాప్"), ("phone", "फ़ोन"), ("order", "ఆర్డర్"), ("return", "ரிட்டர்ன்")],
)  # fmt: skip
def test_an_english_word_is_itself_in_either_script(one: str, other: str) -> None:
    assert is_same_word(one, other)
    assert is_same_word(other, one)


@pytest.mark.parametrize(
    ("one", "other"), [("order", "ओडर"), ("order", "वापस"), ("a", "ए"), ("मेरा", "मेरे"), ("no", "know")]
)
def test_other_words_are_not(one: str, other: str) -> None:
    assert not is_same_word(one, other)


def test_t_wer_forgives_the_script_and_nothing_else(packs: tuple[Pack, ...]) -> None:
    counted = count("मेरा order कहाँ है", Heard("मेरा ऑर्डर कहा है"), packs)
    assert counted["wer"] == (2, 4)
    assert counted["t_wer"] == (1, 4)


def test_pier_counts_on_embedded_words_only(packs: tuple[Pack, ...]) -> None:
    assert embedded_words("मेरा order cancel करो".split()) == [1, 2]
    assert embedded_words("cancel my order".split()) == []
    assert count("मेरा order cancel करो", Heard("तेरा order कैंसिल करो"), packs)["pier"] == (1, 2)
    assert count("मेरा order cancel करो", Heard("मेरा order the cancel करो वो"), packs)["pier"] == (1, 2)
    assert "pier" not in count("मेरा सामान", Heard("मेरा"), packs)


def test_script_fidelity_looks_at_aligned_words(packs: tuple[Pack, ...]) -> None:
    assert count("मेरा order है", Heard("मेरा ऑर्डर"), packs)["script_fidelity"] == (1, 2)


def test_digits_are_right_however_they_are_said(packs: tuple[Pack, ...]) -> None:
    assert count("number चार पाँच दो दो", Heard("नंबर four five double two"), packs)["digits_right"] == (1, 1)
    assert count("number चार पाँच दो दो", Heard("number चार पाँच दो"), packs)["digits_right"] == (0, 1)
    assert "digits_right" not in count("मेरा order", Heard("मेरा order"), packs)


def test_first_words_apart_from_later_ones() -> None:
    counted = count("a b c", Heard("x b"), ())
    assert counted["first_word_errors"] == (1, 1)
    assert counted["later_word_errors"] == (1, 2)


def test_partials_that_change() -> None:
    assert partial_changes([("a",), ("a", "b"), ("a", "c", "d"), ("a", "c", "d")]) == (0, 2)
    assert partial_changes([("a", "b"), ("x", "b", "c"), ("x", "b")]) == (1, 3)
    assert partial_changes([("a", "b", "c"), ()]) == (2, 2)
    assert partial_changes([("a", "b")]) == (0, 0)


def test_times() -> None:
    early = count("a", Heard("a", endpoint_ms=-40.0, has_endpointing=True, final_ms=9.0), ())
    assert early["early_cut"] == (1, 1)
    assert "endpoint_ms" not in early
    late = count("a", Heard("a", endpoint_ms=500.0, has_endpointing=True), ())
    assert (late["early_cut"], late["endpoint_ms"], late["unheard"]) == ((0, 1), (500.0, 1), (0, 1))
    assert count("a", Heard("", has_endpointing=True), ())["unheard"] == (1, 1)
    assert "unheard" not in count("a", Heard("a"), ())
