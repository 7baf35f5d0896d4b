"""Makes clean speech sound like one side of an Indian telephone call: band, noise, level, losses, mu-law."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from ..features import decode_mulaw, encode_mulaw

FloatArray = NDArray[np.float32]
_RATE_HZ = 8000
_BANDS = [
    signal.butter(order, [low, high], btype="band", fs=_RATE_HZ, output="sos")
    for order, low, high in ((3, 220, 3500), (4, 300, 3400), (2, 180, 3700), (3, 330, 3200))
]
_POOL_SIZE = 120


@dataclass(frozen=True, slots=True)
class Degraded:
    """Telephone audio, float32[n] at 8 kHz, and where the speech lies in it."""

    samples: FloatArray
    speech_start_seconds: float


class TelephoneChannel:
    """Draws a fresh channel for each utterance; keeps a few past utterances to serve as other people's speech."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._pool: list[FloatArray] = []

    def resample(self, samples: FloatArray, rate_hz: int, stretch: float) -> FloatArray:
        """Brings audio to 8 kHz; `stretch` above 1 makes the speaker sound larger and slower."""
        up, down = 160, max(1, round(160 * rate_hz / _RATE_HZ / stretch))
        common = gcd(up, down)
        return np.asarray(signal.resample_poly(samples, up // common, down // common), np.float32)

    def apply(self, speech: FloatArray, gentle: bool = False) -> Degraded:
        """Places speech at 8 kHz into a call.

        Args:
            speech: float32[n], 8 kHz, trimmed to the speech.
            gentle: a good line, as most validation utterances have.
        """
        rng = self._rng
        speech = speech / (np.sqrt(np.mean(speech**2)) + 1e-9)
        leads_seconds = [rng.uniform(0.0, 0.08), rng.uniform(0.2, 0.6), rng.uniform(0.4, 2.2)]
        lead_seconds = rng.choice(leads_seconds, p=[0.15, 0.5, 0.35])
        tail_seconds = rng.uniform(0.1, 0.9)
        lead = np.zeros(int(lead_seconds * _RATE_HZ), np.float32)
        if self._pool and rng.random() < (0.6 if lead_seconds > 0.6 else 0.25):
            self._put_other_speech(lead)
        wave = np.concatenate([lead, speech, np.zeros(int(tail_seconds * _RATE_HZ), np.float32)])
        self._remember(speech)
        if not gentle and rng.random() < 0.12:
            wave = self._reverberate(wave)
        if not gentle and rng.random() < 0.3:
            tilt = rng.uniform(-0.5, 0.5)
            wave = signal.lfilter([1.0, tilt], [1.0], wave)
        if rng.random() < 0.85:
            wave = signal.sosfilt(_BANDS[rng.integers(len(_BANDS))], wave)
        snr_db = rng.uniform(22, 40) if gentle else rng.choice([rng.uniform(8, 20), rng.uniform(18, 45)], p=[0.3, 0.7])
        noise = self._noise(len(wave))
        if rng.random() < 0.04:
            noise *= 0.0
        wave = wave + noise * 10 ** (-snr_db / 20)
        if not gentle and rng.random() < 0.15:
            self._lose_packets(wave)
        level_db = rng.uniform(-30, -14) if gentle else rng.uniform(-36, -12)
        wave = wave * 10 ** (level_db / 20) / (np.sqrt(np.mean(speech**2)) + 1e-9)
        mulaw = encode_mulaw(np.clip(wave, -1, 1).astype(np.float32))
        return Degraded(decode_mulaw(mulaw), len(lead) / _RATE_HZ)

    def _remember(self, speech: FloatArray) -> None:
        if len(self._pool) < _POOL_SIZE:
            self._pool.append(speech)
        elif self._rng.random() < 0.1:
            self._pool[self._rng.integers(_POOL_SIZE)] = speech

    def _put_other_speech(self, lead: FloatArray) -> None:
        other = self._pool[self._rng.integers(len(self._pool))]
        room = max(0, len(lead) - int(self._rng.uniform(0.08, 0.5) * _RATE_HZ))
        piece = other[-room:] if room else other[:0]
        lead[room - len(piece) : room] = piece * 10 ** (-self._rng.uniform(12, 26) / 20)

    def _noise(self, count: int) -> FloatArray:
        rng = self._rng
        kind = rng.random()
        if kind < 0.15 and len(self._pool) > 10:
            noise = np.zeros(count)
            for _ in range(4):
                noise += np.resize(self._pool[rng.integers(len(self._pool))], count)
        else:
            noise = rng.standard_normal(count)
            if kind > 0.5:
                spectrum = np.fft.rfft(noise)
                spectrum /= np.maximum(1.0, np.arange(len(spectrum))) ** rng.uniform(0.3, 0.8)
                noise = np.fft.irfft(spectrum, count)
        return np.asarray(noise / (np.sqrt(np.mean(noise**2)) + 1e-9), np.float32)

    def _reverberate(self, wave: FloatArray) -> FloatArray:
        length = int(self._rng.uniform(0.04, 0.15) * _RATE_HZ)
        response = self._rng.standard_normal(length) * np.exp(-np.arange(length) / (length / 5)) * 0.15
        response[0] = 1.0
        return np.asarray(signal.fftconvolve(wave, response)[: len(wave)])

    def _lose_packets(self, wave: FloatArray) -> None:
        for _ in range(self._rng.integers(1, 4)):
            length = 160 * int(self._rng.integers(1, 4))
            start = int(self._rng.integers(0, max(1, len(wave) - length)))
            wave[start : start + length] = 0.0
