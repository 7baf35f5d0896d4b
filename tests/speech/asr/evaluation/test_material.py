"""Manifests and what is wrong with them: one line that names the file, the line and the cure."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from app.errors import ModelError
from app.speech.asr.engine import Bias
from app.speech.asr.evaluation.material import read_items
from app.speech.asr.evaluation.run import condition_audio

pytestmark = pytest.mark.unit
LANGUAGES = {"hi", "en", "ta", "te"}


def write_wav(path: Path, rate_hz: int = 8000, channels: int = 1, seconds: float = 1.0) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        tone = (8000 * np.sin(np.arange(int(rate_hz * seconds * channels)) / 9)).astype(np.int16)
        file.writeframes(tone.tobytes())


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    write_wav(tmp_path / "a.wav")
    write_wav(tmp_path / "wide.wav", rate_hz=16_000)
    return tmp_path / "manifest.jsonl"


def write(manifest: Path, *entries: object) -> None:
    lines = [entry if isinstance(entry, str) else json.dumps(entry, ensure_ascii=False) for entry in entries]
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")


def entry(**changed: object) -> dict[str, object]:
    return {"audio_filepath": "a.wav", "duration": 1.0, "text": "मेरा order", "lang": "hi-IN", **changed}


def test_a_line_becomes_an_item(manifest: Path) -> None:
    write(
        manifest, entry(kind="order", speech_end=0.8, digits=[4, 8], expected=["हाँ"]), "", entry(lang="hi", text="हाँ")
    )
    first, second = read_items(manifest, LANGUAGES)
    assert (first.language, first.pair, first.kind, first.speech_end_ms) == ("hi", "hi+en", "order", 800.0)
    assert first.bias == Bias((), (4, 8), ("हाँ",))
    assert (second.pair, second.bias, second.speech_end_ms) == ("hi", None, None)
    assert len(first.samples()) == 8000


def test_other_rates_are_resampled(manifest: Path) -> None:
    write(manifest, entry(audio_filepath="wide.wav"))
    assert len(read_items(manifest, LANGUAGES)[0].samples()) == 8000


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"audio_filepath": "none.wav"}, "does not exist"),
        ({"lang": "xx"}, "no language pack; there are en, hi, ta, te"),
        ({"text": ""}, "text"),
        ({"speech_end": 9}, "speech_end"),
        ({"digits": [8, 4]}, r"digits \[8, 4\] must be"),
        ({"digits": "four"}, "digits"),
        ({"expected": "हाँ"}, "expected"),
        ({"duration": 7.0}, "lasts 1"),
    ],
)
def test_a_wrong_line_is_named(manifest: Path, wrong: dict[str, object], reason: str) -> None:
    write(manifest, entry(), entry(**wrong))
    with pytest.raises(ModelError, match=f"manifest.jsonl: line 2: .*{reason}") as caught:
        read_items(manifest, LANGUAGES)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"), [("", "empty"), ("\n\n", "empty"), ("{not json}\n", "line 1: not JSON"), ("[1]\n", "line 1")]
)
def test_a_wrong_manifest_is_named(manifest: Path, content: str, reason: str) -> None:
    manifest.write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=reason):
        read_items(manifest, LANGUAGES)


def test_a_missing_manifest_and_wrong_audio_are_named(manifest: Path) -> None:
    with pytest.raises(ModelError, match="no such manifest"):
        read_items(manifest, LANGUAGES)
    write_wav(manifest.parent / "a.wav", channels=2)
    write(manifest, entry())
    with pytest.raises(ModelError, match=r"line 1: .*2 channels"):
        read_items(manifest, LANGUAGES)
    write_wav(manifest.parent / "a.wav", rate_hz=6000)
    with pytest.raises(ModelError, match=r"line 1: .*6000 Hz"):
        read_items(manifest, LANGUAGES)


def test_the_telephone_takes_what_lies_outside_its_band_and_sets_the_level() -> None:
    time = np.arange(16_000) / 8000
    low, voice = (np.sin(2 * np.pi * hertz * time).astype(np.float32) * 0.5 for hertz in (60, 1000))
    assert np.sqrt(np.mean(condition_audio(voice, "telephone") ** 2)) == pytest.approx(10 ** (-26 / 20), rel=0.1)
    mixed = condition_audio(low + voice, "telephone")
    spectrum = np.abs(np.fft.rfft(mixed[4000:12_000]))
    assert spectrum[60] < spectrum[1000] / 100
    assert condition_audio(voice, "clean") is voice
    assert np.isfinite(condition_audio(np.zeros(800, np.float32), "telephone")).all()
    with pytest.raises(ValueError, match="no condition"):
        condition_audio(voice, "radio")
