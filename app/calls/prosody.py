"""Measures how a turn was spoken, from the caller's audio and the recogniser's word times; runs beside the hot path."""

from collections import deque
from collections.abc import Sequence
from typing import Final

import numpy as np

from app.dialogue.prosody import Prosody
from app.speech.asr.engine import Word
from app.speech.audio import RATE_HZ, Float32, decode_mulaw

KEPT_SECONDS: Final = 12
_FRAME: Final = 320  # 40 ms
_LAGS: Final = (RATE_HZ // 400, RATE_HZ // 70)  # pitch of 70 to 400 Hz
_VOICED: Final = 0.45  # least normalised autocorrelation of a voiced frame
_LOUD_DB: Final = -45.0
_FEWEST_VOICED: Final = 5
_AFTER_SECONDS: Final = 0.6  # of silence, at most, until a turn is thought about


class LastAudio:
    """The caller's last seconds as mu-law frames; taking one is an append."""

    __slots__ = ("_frames", "push")

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque(maxlen=KEPT_SECONDS * 50)
        self.push = self._frames.append

    def tail(self, seconds: float) -> bytes:
        """Returns the last `seconds` of mu-law, 8 kHz, as far as they are kept."""
        return b"".join(self._frames)[-max(1, round(seconds * RATE_HZ)) :]


def measure(mulaw: bytes, words: Sequence[Word]) -> Prosody | None:
    """Returns how a turn was spoken, or None where it holds no words.

    Args:
        mulaw: The turn, and perhaps some silence around it; 8 kHz.
        words: What was recognised, with times.
    """
    if not words:
        return None
    seconds = max(0.2, (words[-1].end_ms - words[0].start_ms) / 1_000)
    rate = round(len(words) / seconds, 2) if len(words) >= 3 else None
    loudness, pitches = _voice(decode_mulaw(mulaw))
    if len(pitches) < _FEWEST_VOICED:
        return Prosody(seconds, rate, loudness)
    middle = float(np.median(pitches))
    spread = float(np.std(12 * np.log2(pitches / middle)))
    return Prosody(seconds, rate, loudness, round(middle, 1), round(spread, 2))


def measure_turn(last: LastAudio, words: Sequence[Word]) -> Prosody | None:
    """Returns how the turn was spoken that has just ended, or None where it holds no words."""
    if not words:
        return None
    return measure(last.tail((words[-1].end_ms - words[0].start_ms) / 1_000 + _AFTER_SECONDS), words)


def _voice(samples: Float32) -> tuple[float | None, Float32]:
    """Returns the mean level of the loud frames in dB of full scale, and the pitch of the voiced ones in Hz."""
    count = len(samples) // _FRAME
    frames = samples[: count * _FRAME].reshape(count, _FRAME)
    power = np.mean(frames**2, axis=1) + 1e-10
    level = 10 * np.log10(power)
    loud = level > _LOUD_DB
    if not loud.any():
        return None, np.empty(0, dtype=np.float32)
    spectrum = np.abs(np.fft.rfft(frames[loud] - frames[loud].mean(axis=1, keepdims=True), 2 * _FRAME)) ** 2
    correlation = np.fft.irfft(spectrum)[:, : _LAGS[1] + 1]
    peaks = correlation[:, _LAGS[0] :] / np.maximum(correlation[:, :1], 1e-9)
    best = peaks.argmax(axis=1)
    voiced = peaks[np.arange(len(best)), best] >= _VOICED
    pitches: Float32 = (RATE_HZ / (best[voiced] + _LAGS[0])).astype(np.float32)
    return round(float(level[loud].mean()), 1), pitches
