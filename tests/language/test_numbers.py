"""What the agent says as digits it understands as digits, in every language and in mixtures."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.language.numbers import (
    parse_amount,
    parse_digits,
    parse_number,
    spoken_amount,
    spoken_date,
    spoken_digits,
    spoken_number,
)
from tests.packs import shipped_packs

pytestmark = pytest.mark.unit

REGISTRY = shipped_packs()
PACKS = REGISTRY.packs
DIGITS = st.text("0123456789", min_size=2, max_size=12)


@pytest.mark.parametrize("tag", REGISTRY.tags)
@given(digits=DIGITS)
@settings(max_examples=60)
def test_spoken_digits_come_back(tag: str, digits: str) -> None:
    spoken = spoken_digits(REGISTRY.get(tag), digits)
    assert parse_digits(spoken, [REGISTRY.get(tag)]) == digits
    assert parse_digits(spoken, PACKS) == digits


@given(digits=DIGITS, choices=st.lists(st.sampled_from(REGISTRY.tags), min_size=12, max_size=12))
@settings(max_examples=100)
def test_mixed_languages_come_back(digits: str, choices: list[str]) -> None:
    spoken = " ".join(spoken_digits(REGISTRY.get(tag), digit) for digit, tag in zip(digits, choices, strict=False))
    assert parse_digits(spoken, PACKS) == digits


@pytest.mark.parametrize("tag", ["en-IN", "hi-IN"])
@given(number=st.integers(0, 999_999_999))
@settings(max_examples=100)
def test_spoken_numbers_come_back(tag: str, number: int) -> None:
    pack = REGISTRY.get(tag)
    assert parse_number(spoken_number(pack, number), [pack]) == number
    assert parse_amount(spoken_amount(pack, number), [pack]) == number


@pytest.mark.parametrize("tag", ["ta-IN", "te-IN"])
@given(number=st.integers(0, 99_999))
@settings(max_examples=60)
def test_spoken_numbers_come_back_in_the_south(tag: str, number: int) -> None:
    pack = REGISTRY.get(tag)
    assert parse_number(spoken_number(pack, number), [pack]) == number


@given(st.text(max_size=80))
@settings(max_examples=200)
def test_any_text_is_read_without_failing(text: str) -> None:
    digits = parse_digits(text, PACKS)
    assert digits is None or (digits.isascii() and digits.isdigit())
    number = parse_number(text, PACKS)
    assert number is None or number >= 0


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("nau aath double two", "9822"),
        ("forty five twelve", "4512"),
        ("triple nine um one", "9991"),
        ("my order number is 4512", "4512"),
        ("order 4512க்கு", "4512"),
        ("९८४०", "9840"),
        ("98401-23456", "9840123456"),
        ("double seven तीन zero", "7730"),
        ("bees paanch", "205"),
        ("four hundred twelve", "412"),
        ("number five please", "5"),
        ("four five no six", "46"),
        ("four five one two sorry four five one three", "4513"),
        ("one two four nahi chaar nahi paanch", "125"),
        ("nahi chaar paanch", "45"),
        ("what do you do", None),
        ("do you have it", None),
        ("मुझे एक सामान चाहिए", None),
        ("double", None),
        ("no", None),
        ("", None),
    ],
)
def test_digits(text: str, digits: str | None) -> None:
    assert parse_digits(text, PACKS) == digits


def test_expected_length_decides_how_a_correction_is_read() -> None:
    text = "four five one no two two"
    assert parse_digits(text, PACKS, expected=(4, 4)) == "4522"
    assert parse_digits(text, PACKS, expected=(2, 2)) == "22"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("dedh sau", 150),
        ("dhai lakh", 250_000),
        ("saadhe teen sau", 350),
        ("sava lakh", 125_000),
        ("पौने दो सौ", 175),
        ("rendu laksham", 200_000),
        ("one hundred and twenty five", 125),
        ("₹2,50,000", 250_000),
        ("2.5 lakh", 250_000),
        ("5k", 5_000),
        ("nineteen hundred", 1_900),
        ("one crore twenty lakh", 12_000_000),
        ("fifty chairs", 50),
        ("no number here at all", None),
    ],
)
def test_numbers(text: str, number: int | None) -> None:
    assert parse_number(text, PACKS) == number
    assert parse_amount(text, PACKS) == number


def test_number_out_of_range_is_refused() -> None:
    for number in (-1, 10**9):
        with pytest.raises(ValueError, match="cannot be spoken"):
            spoken_number(PACKS[0], number)


@pytest.mark.parametrize(
    ("tag", "digits", "amount", "day"),
    [
        ("en-IN", "four five zero", "two thousand three hundred and fifty rupees", "twenty fifth May"),
        ("hi-IN", "चार पाँच शून्य", "दो हज़ार तीन सौ पचास रुपये", "पच्चीस मई"),
    ],
)
def test_golden_words(tag: str, digits: str, amount: str, day: str) -> None:
    pack = REGISTRY.get(tag)
    assert spoken_digits(pack, "450") == digits
    assert spoken_digits(pack, "AB-4") == f"A B {digits.split()[0]}"
    assert spoken_amount(pack, 2350) == amount
    assert spoken_date(pack, date(2026, 5, 25)) == day
    assert spoken_date(pack, date(2026, 5, 25), today=date(2026, 5, 24)) in pack.lexicon.relative_days
    assert spoken_date(pack, date(2026, 5, 25), today=date(2026, 5, 26)) == day
