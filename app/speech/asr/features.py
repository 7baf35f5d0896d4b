"""Log-mel frames as the NeMo front end computes them, and the G.711 tables; `frontend` applies them to streams."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_LOG_GUARD = 2.0**-24
"""Source: NeMo FilterbankFeatures, `log_zero_guard_value`."""


@dataclass(frozen=True, slots=True)
class MelConfig:
    """The front end's parameters; the defaults are those of the shipped model."""

    sample_rate_hz: int = 8000
    hop_samples: int = 80
    window_samples: int = 200
    fft_size: int = 512
    mel_bands: int = 64
    preemphasis: float = 0.97


def _mulaw_table() -> FloatArray:
    """Builds the G.711 mu-law decode table, float32[256] in [-1, 1]. Source: ITU-T G.711, table 2a."""
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)
    linear = np.where(code & 0x80, 0x84 - magnitude, magnitude - 0x84)
    return (linear / 32768.0).astype(np.float32)


MULAW_TABLE = _mulaw_table()


def decode_mulaw(data: bytes) -> FloatArray:
    """Decodes G.711 mu-law bytes to float32[n] in [-1, 1], mono, at the bytes' own rate."""
    return MULAW_TABLE[np.frombuffer(data, dtype=np.uint8)]


def encode_mulaw(samples: FloatArray) -> bytes:
    """Encodes float32[n] in [-1, 1] to G.711 mu-law bytes. Source: ITU-T G.711."""
    linear = np.clip(np.round(samples * 32768.0), -32635, 32635).astype(np.int32)
    sign = np.where(linear < 0, 0x80, 0)
    biased = np.abs(linear) + 0x84
    exponent = np.floor(np.log2(biased)).astype(np.int32) - 7
    mantissa = (biased >> (exponent + 3)) & 0x0F
    codes: NDArray[np.uint8] = (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8)
    return codes.tobytes()


def _hz_to_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Converts to the Slaney mel scale. Source: Slaney, Auditory Toolbox (1998), as in librosa."""
    log_step = np.log(6.4) / 27.0
    return np.where(hz >= 1000.0, 15.0 + np.log(np.maximum(hz, 1e-9) / 1000.0) / log_step, hz * 3.0 / 200.0)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    log_step = np.log(6.4) / 27.0
    return np.where(mel >= 15.0, 1000.0 * np.exp(log_step * (mel - 15.0)), mel * 200.0 / 3.0)


@lru_cache(maxsize=8)
def mel_filterbank(config: MelConfig) -> FloatArray:
    """Returns the Slaney-normalised mel filters, float32[fft_size // 2 + 1, mel_bands]."""
    top_hz = config.sample_rate_hz / 2
    bins_hz = np.linspace(0.0, top_hz, config.fft_size // 2 + 1)
    top_mel = float(_hz_to_mel(np.array([top_hz]))[0])
    edges_hz = _mel_to_hz(np.linspace(0.0, top_mel, config.mel_bands + 2))
    widths = np.diff(edges_hz)
    ramps = edges_hz[:, None] - bins_hz[None, :]
    lower = -ramps[:-2] / widths[:-1, None]
    upper = ramps[2:] / widths[1:, None]
    filters = np.maximum(0.0, np.minimum(lower, upper)) * (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, None]
    return np.ascontiguousarray(filters.T, dtype=np.float32)


@lru_cache(maxsize=8)
def _windowed_dft(config: MelConfig) -> FloatArray:
    """Returns cosines, then sines, with the Hann window folded in: float32[window_samples, 2 * bins].

    The window sits in the middle of the FFT frame; power spectra do not depend on that shift.
    """
    n = np.arange(config.window_samples)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / (config.window_samples - 1))
    angle = 2 * np.pi * np.outer(n, np.arange(config.fft_size // 2 + 1)) / config.fft_size
    matrix: FloatArray = (window[:, None] * np.concatenate([np.cos(angle), np.sin(angle)], axis=1)).astype(np.float32)
    return matrix


def log_mel(emphasised: FloatArray, frame_count: int, config: MelConfig) -> FloatArray:
    """Computes log-mel frames of several signals at once, float32[signals, frame_count, mel_bands].

    Args:
        emphasised: float32[signals, samples], pre-emphasised; frame t covers the samples from `t * hop` on.
        frame_count: how many frames to take; the samples must suffice.
        config: the front end's parameters.
    """
    signals = len(emphasised)
    if frame_count <= 0 or not signals:
        return np.zeros((signals, max(0, frame_count), config.mel_bands), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(emphasised, config.window_samples, axis=1)
    frames = windows[:, : (frame_count - 1) * config.hop_samples + 1 : config.hop_samples]
    spectrum = frames.reshape(signals * frame_count, config.window_samples) @ _windowed_dft(config)
    np.square(spectrum, out=spectrum)
    half = spectrum.shape[1] // 2
    power = spectrum[:, :half] + spectrum[:, half:]
    logs: FloatArray = np.log(power @ mel_filterbank(config) + np.float32(_LOG_GUARD))
    return logs.reshape(signals, frame_count, config.mel_bands)


def emphasise(samples: FloatArray, config: MelConfig) -> FloatArray:
    """Pre-emphasises float32[signals, n]; returns float32[signals, n - 1], since the first sample has none before."""
    emphasised: FloatArray = samples[:, 1:] - np.float32(config.preemphasis) * samples[:, :-1]
    return emphasised


def offline_log_mel(samples: FloatArray, config: MelConfig) -> FloatArray:
    """Computes the log-mel frames of a whole utterance, float32[n // hop, mel_bands]; training uses it too.

    Frame t is centred on sample `t * hop`; before the first sample and after the last there is silence.
    """
    half = config.window_samples // 2
    padded = np.concatenate([np.zeros(half + 1, np.float32), samples, np.zeros(half, np.float32)])
    emphasised = emphasise(padded[None], config)
    if len(samples):
        emphasised[0, half + len(samples)] = 0.0
    frames: FloatArray = log_mel(emphasised, len(samples) // config.hop_samples, config)[0]
    return frames
