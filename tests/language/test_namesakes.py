"""A place, a person or a thing that bears a language's name asks for no language."""

import pytest

from app.language.identify import identify
from app.language.namesakes import without_namesakes
from app.language.normalise import words_of
from tests.packs import shipped_packs

pytestmark = pytest.mark.langpack
PACKS = shipped_packs().packs


@pytest.mark.parametrize(
    "text",
    [
        "talking from tamil nadu",
        "do you know Tamilnadu",
        "my name is Tamil Selvan speaking",
        "my name is Tamil speaking",
        "tell me about hindi movies",
        "तमिलनाडु से बोल रहा हूँ",
        "तमिल नाडु से बोल रहा हूँ",
        "tamil selvan bol raha hoon",
        "தமிழ்நாட்டுல இருந்து பேசுறேன் சொல்லுங்க",
        "naan tamil nadu la irundhu pesuren sollunga",
        "నేను తమిళనాడు నుంచి మాట్లాడుతున్నాను చెప్పండి",
        "naa peru Tamil Selvan cheppandi",
    ],
)
def test_a_name_is_no_request(text: str) -> None:
    assert identify(text, PACKS).requested is None


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("i am from tamil nadu please speak in tamil", "ta-IN"),
        ("my name is Tamil Selvan can you talk in hindi", "hi-IN"),
        ("मैं तमिलनाडु से हूँ तमिल में बोलिए", "ta-IN"),
        ("naan tamil nadu la irundhu pesuren tamil la pesunga", "ta-IN"),
        ("peru tamil la sollunga", "ta-IN"),
        ("నేను తమిళనాడు నుంచి, తెలుగులో మాట్లాడండి", "te-IN"),
    ],
)
def test_a_request_beside_a_name_counts(text: str, tag: str) -> None:
    assert identify(text, PACKS).requested == tag


def test_only_the_name_is_left_out() -> None:
    assert without_namesakes(words_of("Tamil Nadu to tamil"), PACKS) == ["", "nadu", "to", "tamil"]
