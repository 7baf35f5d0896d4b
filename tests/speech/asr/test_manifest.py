"""Manifests: read whole, or refused in one line that says which line and what to do."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import ModelError
from app.speech.asr.manifest import groups, read_audio, read_recordings

pytestmark = pytest.mark.unit


def write_wav(path: Path, seconds: float, rate_hz: int = 8000, channels: int = 1, width: int = 2) -> Path:
    count = int(seconds * rate_hz) * channels
    tone = (8000 * np.sin(np.arange(count) * 2 * np.pi * 440 / rate_hz)).astype(np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(tone.tobytes() if width == 2 else bytes(count * width))
    return path


def write_manifest(folder: Path, *entries: dict[str, Any] | str) -> Path:
    path = folder / "manifest.jsonl"
    lines = [entry if isinstance(entry, str) else json.dumps(entry, ensure_ascii=False) for entry in entries]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def entry(**changes: Any) -> dict[str, Any]:
    return {"audio_filepath": "a.wav", "text": "मेरा order कहाँ है", "lang": "hi-IN"} | changes


def test_recordings_are_read_cut_resampled_and_grouped(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", 2.0, rate_hz=16000)
    manifest = write_manifest(
        tmp_path, entry(), entry(text="हाँ जी!", offset=0.5, duration=1.0), entry(text="Yes, please", lang="en-IN")
    )
    first, second, third = read_recordings(manifest)
    assert (first.text, first.group) == ("मेरा order कहाँ है", "hi-IN+en")
    assert (second.text, second.group) == ("हाँ जी", "hi-IN")
    assert (third.text, third.group) == ("yes please", "en-IN")
    assert [name for name, _ in groups([first, second, third])] == ["en-IN", "hi-IN", "hi-IN+en"]
    whole, part = read_audio(first), read_audio(second)
    assert (len(whole), len(part)) == (16000, 8000)
    assert np.allclose(part[100:-100], whole[4100 : 4000 + 7900], atol=0.01)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (entry(audio_filepath="b.wav"), r"line 1: .*b\.wav does not exist"),
        (entry(text=" "), r"line 1: text missing or empty"),
        (entry(lang=None), r"line 1: lang missing or empty"),
        (entry(text="!!!"), r"line 1: text '!!!' holds no words"),
        (entry(duration="long"), r"line 1: duration 'long' is no number of seconds"),
        (entry(duration=9.0), r"line 1: .*a\.wav lasts 2\.00 s, the line wants 0\.00 to 9\.00 s"),
        (entry(offset=-1), r"line 1: offset -1 is negative"),
        ("[1, 2]", r"line 1: not a JSON object"),
        ("{", r"line 1: not JSON"),
        (entry(audio_filepath="stereo.wav"), r"2 channels of 16 bits; make it 16-bit mono WAV"),
        (entry(audio_filepath="bytes.wav"), r"1 channels of 8 bits; make it 16-bit mono WAV"),
        (entry(audio_filepath="slow.wav"), r"slow\.wav has 6000 Hz; telephone speech needs 8000 Hz"),
        (entry(audio_filepath="text.wav"), r"text\.wav is no WAV file"),
        (entry(audio_filepath="long.wav"), r"61 s is no utterance; cut it below 60 s"),
    ],
)
def test_a_wrong_line_is_named_with_its_cure(tmp_path: Path, line: Any, said: str) -> None:
    write_wav(tmp_path / "a.wav", 2.0)
    write_wav(tmp_path / "stereo.wav", 1.0, channels=2)
    write_wav(tmp_path / "bytes.wav", 1.0, width=1)
    write_wav(tmp_path / "slow.wav", 1.0, rate_hz=6000)
    write_wav(tmp_path / "long.wav", 61.0)
    (tmp_path / "text.wav").write_text("no audio")
    with pytest.raises(ModelError, match=said) as raised:
        read_recordings(write_manifest(tmp_path, line))
    assert "\n" not in raised.value.detail


def test_many_faults_are_counted_not_poured_out(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"line 1: .*; line 2: .*; line 3: .*; and 17 more lines$"):
        read_recordings(write_manifest(tmp_path, *[entry()] * 20))


def test_an_empty_and_a_missing_manifest_say_what_belongs_in_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is empty; write one JSON object a line"):
        read_recordings(write_manifest(tmp_path, ""))
    with pytest.raises(ModelError, match="no such manifest"):
        read_recordings(tmp_path / "none.jsonl")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="cannot be read"):
        read_recordings(tmp_path / "binary")
