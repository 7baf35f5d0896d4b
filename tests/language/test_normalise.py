"""One spelling for one text."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.language.normalise import normalise, words_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  a \u00a0 b ", "a b"),
        ("हाँ | नहीं", "हाँ | नहीं"),
        ("ज\u093c\u200dरा", "ज\u093cरा"),
        ("\u095b", "ज\u093c"),
        ("don\u2019t", "don't"),
        ("கொ", "கொ"),
    ],
)
def test_spelling(text: str, expected: str) -> None:
    assert normalise(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("ठीक है।", ["ठीक", "है"]),
        ("don't e-mail", ["don't", "e-mail"]),
        ("ஆமா, சரி?", ["ஆமா", "சரி"]),
        ("' - &", []),
        ("", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words_of(text) == expected


@given(st.text(max_size=60))
def test_normalising_again_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert unicodedata.is_normalized("NFC", once)
    assert normalise(once) == once


@pytest.mark.parametrize(
    ("typed", "right"),
    [
        ("\u0915\u093e\u0947", "\u0915\u094b"),
        ("\u0905\u093e\u092a", "\u0906\u092a"),
        ("\u0915\u093e\u0948\u0928", "\u0915\u094c\u0928"),
        ("\u0b85\u0bbe\u0bae\u0bbe", "\u0b86\u0bae\u0bbe"),
        ("\u0926\u0941:\u0916", "\u0926\u0941\u0903\u0916"),
    ],
)
def test_vowels_typed_in_parts_become_one_letter(typed: str, right: str) -> None:
    assert normalise(typed) == right


@given(st.text(alphabet="ab'-&\u2019. ,|12\u0915\u094d\u093e\u00e9", max_size=20))
def test_words_are_runs_of_letters_with_joints_inside(text: str) -> None:
    spaced = "".join(
        char if unicodedata.category(char)[0] in "LMN" or char in "'-&" else " " for char in normalise(text)
    )
    assert words_of(text) == [word for run in spaced.lower().split() if (word := run.strip("'-&"))]
