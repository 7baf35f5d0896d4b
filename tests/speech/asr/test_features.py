"""The streaming front end against NeMo's, and against itself cut into pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.speech.asr.features import MelConfig, MelStream, decode_mulaw, encode_mulaw, offline_log_mel

pytestmark = pytest.mark.unit
GOLDEN = Path(__file__).parent / "golden_mel.npz"


def test_equals_nemo_preprocessor() -> None:
    with np.load(GOLDEN) as golden:
        samples, expected = decode_mulaw(golden["mulaw"].tobytes()), golden["log_mel"]
    frames = offline_log_mel(samples, MelConfig())
    assert frames.shape == expected.shape
    assert np.abs(frames - expected).max() < 1e-3


@pytest.mark.parametrize("piece", [1, 37, 160, 1601])
def test_pieces_of_any_size_give_the_same_frames(piece: int) -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 4000).astype(np.float32)
    whole = offline_log_mel(samples, MelConfig())
    stream = MelStream(MelConfig())
    taken = []
    for at in range(0, len(samples), piece):
        stream.push(samples[at : at + piece])
        taken.append(stream.take())
    taken.append(stream.take(flush=True))
    np.testing.assert_allclose(np.concatenate(taken), whole, atol=1e-4)


def test_copy_is_independent() -> None:
    samples = np.random.default_rng(2).normal(0, 0.1, 1000).astype(np.float32)
    stream = MelStream(MelConfig())
    stream.push(samples)
    twin = stream.copy()
    twin.push(samples)
    twin.take()
    assert len(stream.take()) == 12


def test_mulaw_round_trip_is_exact_on_its_own_values() -> None:
    codes = bytes(code for code in range(256) if code != 0x7F)
    assert encode_mulaw(decode_mulaw(codes)) == codes


def test_mulaw_extremes() -> None:
    loud = np.array([-2.0, 2.0, 0.0], np.float32)
    assert list(encode_mulaw(loud)) == [0x00, 0x80, 0xFF]


def test_no_samples_no_frames() -> None:
    assert offline_log_mel(np.zeros(0, np.float32), MelConfig()).shape == (0, 64)
