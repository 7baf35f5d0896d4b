"""espeak-ng through the shared library of the `espeakng-loader` wheel; runs in the speech worker.

Source: espeak-ng's speak_lib.h. The library holds global state: one instance, one thread.
"""

import ctypes
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import espeakng_loader
import numpy as np
from scipy.signal import resample_poly

from app.errors import ConfigError, TtsError
from app.speech.audio import RATE_HZ, Float32, encode_mulaw
from app.speech.tts.engine import Voice

_SYNCHRONOUS: Final = 2
_UTF8: Final = 1
_RATE: Final = 1
_PITCH: Final = 3
_PHRASE_END: Final = re.compile(r"(?<=[.?!।,;:])\s+")
_FIRST_PHRASE_CHARS: Final = 24
_PEAK: Final = 0.7
_FLOOR: Final = 0.004

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class EspeakTts:
    """The offline voice: small, quick, in every language; a hosted or neural voice may take its place."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._chunks: list[Float32] = []
        self._callback = _Callback(self._collect)
        data_parent = Path(espeakng_loader.get_data_path()).parent
        self._rate_hz = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, str(data_parent).encode(), 0))
        if self._rate_hz <= 0:
            raise ConfigError(f"espeak-ng found no voice data in {data_parent}")
        self._library.espeak_SetSynthCallback(self._callback)

    def synthesise(self, text: str, voice: Voice) -> Iterator[bytes]:
        """Yields 8 kHz mono mu-law, a phrase at a time; see `TtsEngine`."""
        if self._library.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise TtsError(f"espeak-ng has no voice {voice.name!r}")
        self._library.espeak_SetParameter(_RATE, voice.rate_wpm, 0)
        self._library.espeak_SetParameter(_PITCH, voice.pitch, 0)
        for phrase in phrases(text):
            audio = self._speak(phrase)
            if len(audio):
                yield encode_mulaw(audio)

    def _speak(self, phrase: str) -> Float32:
        self._chunks.clear()
        data = phrase.encode() + b"\0"
        status = self._library.espeak_Synth(data, ctypes.c_size_t(len(data)), 0, 1, 0, _UTF8, None, None)
        if status != 0:
            raise TtsError(f"espeak-ng failed with status {status}")
        if not self._chunks:
            return np.zeros(0, dtype=np.float32)
        audio = _resample(np.concatenate(self._chunks), self._rate_hz)
        peak = float(np.max(np.abs(audio)))
        return _trim(audio * (_PEAK / peak)) if peak > 0 else audio

    def _collect(self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int | None) -> int:
        if count > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, (count,)).astype(np.float32) / 32_768.0)
        return 0


def phrases(text: str) -> list[str]:
    """Splits a text after its punctuation, so that a short first phrase can be heard early."""
    parts: list[str] = []
    for part in _PHRASE_END.split(text.strip()):
        if parts and len(parts[-1]) < _FIRST_PHRASE_CHARS:
            parts[-1] = f"{parts[-1]} {part}"
        elif part:
            parts.append(part)
    return parts


def _trim(audio: Float32) -> Float32:
    """Cuts leading silence to 10 ms and trailing silence to 120 ms, 8 kHz mono."""
    loud = np.flatnonzero(np.abs(audio) > _FLOOR)
    if not len(loud):
        return audio[:0]
    return audio[max(0, loud[0] - 80) : loud[-1] + 960]


def _resample(samples: Float32, from_hz: int) -> Float32:
    divisor = math.gcd(from_hz, RATE_HZ)
    resampled: Float32 = resample_poly(samples, RATE_HZ // divisor, from_hz // divisor).astype(np.float32)
    return resampled
