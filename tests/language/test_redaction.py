"""Spoken numbers and addresses are masked in every language and mixture; what the business needs stays."""

import functools
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.kit.redaction import Kind, luhn, redact_figures
from app.language.packs import Pack
from app.language.redaction import Redactor
from tests.packs import shipped_packs

pytestmark = pytest.mark.langpack

PACKS = Path(__file__).parents[2] / "lang_packs"


@functools.cache
def packs() -> dict[str, Pack]:
    return {pack.tag: pack for pack in shipped_packs().packs}


@functools.cache
def redactor() -> Redactor:
    return Redactor(packs())


ROMANISED = {
    "hi-IN": "shunya ek do teen chaar paanch chhe saat aath nau".split(),
    "ta-IN": "poojyam onnu rendu moonu naalu anju aaru ezhu ettu onbadhu".split(),
    "te-IN": "sunna okati rendu moodu naalugu aidu aaru edu enimidi tommidi".split(),
}


def ways(digit: str) -> list[str]:
    """Every way in which the packs say one digit, with those people type."""
    native = [pack.formats.digit_names[int(digit)] for pack in packs().values()]
    return [*native, *(names[int(digit)] for names in ROMANISED.values()), digit]


def one_way(tag: str, digits: str) -> str:
    return " ".join(packs()[tag].formats.digit_names[int(digit)] for digit in digits)


@pytest.mark.parametrize("tag", ["en-IN", "hi-IN", "ta-IN", "te-IN"])
@given(number=st.from_regex(r"[6-9][0-9]{9}", fullmatch=True))
@settings(max_examples=60)
def test_a_phone_number_said_digit_by_digit_is_masked(tag: str, number: str) -> None:
    assert redactor()(one_way(tag, number)) == f"[phone …{number[-2:]}]"


@pytest.mark.parametrize("tag", sorted(ROMANISED))
@given(number=st.from_regex(r"[6-9][0-9]{9}", fullmatch=True))
@settings(max_examples=60)
def test_so_is_one_typed_in_latin_letters(tag: str, number: str) -> None:
    said = " ".join(ROMANISED[tag][int(digit)] for digit in number)
    assert redactor()(said) == f"[phone …{number[-2:]}]"


@given(st.from_regex(r"[3-6][0-9]{14}", fullmatch=True), st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_a_card_in_a_mixture_of_languages_and_figures_is_masked(body: str, rng: random.Random) -> None:
    card = next(body + digit for digit in "0123456789" if luhn(body + digit))
    said = " ".join(rng.choice(ways(digit)) for digit in card)
    shown = redactor()(said)
    assert "[card …" in shown or "[phone …" in shown or "[aadhaar …" in shown
    assert len(shown.split()) < 9


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("number double nine eight seven six five four three two one", "number [phone …21]"),
        ("ninety eight seventy six fifty four thirty two ten", "[phone …10]"),
        ("my phone is 98765 forty three two one zero okay", "my phone is [phone …10] okay"),
        ("mera number nau aath saat chhe paanch chaar teen do ek shunya hai", "mera number [phone …10] hai"),
        ("OTP hai four five six seven", "OTP hai [code]"),
        ("चार पाँच छह सात ओटीपी है", "[code] ओटीपी है"),
        ("ஓடிபி நான்கு ஐந்து ஆறு ஏழு", "ஓடிபி [code]"),
        ("ఓటీపీ నాలుగు ఐదు ఆరు ఏడు", "ఓటీపీ [code]"),
        ("ravi dot kumar nine nine at the rate gmail dot com please", "[email] please"),
        ("my email is ravi at gmail dot com", "my email is [email]"),
        ("रवि एट द रेट जीमेल डॉट कॉम", "[email]"),
        ("ரவி அட் த ரேட் ஜிமெயில் டாட் காம்", "[email]"),
        ("రవి ఎట్ ది రేట్ జీమెయిల్ డాట్ కామ్", "[email]"),
        ("it is ravi at the rate okaxis", "it is [upi]"),
        ("A B C P E one two three four F", "[pan]"),
        ("ए बी सी पी ई एक दो तीन चार एफ", "[pan]"),
        ("S B I N zero zero zero one two three four", "[ifsc]"),
        ("मेरा खाता नंबर एक दो तीन चार पाँच छह सात आठ नौ", "मेरा खाता नंबर [account …6789]"),
        ("४१११ ११११ ११११ ११११", "[card …1111]"),
    ],
)
def test_what_people_say_on_the_phone(said: str, kept: str) -> None:
    assert redactor()(said) == kept


@pytest.mark.parametrize(
    "text",
    [
        "order number 9876543210 status batao",
        "ऑर्डर नंबर चार पाँच एक दो कहाँ है",
        "order four five one two, two thousand five hundred rupees",
        "do din mein ek order aayega",
        "मुझे दो सौ पचास रुपये वापस चाहिए",
        "எனக்கு ரெண்டு ஆர்டர் வேணும்",
        "నాకు రెండు ఆర్డర్లు కావాలి",
        "pin code six double zero zero zero one",
        "पिन कोड छह शून्य शून्य शून्य शून्य एक",
        "call me at nine",
        "we meet at home dot",
        "I am at work, come at five in the evening",
    ],
)
def test_what_the_business_needs_stays(text: str) -> None:
    assert redactor()(text) == text


def test_a_field_may_hold_what_it_says_that_it_holds() -> None:
    text = "ring 9876543210, card 4111 1111 1111 1111"
    assert redactor().text(text, keep=frozenset({Kind.PHONE})) == "ring 9876543210, card [card …1111]"


def test_the_tests_of_the_packs_lose_hardly_a_sentence() -> None:
    """Sentences of callers hold orders, days and amounts; what is masked in them must be a phone number or a code."""
    import yaml

    files = [file for file in PACKS.glob("*/tests/*.yaml")] + [file for file in PACKS.glob("*/intents*.yaml")]
    sentences = [line for file in files for line in _texts(yaml.safe_load(file.read_text()))]
    changed = [line for line in sentences if redactor()(line) != line]
    assert len(sentences) > 500
    assert len(changed) <= len(sentences) * 0.01, changed[:20]


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for one in inner for text in _texts(one)]


@given(st.text(max_size=120))
def test_any_text_goes_through(text: str) -> None:
    assert isinstance(redactor()(text), str)
    if not text.strip():
        assert redactor()(text) == redact_figures(text) == text
