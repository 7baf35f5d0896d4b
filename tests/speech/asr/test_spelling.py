"""One spelling for each word; English words in Latin script."""

import pytest

from app.speech.asr.spelling import as_transcribed, native_spelling, normalise

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("हां, ऑर्डर कहां है?", "हाँ order कहाँ है"),
        ("मैं शिकायत करूंगा।", "मैं शिकायत करूँगा"),
        ("मैं आऊंगी", "मैं आऊँगी"),
        ("व्हाट्सएप पर भेजिए", "whatsapp पर भेजिए"),
        ("என் ஆர்டர் எங்க", "என் order எங்க"),
        ("మళ్లీ ఫోన్ చేయండి", "మళ్ళీ phone చేయండి"),
        ("Okay, I don't know - really", "ok i dont know really"),
        ("zero\u200bwidth  spaces", "zerowidth spaces"),
    ],
)
def test_transcripts_have_one_spelling(written: str, expected: str) -> None:
    assert normalise(written) == expected


def test_normalising_twice_changes_nothing() -> None:
    once = normalise("मेरा ऑर्डर, पाँच फ़ोन; आऊंगा OKAY")
    assert normalise(once) == once


def test_words_keep_their_number() -> None:
    text = "मुझे पेमेंट और रिफंड का मैसेज नहीं आया"
    assert len(normalise(text).split()) == len(text.split())


def test_a_loanword_sounds_as_the_language_spells_it() -> None:
    assert native_spelling("order", "hi") == "ऑर्डर"
    assert native_spelling("order", "en") is None
    assert native_spelling("unheardof", "ta") is None


def test_a_hot_word_is_respelt_and_a_format_stays() -> None:
    assert as_transcribed("मेरा ऑर्डर AB-####") == "मेरा order AB-####"
    assert as_transcribed("Chennai ஆர்டர்") == "Chennai order"
