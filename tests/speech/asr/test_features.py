"""The offline front end against NeMo's, and the mu-law tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.speech.asr.features import MelConfig, decode_mulaw, encode_mulaw, offline_log_mel

pytestmark = pytest.mark.unit
GOLDEN = Path(__file__).parent / "golden_mel.npz"


def test_equals_nemo_preprocessor() -> None:
    with np.load(GOLDEN) as golden:
        samples, expected = decode_mulaw(golden["mulaw"].tobytes()), golden["log_mel"]
    frames = offline_log_mel(samples, MelConfig())
    assert frames.shape == expected.shape
    assert np.abs(frames - expected).max() < 1e-3


def test_mulaw_round_trip_is_exact_on_its_own_values() -> None:
    codes = bytes(code for code in range(256) if code != 0x7F)
    assert encode_mulaw(decode_mulaw(codes)) == codes


def test_mulaw_extremes() -> None:
    loud = np.array([-2.0, 2.0, 0.0], np.float32)
    assert list(encode_mulaw(loud)) == [0x00, 0x80, 0xFF]


def test_no_samples_no_frames() -> None:
    assert offline_log_mel(np.zeros(0, np.float32), MelConfig()).shape == (0, 64)
