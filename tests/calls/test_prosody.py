"""How a turn was spoken: measured from made voices of known pitch, level and rate, and compared with a caller's own."""

import time

import numpy as np
import pytest

from app.calls.prosody import KEPT_SECONDS, LastAudio, measure
from app.dialogue.prosody import Prosody, learnt, strain
from app.speech.asr.engine import Word
from app.speech.audio import RATE_HZ, encode_mulaw

pytestmark = pytest.mark.unit


def voice(pitch_hz: float, level: float, seconds: float = 2.0, glide: float = 0.0) -> bytes:
    """Returns a buzz of a pitch that rises by `glide` semitones."""
    at = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    phase = np.cumsum(pitch_hz * 2 ** (glide * at / seconds / 12)) / RATE_HZ
    wave = sum(np.sin(2 * np.pi * k * phase) / k for k in range(1, 6))
    return encode_mulaw((level * wave).astype(np.float32))


def words(count: int, seconds: float) -> list[Word]:
    step = round(1_000 * seconds / count)
    return [Word("w", i * step, (i + 1) * step, 0.9) for i in range(count)]


@pytest.mark.parametrize("pitch", [90, 140, 220, 330])
def test_pitch_level_and_rate_are_measured(pitch: float) -> None:
    found = measure(voice(pitch, 0.1), words(6, 2.0))
    assert found is not None and found.pitch_hz == pytest.approx(pitch, rel=0.06)
    assert found.words_per_second == pytest.approx(3.0, rel=0.02) and found.turn_seconds == pytest.approx(2.0, rel=0.02)
    louder = measure(voice(pitch, 0.2), words(6, 2.0))
    assert louder is not None and louder.loudness_db is not None and found.loudness_db is not None
    assert louder.loudness_db - found.loudness_db == pytest.approx(6.0, abs=0.7)
    livelier = measure(voice(pitch, 0.1, glide=8), words(6, 2.0))
    assert livelier is not None and (livelier.pitch_spread or 0) > (found.pitch_spread or 0) + 1


def test_silence_noise_and_wordless_turns_give_no_pitch() -> None:
    assert measure(b"\xff" * 8_000, []) is None
    quiet = measure(b"\xff" * 8_000, words(3, 1.0))
    assert quiet is not None and quiet.loudness_db is None and quiet.pitch_hz is None
    noise = np.random.default_rng(1).normal(0, 0.05, 16_000).astype(np.float32)
    hiss = measure(encode_mulaw(noise), words(3, 2.0))
    assert hiss is not None and hiss.pitch_hz is None
    assert measure(b"", words(3, 1.0)) is not None


def test_strain_is_measured_against_the_callers_own_voice() -> None:
    calm = Prosody(2.0, 2.5, -24.0, 130.0, 2.0)
    assert strain({}, calm) == 0.0
    known = learnt(learnt({}, calm), calm)
    assert strain(known, calm) == 0.0
    assert strain(known, Prosody(2.0, 3.5, -17.0, 170.0, 3.5)) == 1.0
    assert strain(known, Prosody(2.0, 3.5, -24.0, 130.0, 2.0)) == 0.25
    assert known["turns"] == 2 and known["pitch_hz"] == 130.0


def test_the_last_seconds_are_kept_and_no_more() -> None:
    last = LastAudio()
    for _ in range(KEPT_SECONDS * 50 + 500):
        last.push(b"a" * 160)
    assert len(last.tail(60)) == KEPT_SECONDS * RATE_HZ and len(last.tail(1)) == RATE_HZ


def test_ten_seconds_take_little_time() -> None:
    audio, spoken = voice(150, 0.1, 10.0), words(25, 10.0)
    measure(audio, spoken)
    begun = time.perf_counter()
    for _ in range(5):
        measure(audio, spoken)
    assert (time.perf_counter() - begun) / 5 < 0.25
