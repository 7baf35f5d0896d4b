"""What is said in training, and that nothing kept for the tests is among it."""

import random
from pathlib import Path

import pytest

from app.speech.asr.training.recipe import load_recipe
from app.speech.asr.training.sources import is_romanised, is_speakable, load_phrases, pack_sentences
from app.speech.asr.training.text import LANGUAGES, TelephoneText, TextSource

pytestmark = pytest.mark.unit
PACKS = Path(__file__).parents[4] / "lang_packs"


@pytest.fixture(scope="module")
def source(small_recipe: Path) -> TextSource:
    return TextSource(load_recipe(small_recipe), seed=3, packs_dir=PACKS)


def test_the_same_seed_says_the_same(small_recipe: Path) -> None:
    recipe = load_recipe(small_recipe)
    first, second = (TextSource(recipe, 5, None) for _ in range(2))
    assert [first.draw() for _ in range(200)] == [second.draw() for _ in range(200)]


def test_training_says_nothing_that_is_kept_for_tests(source: TextSource) -> None:
    drawn = {source.draw().text for _ in range(4000)}
    validation = source.validation(40)
    for kind in ("unseen_open", "unseen_pack"):
        kept = {item.text for item in validation if item.kind == kind}
        assert len(kept) > 10
        assert not kept & drawn, kind
    words = {word for item in validation if item.kind == "unseen_words" for word in item.text.split()}
    assert words
    assert not words & {word for text in drawn for word in text.split() if " " not in text}


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("hi", "hello मेरा laptop कब आएगा"),
        ("en", "please tell me why did you charge two lakh rupees"),
        ("te", "నా order ఇంకా రాలేదు sir"),
        ("ta", "order status சொல்லுங்க"),
    ],
)
def test_a_held_out_template_is_known_whatever_fills_it(language: str, sentence: str) -> None:
    talk = TelephoneText(load_phrases(), language, random.Random(1), held_out=0.1)
    assert talk.is_kept_for_tests(sentence)
    assert not talk.is_kept_for_tests("hello")


def test_every_kind_and_language_is_drawn_and_speakable(source: TextSource) -> None:
    drawn = [source.draw() for _ in range(3000)]
    assert {item.kind for item in drawn} >= {"words", "sentence", "frame", "open", "pack", "digits", "short"}
    assert {item.language for item in drawn} == set(LANGUAGES)
    assert all(is_speakable(item.text) and "{" not in item.text for item in drawn)
    mixed = [item for item in drawn if item.language != "en" and item.kind in ("frame", "open", "sentence", "pack")]
    switched = sum(any(word.isascii() for word in item.text.split()) for item in mixed) / len(mixed)
    assert 0.3 < switched < 0.8


def test_every_slot_of_every_frame_has_words() -> None:
    for language, lists in load_phrases().items():
        talk = TelephoneText(load_phrases(), language, random.Random(2))
        for frame in lists["frames"]:
            assert "{" not in talk.fill(frame)


def test_hindi_one_is_said_more_often_than_other_digits() -> None:
    talk = TelephoneText(load_phrases(), "hi", random.Random(4))
    words = [word for _ in range(800) for word in talk.digit_string().text.split()]
    assert words.count("एक") > 1.5 * words.count("चार")


def test_romanised_sentences_are_left_out() -> None:
    english = {"send", "my", "order", "please"}
    assert is_romanised("mera order bhejo please", english)
    assert not is_romanised("send my order please", english)
    assert not is_romanised("मेरा order भेजिए", english)
    assert len(pack_sentences(PACKS)) > 1000
