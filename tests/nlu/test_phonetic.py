"""Native script, chat spelling and English share their sound keys."""

import pytest

from app.nlu.phonetic import skeleton, sound_key, words_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "spellings",
    [
        ("मेरा", "mera", "meraa"),
        ("ज़रूर", "zaroor", "jarur"),
        ("எங்கே", "enge", "enghe"),
        ("ఎక్కడ", "ekkada", "ekada"),
        ("மொழி", "mozhi", "moli"),
        ("करना", "karna"),
        ("दीजिए", "dijiye"),
        ("అవసరం", "avasaram"),
        ("பணம்", "panam"),
        ("நன்றி", "nandri"),
        ("கொஞ்சம்", "konjam"),
        ("வாட்ஸ்அப்", "whatsapp", "వాట్సాప్"),
    ],
)
def test_spellings_of_a_word_share_their_key(spellings: tuple[str, ...]) -> None:
    assert len({sound_key(word) for word in spellings}) == 1


@pytest.mark.parametrize(
    "spellings",
    [
        ("ऑर्डर", "order", "ஆர்டர்", "ఆర్డర్"),
        ("कैंसल", "cancel"),
        ("అపాయింట్‌మెంట్", "appointment", "अपॉइंटमेंट"),
        ("टेक्निशियन", "tekniciyan"),
    ],
)
def test_borrowed_words_share_their_consonants(spellings: tuple[str, ...]) -> None:
    assert len({skeleton(sound_key(word)) for word in spellings}) == 1


@pytest.mark.parametrize(("one", "other"), [("kahan", "kab"), ("cancel", "return"), ("ఎక్కడ", "ఎప్పుడు")])
def test_other_words_have_other_keys(one: str, other: str) -> None:
    assert sound_key(one) != sound_key(other)


def test_words_lose_case_and_punctuation_but_no_vowel_sign() -> None:
    assert words_of("  Don't, मेरी e-mail! ४५ ") == ["dont", "मेरी", "e", "mail", "४५"]
    assert words_of("?!…") == []


def test_native_figures_sound_as_ascii() -> None:
    assert sound_key("४५") == "45"
