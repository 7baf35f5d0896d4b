"""Whether the shipped model hears voices kept out of its training; the bounds are generous, figures are in its card."""

from __future__ import annotations

import pytest

from app.speech.asr.decoder import edit_distance
from app.speech.asr.onnx_engine import OnnxAsrEngine

from .conftest import Voice

pytestmark = pytest.mark.integration
SAID = (
    ("hi+m5", "मेरा order कहाँ है"),
    ("hi+f4", "whatsapp पर भेज दीजिए"),
    ("hi+Diogo", "मुझे agent से बात करनी है"),
    ("hi+m5", "nine eight four zero two"),
    ("hi+f4", "सात तीन नौ आठ"),
    ("ta+m5", "என் order எங்க இருக்கு"),
    ("ta+f4", "whatsapp ல அனுப்புங்க"),
    ("te+m5", "నా order ఎక్కడ ఉంది"),
    ("te+f4", "whatsapp లో పంపండి"),
    ("en-us+m5", "where is my order"),
    ("en-us+f4", "please cancel my order"),
)


def recognise(engine: OnnxAsrEngine, mulaw: bytes) -> str:
    stream = engine.open_stream()
    engine.push(stream, mulaw)
    engine.step([stream])
    return engine.finish([stream])[0].text


def test_telephone_sentences_of_unseen_voices(engine: OnnxAsrEngine, voice: Voice) -> None:
    errors = words = 0
    for name, text in SAID:
        heard = recognise(engine, voice(text, name))
        errors += edit_distance(text.split(), heard.split())
        words += len(text.split())
    assert errors / words < 0.3


@pytest.mark.parametrize(
    ("name", "digits"),
    [
        ("en-us+m5", "four five one two"),
        ("hi+f4", "eight two four one"),
        ("hi+m5", "आठ दो चार एक"),
        ("te+f4", "ఏడు మూడు ఐదు"),
    ],
)
def test_digits(engine: OnnxAsrEngine, voice: Voice, name: str, digits: str) -> None:
    assert edit_distance(digits.split(), recognise(engine, voice(digits, name, rate=140)).split()) <= 1


def test_word_times_lie_where_the_words_were_spoken(engine: OnnxAsrEngine, voice: Voice) -> None:
    mulaw = voice("where is my order", "en-us+m5")
    stream = engine.open_stream()
    engine.push(stream, mulaw)
    engine.step([stream])
    words = engine.finish([stream])[0].words
    assert words
    assert 250 <= words[0].start_ms <= 800
    assert words[-1].end_ms <= len(mulaw) // 8 + 320
