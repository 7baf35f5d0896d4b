"""The front end of the served models: 8 kHz mu-law of many streams at once into normalised log-mel frames.

A model of 16 kHz hears the line through a polyphase interpolator. A stream's whole state is the audio that its next
frame still needs, so pieces of any length give the frames that the whole recording would.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np

from .features import MULAW_TABLE, FloatArray, MelConfig, emphasise, log_mel

LINE_HZ: Final = 8_000
_SILENCE: Final = b"\xff"
_REACH: Final = 10
"""How many samples of the line the interpolator sees to each side: its filter has 4 * reach + 1 taps."""
_KAISER_BETA: Final = 5.0


class LineAudio:
    """One stream's audio that has not become frames, mu-law, and how many of its samples precede the first heard."""

    __slots__ = ("data", "lead_samples")

    def __init__(self, data: bytearray, lead_samples: int) -> None:
        self.data = data
        self.lead_samples = lead_samples

    def copy(self) -> LineAudio:
        """Returns an independent stream in the same state."""
        return LineAudio(bytearray(self.data), self.lead_samples)


class FrontEnd:
    """Turns the audio of streams into frames, the same count of each."""

    def __init__(self, config: MelConfig, mean: FloatArray | None = None, std: FloatArray | None = None) -> None:
        """Takes the model's parameters, and the statistics its frames are normalised with, float32[mel_bands] each.

        Raises:
            ValueError: The model's rate is neither the line's nor twice that, or its hop is no whole number of
                the line's samples.
        """
        if config.sample_rate_hz not in (LINE_HZ, 2 * LINE_HZ):
            raise ValueError(
                f"models of {config.sample_rate_hz} Hz cannot hear an 8 kHz line; take one of 8000 or 16000 Hz"
            )
        self._config = config
        self._factor = config.sample_rate_hz // LINE_HZ
        if config.hop_samples % self._factor:
            raise ValueError(f"a hop of {config.hop_samples} samples is no whole number of the line's samples")
        self._hop_bytes = config.hop_samples // self._factor
        self._reach = _REACH if self._factor == 2 else 0
        self._lead = config.window_samples // 2 + 1
        self._lead_bytes = -(-self._lead // self._factor)
        self._mean = None if mean is None else np.asarray(mean, np.float32)
        self._scale = None if std is None else np.float32(1.0) / np.asarray(std, np.float32)

    def open(self) -> LineAudio:
        """Opens a stream."""
        return LineAudio(bytearray(_SILENCE * (self._lead_bytes + self._reach)), self._lead)

    def bytes_for(self, frame_count: int) -> int:
        """Returns how much audio a stream must hold for its next frames."""
        samples = (frame_count - 1) * self._config.hop_samples + self._config.window_samples + 1
        slack = self._lead_bytes * self._factor - self._lead
        return -(-(samples + slack) // self._factor) + 2 * self._reach

    def take(self, streams: Sequence[LineAudio], frame_count: int) -> FloatArray:
        """Takes the next frames of every stream, float32[streams, frame_count, mel_bands]; all must hold enough."""
        wanted = self.bytes_for(frame_count)
        codes = np.empty((len(streams), wanted), np.uint8)
        for row, stream in zip(codes, streams, strict=True):
            row[:] = np.frombuffer(stream.data, np.uint8, wanted)
        samples = MULAW_TABLE[codes]
        if self._factor == 2:
            samples = interpolate(samples)
        slack = self._lead_bytes * self._factor - self._lead
        samples = samples[:, slack:]
        for row, stream in zip(samples, streams, strict=True):
            row[: stream.lead_samples] = 0.0
            stream.lead_samples = max(0, stream.lead_samples - frame_count * self._config.hop_samples)
            del stream.data[: frame_count * self._hop_bytes]
        frames = log_mel(emphasise(samples, self._config), frame_count, self._config)
        if self._mean is not None:
            frames -= self._mean
        if self._scale is not None:
            frames *= self._scale
        return frames

    def add_silence(self, stream: LineAudio, until_frames: int) -> None:
        """Adds what is missing for so many frames, as silence of the line."""
        missing = self.bytes_for(until_frames) - len(stream.data)
        if missing > 0:
            stream.data += _SILENCE * missing

    def heard_frames(self, stream: LineAudio) -> int:
        """Returns how many frames are centred within the audio that the stream holds."""
        lead = self._lead_bytes + self._reach
        return max(0, -(-(len(stream.data) - lead) // self._hop_bytes))


@lru_cache(maxsize=1)
def _phases() -> FloatArray:
    """Returns the interpolator, float32[2 * reach + 1, 2]: what the line's samples add to the even and odd samples.

    Source: a Kaiser-windowed sinc as in scipy.signal.resample_poly: 50 dB down from 4.6 kHz on, flat to 3.4 kHz.
    """
    reach = 2 * _REACH
    sinc = np.sinc(np.arange(-reach, reach + 1) / 2) * np.kaiser(2 * reach + 1, _KAISER_BETA)
    taps = 2 * sinc / sinc.sum()
    phases = np.zeros((2 * _REACH + 1, 2))
    phases[:, 0] = taps[::-1][::2]
    phases[1:, 1] = taps[::-1][1::2]
    return phases.astype(np.float32)


def interpolate(samples: FloatArray) -> FloatArray:
    """Doubles the rate of float32[signals, n]; returns float32[signals, 2 * (n - 2 * reach)], without the margins."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, 2 * _REACH + 1, axis=1)
    doubled: FloatArray = (windows @ _phases()).reshape(len(samples), -1)
    return doubled


def interpolate_whole(samples: FloatArray) -> FloatArray:
    """Doubles the rate of a whole recording, float32[n] with silence around it; returns float32[2 * n]."""
    doubled: FloatArray = interpolate(np.pad(samples, _REACH)[None])[0]
    return doubled
