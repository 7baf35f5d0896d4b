import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.errors import ConfigError, TtsError
from app.simulate.scenario import Noise, Say, Scenario, Span, Step
from app.simulate.voices import prepare, read_wav
from app.speech.audio import decode_mulaw, encode_mulaw, wav_header
from app.speech.tts.engine import Voice

pytestmark = pytest.mark.unit


def tone(milliseconds: int, level: float = 0.3) -> bytes:
    return encode_mulaw((level * np.sin(np.arange(milliseconds * 8) * 0.7)).astype(np.float32))


class ToneBox:
    """Speaks every text as a tone of 100 ms per word, between 50 ms silences."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Voice]] = []

    def synthesise(self, text: str, voice: Voice) -> Iterator[bytes]:
        if voice.name.startswith("xx"):
            raise TtsError(f"no voice {voice.name!r}")
        self.asked.append((text, voice))
        yield b"\xff" * 400
        yield tone(100 * len(text.split()))
        yield b"\xff" * 400


def scenario(*steps: Step, **fields: object) -> Scenario:
    known = {
        "name": "t",
        "summary": "t",
        "language": "hi-IN",
        "voices": {"hi-IN": "hi+m5", "en-IN": "en-us+f4"},
        "from_number": "+919876500001",
        **fields,
    }
    return Scenario.model_validate({**known, "steps": steps})


def test_speech_is_measured_without_its_silences(tmp_path: Path) -> None:
    script = prepare(scenario(Step(say=Say(text="एक दो"))), ToneBox(), tmp_path)
    spoken = script.steps[0]
    assert spoken is not None and len(spoken.mulaw) == 300 * 8
    assert spoken.loud_from_ms == pytest.approx(50, abs=2)
    assert spoken.loud_to_ms == pytest.approx(250, abs=2)


def test_spans_are_voiced_in_their_language_and_joined(tmp_path: Path) -> None:
    box = ToneBox()
    say = Say(spans=(Span(text="एक", pause_ms=500), Span(text="two", language="en-IN")))
    script = prepare(scenario(Step(say=say)), box, tmp_path)
    assert [(text, voice.name) for text, voice in box.asked[:2]] == [("एक", "hi+m5"), ("two", "en-us+f4")]
    assert script.steps[0] is not None and len(script.steps[0].mulaw) == (200 + 500 + 200) * 8


def test_what_is_asked_for_again_is_said_more_slowly_or_as_told(tmp_path: Path) -> None:
    box = ToneBox()
    prepare(scenario(Step(say=Say(text="एक दो")), Step(say=Say(text="तीन"), again=Say(text="तीन, तीन"))), box, tmp_path)
    assert [(text, voice.rate_wpm) for text, voice in box.asked] == [
        ("एक दो", 150),
        ("एक दो", 120),
        ("तीन", 150),
        ("तीन, तीन", 150),
    ]


def test_an_unknown_voice_and_silence_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"steps\[0\].say: no voice"):
        prepare(scenario(Step(say=Say(text="a", voice="xx+m9"))), ToneBox(), tmp_path)
    (tmp_path / "quiet.wav").write_bytes(wav_header(1, 800) + b"\xff" * 800)
    with pytest.raises(ConfigError, match="nothing can be heard"):
        prepare(scenario(Step(wav=Path("quiet.wav"))), ToneBox(), tmp_path)


def test_noise_lies_under_speech_and_silence_at_the_level_asked_for(tmp_path: Path) -> None:
    script = prepare(scenario(Step(say=Say(text="एक")), noise=Noise(snr_db=20)), ToneBox(), tmp_path)
    mouth = script.mouth()
    quiet = decode_mulaw(b"".join(mouth.frame(0.0) for _ in range(100)))
    speech_rms = 0.3 / np.sqrt(2)
    ratio_db = 20 * np.log10(speech_rms / np.sqrt(np.mean(quiet**2)))
    assert ratio_db == pytest.approx(20, abs=2.5)
    assert script.mouth().frame(0.0) == script.mouth().frame(0.0)


def pcm(path: Path, *, rate: int = 8000, channels: int = 1) -> Path:
    data = struct.pack("<100h", *([8000, -8000] * 50))
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + 200, b"WAVE", b"fmt ", 16, 1, channels, rate, rate * 2, 2, 16)
    path.write_bytes(head + b"LIST\x03\x00\x00\x00abc\x00" + struct.pack("<4sI", b"data", 200) + data)
    return path


def test_wav_files_of_both_kinds_are_read(tmp_path: Path) -> None:
    mulaw = tone(50)
    (tmp_path / "m.wav").write_bytes(wav_header(1, len(mulaw)) + mulaw)
    assert read_wav(tmp_path / "m.wav") == mulaw
    assert len(read_wav(pcm(tmp_path / "p.wav"))) == 100


@pytest.mark.parametrize("content", [b"", b"RIFF\x00\x00\x00\x00WAVE", b"not a wav file at all, but long enough" * 3])
def test_what_is_no_wav_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.wav").write_bytes(content)
    with pytest.raises(ConfigError, match="not a WAV file"):
        read_wav(tmp_path / "x.wav")


def test_another_rate_or_stereo_is_refused_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"44100 Hz.*sox"):
        read_wav(pcm(tmp_path / "cd.wav", rate=44100))
    with pytest.raises(ConfigError, match="2 channels"):
        read_wav(pcm(tmp_path / "st.wav", channels=2))
    with pytest.raises(ConfigError, match="No such file"):
        read_wav(tmp_path / "none.wav")
