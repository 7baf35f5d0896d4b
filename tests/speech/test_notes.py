"""Voice notes through real decoding and the real recogniser: what people send, in the shapes that WhatsApp sends."""

import io

import numpy as np
import pytest
import soundfile

from app.errors import AsrError, Unprocessable
from app.speech.asr.engine import AsrEngine
from app.speech.audio import decode_mulaw
from app.speech.notes import LONGEST_SECONDS, Notes, decoded, recogniser
from app.speech.tts.engine import Voice
from app.speech.tts.espeak import EspeakTts

pytestmark = pytest.mark.integration


def spoken(text: str) -> np.ndarray:
    """Returns float32[n], mono, 8 kHz."""
    return decode_mulaw(b"".join(EspeakTts().synthesise(text, Voice("en-gb-x-rp", 160, 50))))


def opus(samples: np.ndarray, rate: int = 8_000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="OGG", subtype="OPUS")
    return file.getvalue()


def test_a_note_is_telephone_audio_whatever_its_rate() -> None:
    tone = (0.5 * np.sin(np.arange(48_000) * 2 * np.pi * 440 / 48_000)).astype(np.float32)
    heard = decoded(opus(np.stack([tone, tone], axis=1), 48_000))
    assert heard.dtype == np.float32 and heard.ndim == 1 and abs(heard.size - 8_000) < 200
    assert 0.2 < float(np.abs(heard).max()) <= 1.0


@pytest.mark.parametrize(
    "recording",
    [b"", b"not a recording", opus(np.zeros(80_000, np.float32))[:40]],
    ids=["nothing", "a text", "a head alone"],
)
def test_what_is_no_recording_is_refused(recording: bytes) -> None:
    with pytest.raises(Unprocessable):
        decoded(recording)


def test_a_note_without_end_is_refused() -> None:
    file = io.BytesIO()
    long = np.zeros((LONGEST_SECONDS + 1) * 8_000, np.float32)
    soundfile.write(file, long, 8_000, format="WAV", subtype="ULAW")
    with pytest.raises(Unprocessable, match="at most"):
        decoded(file.getvalue())


async def test_a_note_is_written_down_by_the_recogniser_of_the_calls() -> None:
    notes = Notes(recogniser("onnx", None, {}, "cpu", 1))
    try:
        heard = await notes.written(opus(spoken("where is my order")))
        assert "order" in heard
        assert await notes.written(opus(np.zeros(16_000, np.float32))) == ""
    finally:
        notes.close()


async def test_a_recogniser_that_does_not_load_is_named() -> None:
    def load() -> AsrEngine:
        raise OSError("no such model")

    notes = Notes(load)
    with pytest.raises(AsrError, match="not recognised"):
        await notes.written(opus(np.zeros(16_000, np.float32)))
    notes.close()
