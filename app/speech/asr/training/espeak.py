"""Voices text with espeak-ng and reports when each word and phoneme is spoken."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import espeakng_loader
import numpy as np
from numpy.typing import NDArray

_EVENT_END, _EVENT_WORD, _EVENT_PHONEME = 0, 1, 7
_RATE, _PITCH, _PITCH_RANGE, _WORD_GAP = 1, 3, 4, 7
_SYNCHRONOUS, _PHONEME_EVENTS, _UTF8 = 2, 1, 1
"""Source: espeak-ng `speak_lib.h`."""


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


@dataclass(frozen=True, slots=True)
class Speech:
    """Voiced text: float32[n] samples, word starts in seconds (None: not reported), phonemes as (start, name)."""

    samples: NDArray[np.float32]
    sample_rate_hz: int
    word_starts_seconds: tuple[float | None, ...]
    phonemes: tuple[tuple[float, str], ...]


class Espeak:
    """The espeak-ng library of the `espeakng-loader` wheel; all objects share its one state, in turns."""

    _ready_with: ClassVar[bytes | None] = None
    _sample_rate_hz: ClassVar[int] = 0
    _lock = threading.Lock()

    def __init__(self, data_path: Path | None = None) -> None:
        """Loads the library with its own voices, or with those of `data_path`."""
        self._audio: list[NDArray[np.int16]] = []
        self._events: list[tuple[int, int, float, str]] = []
        signature = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
        self._callback = signature(self._receive)
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._data = str(data_path or espeakng_loader.get_data_path()).encode()
        with self._lock:
            self._take_over()

    def _take_over(self) -> None:
        """Initialises the library unless it is so already; with other voices only after it has been closed."""
        if Espeak._ready_with == self._data:
            return
        if Espeak._ready_with is not None:
            self._library.espeak_Terminate()
        Espeak._sample_rate_hz = int(self._library.espeak_Initialize(_SYNCHRONOUS, 500, self._data, _PHONEME_EVENTS))
        Espeak._ready_with = self._data

    def _receive(self, wave: Any, count: int, events: Any) -> int:
        if count > 0:
            self._audio.append(np.ctypeslib.as_array(wave, (count,)).copy())
        index = 0
        while events[index].type != _EVENT_END:
            event = events[index]
            if event.type in (_EVENT_WORD, _EVENT_PHONEME):
                name = event.id.decode("utf-8", "replace") if event.type == _EVENT_PHONEME else ""
                self._events.append((event.type, event.text_position, event.audio_position_ms / 1000, name))
            index += 1
        return 0

    def speak(
        self, words: Sequence[str], voice: str, rate: int = 160, pitch: int = 50, pitch_range: int = 50, gap: int = 0
    ) -> Speech:
        """Voices `words` joined by spaces.

        Args:
            words: what to say, word by word; a word may hold spaces itself (spelt letters).
            voice: an espeak voice with or without a variant, such as `hi+m3`.
            rate: words per minute.
            pitch: 0 to 100.
            pitch_range: 0 (monotone) to 100.
            gap: extra pause between words, in units of 10 ms at the normal rate.

        Raises:
            ValueError: where espeak does not know the voice.
        """
        with self._lock:
            self._take_over()
            self._library.espeak_SetSynthCallback(self._callback)
            if self._library.espeak_SetVoiceByName(voice.encode()):
                raise ValueError(f"espeak-ng has no voice {voice!r}")
            for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_PITCH_RANGE, pitch_range), (_WORD_GAP, gap)):
                self._library.espeak_SetParameter(parameter, value, 0)
            self._audio.clear()
            self._events.clear()
            data = " ".join(words).encode() + b"\0"
            self._library.espeak_Synth(data, len(data), 0, 1, 0, _UTF8, None, None)
            audio = np.concatenate(self._audio) if self._audio else np.zeros(0, np.int16)
            events = list(self._events)
        starts: list[float | None] = []
        position = 1
        for word in words:
            inside = [at for kind, where, at, _ in events if kind == _EVENT_WORD and 0 <= where - position < len(word)]
            starts.append(inside[0] if inside else None)
            position += len(word) + 1
        phonemes = tuple(
            (at, name.strip("',%=")) for kind, _, at, name in events if kind == _EVENT_PHONEME and name[:1] != "("
        )
        return Speech(audio.astype(np.float32) / np.float32(32768), self._sample_rate_hz, tuple(starts), phonemes)
