"""Reads and checks manifests of recordings: NeMo's JSON lines, each with audio that is really there."""

from __future__ import annotations

import json
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy import signal

from app.errors import ModelError
from app.language.scripts import LATIN, script_of_word

from .features import FloatArray
from .training.text import normalise

_LEAST_RATE_HZ: Final = 8000
_SHOWN_FAULTS: Final = 3
_LONGEST_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Recording:
    """One utterance: where its audio lies, what is said in it (as transcripts write it), in which language.

    `offset_seconds` and `seconds` cut it out of its file.
    """

    audio: Path
    text: str
    language: str
    offset_seconds: float
    seconds: float
    rate_hz: int

    @property
    def group(self) -> str:
        """The set it is reported under: its language, with `+en` where English words are mixed in."""
        scripts = {script_of_word(word) for word in self.text.split()} - {None}
        return f"{self.language}+en" if LATIN in scripts and len(scripts) > 1 else self.language


def read_recordings(manifest: Path) -> list[Recording]:
    """Reads a manifest and the header of every recording.

    A line holds `audio_filepath` (relative to the manifest), `text`, `lang`, and optionally `offset` and `duration` in
    seconds. Audio is 16-bit mono WAV of 8 kHz or more.

    Raises:
        ModelError: The manifest is missing or empty, or lines of it are wrong; one line of text says which and how.
    """
    try:
        lines = manifest.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise ModelError(f"{manifest}: no such manifest") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{manifest} cannot be read ({error}); a manifest is UTF-8 text, one JSON object a line"
        ) from error
    found: list[Recording] = []
    faults: list[str] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append(_recording(line, manifest.parent))
            except ValueError as error:
                faults.append(f"line {number}: {error}")
    if faults:
        more = f"; and {len(faults) - _SHOWN_FAULTS} more lines" if len(faults) > _SHOWN_FAULTS else ""
        raise ModelError(f"{manifest}: {'; '.join(faults[:_SHOWN_FAULTS])}{more}")
    if not found:
        raise ModelError(f"{manifest} is empty; write one JSON object a line: audio_filepath, duration, text, lang")
    return found


def _recording(line: str, folder: Path) -> Recording:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg})") from error
    if not isinstance(entry, dict):
        raise ValueError("not a JSON object")
    missing = [key for key in ("audio_filepath", "text", "lang") if not str(entry.get(key) or "").strip()]
    if missing:
        raise ValueError(f"{' and '.join(missing)} missing or empty")
    text = normalise(str(entry["text"]))
    if not text:
        raise ValueError(f"text {entry['text']!r} holds no words")
    path = folder / str(entry["audio_filepath"])
    length_seconds, rate_hz = _header(path)
    offset = _seconds(entry, "offset", 0.0)
    seconds = _seconds(entry, "duration", length_seconds - offset)
    if seconds <= 0.05 or offset + seconds > length_seconds + 0.5:
        raise ValueError(
            f"{path} lasts {length_seconds:.2f} s, the line wants {offset:.2f} to {offset + seconds:.2f} s"
        )
    if seconds > _LONGEST_SECONDS:
        raise ValueError(
            f"{seconds:.0f} s is no utterance; cut it below {_LONGEST_SECONDS:.0f} s (offset and duration)"
        )
    return Recording(path, text, str(entry["lang"]), offset, min(seconds, length_seconds - offset), rate_hz)


def _seconds(entry: dict[str, Any], key: str, default: float) -> float:
    value = entry.get(key)
    if value is None:
        return default
    try:
        seconds = float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{key} {value!r} is no number of seconds") from error
    if seconds < 0:
        raise ValueError(f"{key} {value!r} is negative")
    return seconds


def _header(path: Path) -> tuple[float, int]:
    """Returns a WAV file's length in seconds and its rate."""
    cure = "make it 16-bit mono WAV, as with `ffmpeg -i IN -ac 1 -c:a pcm_s16le OUT.wav`"
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, rate_hz, frames = file.getparams()[:4]
    except FileNotFoundError as error:
        raise ValueError(f"{path} does not exist; correct the path, or leave the line out") from error
    except (wave.Error, EOFError, OSError) as error:
        raise ValueError(f"{path} is no WAV file ({error}); {cure}") from error
    if channels != 1 or width != 2:
        raise ValueError(f"{path} has {channels} channels of {8 * width} bits; {cure}")
    if rate_hz < _LEAST_RATE_HZ:
        raise ValueError(f"{path} has {rate_hz} Hz; telephone speech needs {_LEAST_RATE_HZ} Hz, record it again")
    return frames / rate_hz, rate_hz


def read_audio(recording: Recording, rate_hz: int = _LEAST_RATE_HZ) -> FloatArray:
    """Reads a recording's samples.

    Returns:
        float32[n] in [-1, 1], mono, at `rate_hz`.

    Raises:
        ModelError: The file has changed since its header was read.
    """
    try:
        with wave.open(str(recording.audio), "rb") as file:
            file.setpos(round(recording.offset_seconds * recording.rate_hz))
            data = file.readframes(round(recording.seconds * recording.rate_hz))
    except (wave.Error, EOFError, OSError) as error:
        raise ModelError(f"{recording.audio} cannot be read any more ({error})") from error
    samples: FloatArray = np.frombuffer(data, np.int16).astype(np.float32) / np.float32(32768)
    if recording.rate_hz == rate_hz:
        return samples
    return np.asarray(signal.resample_poly(samples, rate_hz, recording.rate_hz), np.float32)


def groups(recordings: list[Recording]) -> Iterator[tuple[str, list[Recording]]]:
    """Yields the recordings by the set that they are reported under."""
    for name in sorted({recording.group for recording in recordings}):
        yield name, [recording for recording in recordings if recording.group == name]
