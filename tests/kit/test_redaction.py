"""What figures and signs give away is masked; orders, amounts, ids and dates are left alone."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kit.redaction import Kind, Nearby, kind_of, luhn, redact_figures, redacted, verhoeff

pytestmark = pytest.mark.unit

SEPARATORS = st.sampled_from(["", " ", "-", ".", " - ", "/"])


def with_check_digit(body: str, holds: object) -> str:
    return next(body + digit for digit in "0123456789" if holds(body + digit))  # type: ignore[operator]


def spread(digits: str, groups: list[int], separator: str) -> str:
    pieces, at = [], 0
    for size in groups:
        pieces.append(digits[at : at + size])
        at += size
    return separator.join([piece for piece in [*pieces, digits[at:]] if piece])


@pytest.mark.parametrize("number", ["4111111111111111", "5555555555554444", "6011000990139424", "378282246310005"])
def test_cards_are_known_by_their_check_digit(number: str) -> None:
    assert luhn(number) and not luhn(number[:-1] + str((int(number[-1]) + 1) % 10))
    assert redact_figures(f"it is {number}.") == f"it is [card …{number[-4:]}]."


@pytest.mark.parametrize("number", ["999941057058", "234123412346"])
def test_aadhaar_numbers_are_known_by_theirs(number: str) -> None:
    assert verhoeff(number)
    changed = number[:5] + str((int(number[5]) + 1) % 10) + number[6:]
    assert not verhoeff(changed)
    assert redact_figures(f"{number[:4]} {number[4:8]} {number[8:]}") == f"[aadhaar …{number[-4:]}]"


@given(st.from_regex(r"[3-6][0-9]{14}", fullmatch=True), st.lists(st.integers(1, 5), max_size=16), SEPARATORS)
def test_no_card_survives_however_it_is_split(body: str, groups: list[int], separator: str) -> None:
    card = with_check_digit(body, luhn)
    shown = redact_figures(f"pay with {spread(card, groups, separator)} please")
    assert "card" in shown and card[:8] not in shown.replace(separator or "\0", "")
    assert shown.endswith(" please") and shown.startswith("pay with ")


@given(st.from_regex(r"[6-9][0-9]{9}", fullmatch=True), st.lists(st.integers(1, 5), max_size=10), SEPARATORS)
def test_no_mobile_number_survives(number: str, groups: list[int], separator: str) -> None:
    assert redact_figures(f"call {spread(number, groups, separator)} now") == f"call [phone …{number[-2:]}] now"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("ring +91 98765 43210", "ring [phone …10]"),
        ("ring +14155550123", "ring [phone …23]"),
        ("०९८७६५४३२१०", "[phone …10]"),
        ("mail ravi.k+1@example.co.in!", "mail [email]!"),
        ("ravi-1@okaxis paid", "[upi] paid"),
        ("ABCPE1234F and sbin0001234", "[pan] and [ifsc]"),
        ("OTP: 482913", "OTP: [code]"),
        ("4829 is the otp", "[code] is the otp"),
        ("9, 8, 7, 6, 5, 4, 3, 2, 1, 0", "[phone …10]"),
        ("account no 1234 5678 9012 34", "account no [account …1234]"),
    ],
)
def test_each_kind_keeps_what_its_rule_says(said: str, kept: str) -> None:
    assert redact_figures(said) == kept


@pytest.mark.parametrize(
    "text",
    [
        "order 4512 of 2026-11-21 came at 07:10:08",
        "order number 9876543210 for ₹98,76,543.21",
        "call_01k4n5c9t2v8x7q6m3b1a0zdef took 1234.5 ms",
        "3f786850e387550fdab836ed7e6dc881de23001b",
        "2 x 250 g, pin code 600001, 1800 tokens",
        "AWB 123456789012 is on its way",
        "",
    ],
)
def test_numbers_of_the_business_survive(text: str) -> None:
    assert redact_figures(text) == text


def test_random_order_numbers_are_hardly_ever_taken_for_something_else() -> None:
    rng = random.Random(7)
    numbers = ["".join(rng.choices("0123456789", k=rng.randint(4, 9))) for _ in range(2_000)]
    assert all(redact_figures(f"it is {number} here") == f"it is {number} here" for number in numbers)


@given(st.text(max_size=200))
def test_any_text_goes_through_and_twice_is_once(text: str) -> None:
    once = redact_figures(text)
    assert redact_figures(once) == once


def test_a_check_digit_outweighs_what_stands_beside_it() -> None:
    assert kind_of("4111111111111111", Nearby(business=True), whole=True) is Kind.CARD
    assert kind_of("9876543210", Nearby(business=True), whole=True) is None


def test_fields_say_by_their_name_what_stays() -> None:
    data = {
        "phone": "+919876543210",
        "order_id": "9876543210",
        "evidence": {"words": "my card 4111 1111 1111 1111", "call_id": "9876543210", "at_ms": 4111111111111111},
        "notes": ["9876543210", None, True],
    }
    assert redacted(data) == {
        "phone": "+919876543210",
        "order_id": "9876543210",
        "evidence": {"words": "my card [card …1111]", "call_id": "9876543210", "at_ms": 4111111111111111},
        "notes": ["[phone …10]", None, True],
    }
