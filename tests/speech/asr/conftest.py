"""Telephone audio voiced on the spot, and the shipped engine, for the recogniser's tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import signal

from app.speech.asr.features import FloatArray, encode_mulaw
from app.speech.asr.onnx_engine import OnnxAsrEngine
from app.speech.asr.training.espeak import Espeak

Voice = Callable[..., bytes]


@pytest.fixture(scope="session")
def engine() -> OnnxAsrEngine:
    return OnnxAsrEngine()


@pytest.fixture(scope="session")
def voice() -> Voice:
    """Speaks text with a voice kept out of training: 400 ms of quiet line, the words, 300 ms of quiet line; mu-law."""
    espeak = Espeak()

    def speak(text: str, voice_name: str = "hi+m5", rate: int = 150) -> bytes:
        speech = espeak.speak(text.split(), voice_name, rate=rate)
        narrow: FloatArray = signal.resample_poly(speech.samples, 160, 441).astype(np.float32)
        narrow *= 0.1 / (np.sqrt(np.mean(narrow**2)) + 1e-9)
        call = np.concatenate([np.zeros(3200, np.float32), narrow, np.zeros(2400, np.float32)])
        call += np.random.default_rng(0).normal(0, 0.001, len(call)).astype(np.float32)
        return encode_mulaw(call)

    return speak
