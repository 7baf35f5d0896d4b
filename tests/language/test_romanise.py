"""Replies in Latin letters: as people type, no word exchanged for another, numbers and English untouched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.language.latinise import spelt
from app.language.loader import PackRegistry
from app.language.packs import Pack
from app.language.romanise import Romaniser, is_latin

pytestmark = pytest.mark.langpack


@pytest.fixture(scope="module")
def packs(registry: PackRegistry) -> dict[str, Pack]:
    return {pack.tag: pack for pack in registry.packs}


@pytest.fixture(scope="module")
def romanisers(packs: dict[str, Pack]) -> dict[str, Romaniser]:
    return {tag: Romaniser(pack) for tag, pack in packs.items()}


@pytest.mark.parametrize(
    ("tag", "text", "expected"),
    [
        ("hi-IN", "मैं आपकी क्या मदद कर सकती हूँ?", "Main aapki kya madad kar sakti hoon?"),
        ("hi-IN", "आपका ऑर्डर 4512 रास्ते में है।", "Aapka order 4512 raaste mein hai."),
        ("hi-IN", "नमस्ते। नंबर ४५१२ सही है?", "Namaste. Number 4512 sahi hai?"),
        ("ta-IN", "கொஞ்சம் சொல்லுங்க", "Konjam sollunga"),
        ("ta-IN", "உங்க ஆர்டர் நம்பர் 4512.", "Unga order number 4512."),
        ("te-IN", "మీ ఆర్డర్ నంబర్ 4512. సహాయం కావాలా?", "Mee order number 4512. Sahayam kavala?"),
        ("en-IN", "Your order 4512 is on its way.", "Your order 4512 is on its way."),
    ],
)
def test_spells_as_people_type(romanisers: dict[str, Romaniser], tag: str, text: str, expected: str) -> None:
    assert romanisers[tag].romanise(text) == expected


@pytest.mark.parametrize(
    ("tag", "word", "never"),
    [("hi-IN", "सुना", "sunao"), ("ta-IN", "சரியா", "chair"), ("te-IN", "అనే", "one"), ("ta-IN", "ஒருத்தர்", "order")],
)
def test_no_word_becomes_another(romanisers: dict[str, Romaniser], tag: str, word: str, never: str) -> None:
    assert romanisers[tag].romanise(word).lower() != never


def test_every_sentence_of_the_packs_comes_out_in_latin_letters(
    packs: dict[str, Pack], romanisers: dict[str, Romaniser]
) -> None:
    for tag, pack in packs.items():
        for key, variants in pack.responses.items():
            for text in variants:
                assert is_latin(romanisers[tag].romanise(text)) in (True, None), f"{tag} {key}: {text}"


@given(st.text(alphabet="कखगघचजटडतदनपबमयरलवशसहािीुूेैोौं्अआइउए", min_size=1, max_size=12))
def test_any_word_can_be_spelt(word: str) -> None:
    assert is_latin(spelt(word, drops_schwa=True)) in (True, None)


@pytest.mark.parametrize(("text", "expected"), [("hello 12", True), ("हाँ ok", False), ("4512!", None), ("", None)])
def test_tells_latin_letters_from_others(text: str, expected: bool | None) -> None:
    assert is_latin(text) is expected
