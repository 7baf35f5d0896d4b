"""What is evaluated: the lines of a manifest as items, checked before any audio is played."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import ModelError

from ..engine import Bias
from ..features import FloatArray
from ..manifest import Recording, read_audio, read_recordings

_RATE_HZ = 8000


@dataclass(frozen=True, slots=True)
class Item:
    """One utterance to be heard.

    Attributes:
        name: The audio path as the manifest writes it, with the offset where there is one; pairs two reports.
        recording: Where the audio is.
        text: What is said, as the manifest writes it.
        language: The language's primary subtag (`hi`).
        kind: The set it belongs to, "" where the manifest names none.
        speech_end_ms: True end of the speech in the cut-out audio, where the manifest knows it.
        bias: What a dialogue would have expected, where the manifest says so.
        word: The word of the business that is said, where the manifest names one.
        tunes: Whether the decoder may have been tuned on it.
    """

    name: str
    recording: Recording
    text: str
    language: str
    kind: str
    speech_end_ms: float | None
    bias: Bias | None
    word: str = ""
    tunes: bool = False

    @property
    def pair(self) -> str:
        """The language, with `+en` where Latin words are mixed in."""
        return self.language + self.recording.group.removeprefix(self.recording.language)

    def samples(self) -> FloatArray:
        """Returns float32[n] at 8 kHz.

        Raises:
            ModelError: The file has changed since it was checked.
        """
        return read_audio(self.recording, _RATE_HZ)


def read_items(manifest: Path, languages: Collection[str]) -> list[Item]:
    """Reads a manifest: JSON lines with audio_filepath, duration, text, lang.

    Further optional keys: `kind` (a set's name), `speech_end` (seconds), `digits` ([fewest, most] awaited),
    `expected` (words that the question expects), `word` (the word of the business in it), `tuning` (true: it may have
    tuned the decoder).

    Args:
        manifest: The file.
        languages: Primary subtags that have a language pack.

    Raises:
        ModelError: One line that names the file, the line and the cure.
    """
    recordings = read_recordings(manifest)
    lines = [line for line in enumerate(manifest.read_text(encoding="utf-8").splitlines(), 1) if line[1].strip()]
    items: list[Item] = []
    for recording, (number, line) in zip(recordings, lines, strict=True):
        try:
            items.append(_item(recording, json.loads(line), languages))
        except ValueError as error:
            raise ModelError(f"{manifest}: line {number}: {error}") from error
    return items


def _item(recording: Recording, entry: dict[str, Any], languages: Collection[str]) -> Item:
    language = recording.language.split("-")[0].lower()
    if language not in languages:
        raise ValueError(f"lang {recording.language!r} has no language pack; there are {', '.join(sorted(languages))}")
    end = entry.get("speech_end")
    last = recording.offset_seconds + recording.seconds
    if end is not None and not (isinstance(end, int | float) and 0 < end <= last):
        raise ValueError(f"speech_end {end!r} must be seconds within the audio ({recording.seconds:.2f} s)")
    offset = f"@{recording.offset_seconds:g}" if recording.offset_seconds else ""
    return Item(
        name=str(entry["audio_filepath"]) + offset,
        recording=recording,
        text=str(entry["text"]),
        language=language,
        kind=str(entry.get("kind", "")),
        speech_end_ms=None if end is None else 1000 * (float(end) - recording.offset_seconds),
        bias=_bias(entry),
        word=str(entry.get("word", "")),
        tunes=entry.get("tuning") is True,
    )


def _bias(entry: dict[str, Any]) -> Bias | None:
    digits, expected = entry.get("digits"), entry.get("expected", [])
    if digits is not None and not _is_range(digits):
        raise ValueError(f"digits {digits!r} must be [fewest, most]")
    if not (isinstance(expected, list) and all(isinstance(word, str) for word in expected)):
        raise ValueError(f"expected {expected!r} must be a list of words")
    if digits is None and not expected:
        return None
    return Bias((), None if digits is None else (digits[0], digits[1]), tuple(expected))


def _is_range(value: object) -> bool:
    numbers = value if isinstance(value, list) else []
    return len(numbers) == 2 and all(isinstance(one, int) for one in numbers) and 0 < numbers[0] <= numbers[1]
