"""The streaming front end of 8 and 16 kHz models against the offline one, cut into pieces and batched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from app.speech.asr.features import FloatArray, MelConfig, decode_mulaw, offline_log_mel
from app.speech.asr.frontend import FrontEnd, interpolate

pytestmark = pytest.mark.unit
LINE = MelConfig()
WIDE = MelConfig(sample_rate_hz=16_000, hop_samples=160, window_samples=400, fft_size=512, mel_bands=80)
GOLDEN = Path(__file__).parent / "golden_mel_16k.npz"


def call(seed: int, samples: int) -> bytes:
    """Noise in bursts, from the first sample on."""
    return np.random.default_rng(seed).integers(0, 256, samples, dtype=np.uint8).tobytes()


def doubled(mulaw: bytes, tail: int) -> FloatArray:
    """The whole recording at 16 kHz, as scipy resamples it, silence after it."""
    samples = np.concatenate([decode_mulaw(mulaw), np.zeros(tail, np.float32)])
    return signal.resample_poly(samples, 2, 1).astype(np.float32)


def streamed(front_end: FrontEnd, mulaw: bytes, piece: int, frames_at_once: int, frames: int) -> FloatArray:
    stream, taken, count = front_end.open(), [], 0
    for at in range(0, len(mulaw), piece):
        stream.data += mulaw[at : at + piece]
        while count + frames_at_once <= frames and len(stream.data) >= front_end.bytes_for(frames_at_once):
            taken.append(front_end.take([stream], frames_at_once)[0])
            count += frames_at_once
    if count < frames:
        front_end.add_silence(stream, frames - count)
        taken.append(front_end.take([stream], frames - count)[0])
    return np.concatenate(taken)


@pytest.mark.parametrize("piece", [1, 37, 160, 100_000])
@pytest.mark.parametrize("at_once", [1, 16])
def test_pieces_of_any_size_give_the_frames_of_the_whole(piece: int, at_once: int) -> None:
    mulaw = call(1, 4_000)
    whole = offline_log_mel(np.concatenate([decode_mulaw(mulaw), np.zeros(400, np.float32)]), LINE)
    found = streamed(FrontEnd(LINE), mulaw, piece, at_once, len(whole))
    np.testing.assert_allclose(found, whole, atol=1e-4)


@pytest.mark.parametrize("piece", [1, 160, 100_000])
@pytest.mark.parametrize("at_once", [1, 16])
def test_a_16_khz_model_hears_the_line_resampled(piece: int, at_once: int) -> None:
    mulaw = call(2, 4_000)
    whole = offline_log_mel(doubled(mulaw, 400), WIDE)
    found = streamed(FrontEnd(WIDE), mulaw, piece, at_once, len(whole))
    assert found.shape == (55, 80)
    np.testing.assert_allclose(found, whole, atol=1e-3)


def test_the_interpolator_is_scipys() -> None:
    samples = np.random.default_rng(3).normal(0, 0.1, (2, 500)).astype(np.float32)
    expected = signal.resample_poly(samples, 2, 1, axis=1)
    np.testing.assert_allclose(interpolate(np.pad(samples, ((0, 0), (10, 10)))), expected, atol=1e-6)


def test_the_line_leaves_no_image_above_its_band() -> None:
    tone = np.sin(2 * np.pi * 3_000 * np.arange(8_000) / 8_000).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(interpolate(tone[None])[0] * np.hanning(2 * (8_000 - 20))))
    hz = np.fft.rfftfreq(2 * (8_000 - 20), 1 / 16_000)
    assert spectrum[hz > 4_600].max() < spectrum.max() * 10 ** (-45 / 20)


def test_equals_nemos_preprocessor_at_16_khz() -> None:
    with np.load(GOLDEN) as golden:
        mulaw, expected = golden["mulaw"].tobytes(), golden["log_mel"]
    found = streamed(FrontEnd(WIDE), mulaw, 160, 16, len(expected))
    assert np.abs(found - expected).max() < 1e-3


@pytest.mark.parametrize("config", [LINE, WIDE])
def test_streams_together_are_heard_as_each_alone(config: MelConfig) -> None:
    front_end = FrontEnd(config)
    calls = [call(seed, 3_000) for seed in range(3)]
    streams = [front_end.open() for _ in calls]
    for stream, mulaw in zip(streams, calls, strict=True):
        stream.data += mulaw
    front_end.take([streams[1]], 3)
    together = front_end.take(streams, 16)
    for i, (mulaw, skipped) in enumerate(zip(calls, (0, 3, 0), strict=True)):
        alone = streamed(front_end, mulaw, 160, 1, 19)[skipped : skipped + 16]
        np.testing.assert_allclose(together[i], alone, atol=1e-4)


def test_a_copy_is_independent_and_frames_are_normalised() -> None:
    plain, normalised = FrontEnd(LINE), FrontEnd(LINE, np.full(64, -10.0), np.full(64, 2.0))
    stream = plain.open()
    stream.data += call(4, 3_000)
    twin = stream.copy()
    frames = plain.take([stream], 5)
    np.testing.assert_allclose(normalised.take([twin], 5), (frames + 10.0) / 2.0, atol=1e-5)
    twin.data += b"\x00" * 80
    assert len(stream.data) == len(twin.data) - 80


def test_what_is_heard_counts_frames_by_their_centre() -> None:
    for config in (LINE, WIDE):
        front_end = FrontEnd(config)
        stream = front_end.open()
        assert front_end.heard_frames(stream) == 0
        stream.data += call(5, 161)
        assert front_end.heard_frames(stream) == 3


@pytest.mark.parametrize(
    "config", [MelConfig(sample_rate_hz=44_100), MelConfig(sample_rate_hz=16_000, hop_samples=161)]
)
def test_models_of_other_rates_are_refused(config: MelConfig) -> None:
    with pytest.raises(ValueError, match=r"44100 Hz|whole number"):
        FrontEnd(config)
