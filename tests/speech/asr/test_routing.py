"""Routing by language: all candidates hear a call at first, the best is kept, and doubt opens the choice again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from app.errors import ConfigError, ModelError
from app.speech.asr.engine import Bias, Transcript, Word
from app.speech.asr.onnx_engine import STARTER_MODEL_DIR, OnnxAsrEngine
from app.speech.asr.routing import RoutedEngine, compare, engine_for, load_routed, opener_of

pytestmark = pytest.mark.unit


@dataclass
class FakeStream:
    heard: bytearray = field(default_factory=bytearray)
    stepped: int = 0
    closed: bool = False
    bias: Bias | None = None


class FakeEngine:
    """Hears the bytes that are its own language with confidence, all others as one short doubtful word."""

    def __init__(self, own: bytes, word: str, chunk_ms: int = 160) -> None:
        self.chunk_ms = chunk_ms
        self._own, self._word = own, word
        self.opened: list[FakeStream] = []
        self.runs: list[int] = []

    def open_stream(self, bias: Bias | None = None) -> FakeStream:
        self.opened.append(FakeStream(bias=bias))
        return self.opened[-1]

    def push(self, stream: FakeStream, mulaw: bytes) -> None:
        stream.heard += mulaw

    def is_due(self, stream: FakeStream) -> bool:
        return len(stream.heard) > stream.stepped

    def step(self, streams: Sequence[FakeStream]) -> list[Transcript | None]:
        self.runs.append(len(streams))
        found: list[Transcript | None] = []
        for stream in streams:
            due, stream.stepped = self.is_due(stream), len(stream.heard)
            found.append(self._transcript(stream, False) if due else None)
        return found

    def finish(self, streams: Sequence[FakeStream]) -> list[Transcript]:
        return [self._transcript(stream, True) for stream in streams]

    def close_stream(self, stream: FakeStream) -> None:
        stream.closed = True

    def _transcript(self, stream: FakeStream, is_final: bool) -> Transcript:
        own = bytes(stream.heard).count(self._own)
        if own:
            words = tuple(Word(self._word, 200 * at, 200 * at + 180, 0.9) for at in range(own))
        else:
            words = (Word("hm", 0, 60, 0.8),) if stream.heard else ()
        confidence = float(np.mean([word.confidence for word in words])) if words else 0.0
        return Transcript(" ".join(word.text for word in words), confidence, words, is_final)


@pytest.fixture
def hindi() -> FakeEngine:
    return FakeEngine(b"h", "नमस्ते")


@pytest.fixture
def tamil() -> FakeEngine:
    return FakeEngine(b"t", "வணக்கம்", chunk_ms=320)


@pytest.fixture
def routed(hindi: FakeEngine, tamil: FakeEngine) -> RoutedEngine:
    return RoutedEngine({"hi-IN": hindi, "ta-IN": tamil})


def _say(routed: RoutedEngine, opener: object, audio: bytes) -> Transcript:
    stream = opener(None)  # type: ignore[operator]
    routed.push(stream, audio)
    routed.step([stream])
    final = routed.finish([stream])[0]
    routed.close_stream(stream)
    return final


def test_the_first_utterance_chooses_and_later_ones_go_to_the_choice_alone(
    routed: RoutedEngine, hindi: FakeEngine, tamil: FakeEngine
) -> None:
    opener = opener_of(routed)
    assert _say(routed, opener, b"ttt").text == "வணக்கம் வணக்கம் வணக்கம்"
    assert (len(hindi.opened), len(tamil.opened)) == (1, 1)
    assert _say(routed, opener, b"tt").text == "வணக்கம் வணக்கம்"
    assert (len(hindi.opened), len(tamil.opened)) == (1, 2)
    assert all(stream.closed for stream in (*hindi.opened, *tamil.opened))


def test_calls_choose_apart_and_share_each_models_run(
    routed: RoutedEngine, hindi: FakeEngine, tamil: FakeEngine
) -> None:
    calls = [routed.open_call(), routed.open_call()]
    streams = [call.open_stream() for call in calls]
    for stream, audio in zip(streams, (b"hh", b"tt"), strict=True):
        routed.push(stream, audio)
    partials = routed.step(streams)
    assert [partial.text for partial in partials if partial] == ["नमस्ते नमस्ते", "வணக்கம் வணக்கம்"]
    assert (hindi.runs, tamil.runs) == ([2], [2])
    assert [final.text for final in routed.finish(streams)] == ["नमस्ते नमस्ते", "வணக்கம் வணக்கம்"]
    for stream in streams:
        routed.close_stream(stream)
    streams = [call.open_stream() for call in calls]
    assert [list(stream.streams) for stream in streams] == [[0], [1]]


def test_doubt_opens_the_choice_again(routed: RoutedEngine, hindi: FakeEngine, tamil: FakeEngine) -> None:
    opener = opener_of(routed)
    _say(routed, opener, b"hhh")
    lost = RoutedEngine({"hi-IN": hindi, "ta-IN": tamil}, least_score=0.85)
    call = lost.open_call()
    assert _say(lost, call.open_stream, b"hhh").text.startswith("नमस्ते")
    assert call.kept == 0
    assert _say(lost, call.open_stream, b"ttt").text == "hm"
    assert call.kept is None
    assert _say(lost, call.open_stream, b"ttt").text.startswith("வணக்கம்")
    assert call.kept == 1


def test_a_final_in_the_middle_of_an_utterance_decides_nothing_yet(routed: RoutedEngine) -> None:
    call = routed.open_call()
    stream = call.open_stream()
    routed.push(stream, b"h")
    assert routed.finish([stream])[0].text == "नमस्ते"
    assert call.kept is None
    routed.push(stream, b"ttttt")
    assert routed.finish([stream])[0].text.split() == ["வணக்கம்"] * 5
    routed.close_stream(stream)
    assert call.kept == 1
    routed.close_stream(stream)
    assert call.kept == 1


def test_silence_chooses_nobody_and_nothing_new_is_no_partial(routed: RoutedEngine) -> None:
    call = routed.open_call()
    stream = call.open_stream()
    assert routed.step([stream]) == [None]
    assert routed.finish([stream])[0].text == ""
    routed.close_stream(stream)
    assert call.kept is None
    stream = call.open_stream()
    routed.push(stream, b"h")
    assert routed.is_due(stream)
    assert routed.step([stream])[0] is not None
    assert routed.step([stream]) == [None]


def test_confidence_counts_for_the_whole_speech_not_for_the_words_that_were_caught() -> None:
    sure_of_little = Transcript("a", 0.99, (Word("a", 0, 100, 0.99),), True)
    fair_on_all = Transcript("b c", 0.7, (Word("b", 0, 600, 0.7), Word("c", 600, 1200, 0.7)), True)
    best, score = compare({0: sure_of_little, 1: fair_on_all})
    assert best == 1
    assert score == pytest.approx(0.7)


def test_a_bias_reaches_every_candidate_and_the_slowest_chunk_is_told(
    routed: RoutedEngine, hindi: FakeEngine, tamil: FakeEngine
) -> None:
    bias = Bias(phrases=("chennai",))
    routed.open_stream(bias)
    assert hindi.opened[0].bias is tamil.opened[0].bias is bias
    assert routed.chunk_ms == 320


def test_languages_share_a_model_that_is_named_twice(hindi: FakeEngine, tamil: FakeEngine) -> None:
    made: list[Path] = []

    def load(path: Path) -> FakeEngine:
        made.append(path)
        return hindi if path.name == "one" else tamil

    routed = load_routed({"hi-IN": Path("one"), "en-IN": Path("one"), "ta-IN": Path("two")}, load)
    assert made == [Path("one"), Path("two")]
    assert routed.candidates == 2
    assert routed.languages == ("hi-IN", "en-IN", "ta-IN")
    with pytest.raises(ConfigError, match="VAANISETU_ASR_MODELS names no model"):
        load_routed({}, load)


def test_a_model_says_which_engine_it_was_made_for(tmp_path: Path) -> None:
    assert engine_for(STARTER_MODEL_DIR) == "onnx"
    assert engine_for(STARTER_MODEL_DIR / "model.nemo") == "nemo"
    (tmp_path / "model.json").write_text('{"engine": "nemo"}')
    assert engine_for(tmp_path) == "nemo"
    with pytest.raises(ModelError, match=r"holds no model\.json"):
        engine_for(tmp_path.parent)


def test_two_real_models_find_the_one_that_hears(tmp_path: Path) -> None:
    from scipy import signal

    from app.speech.asr.features import encode_mulaw
    from app.speech.asr.training.espeak import Espeak

    deaf = tmp_path / "deaf"
    shutil.copytree(STARTER_MODEL_DIR, deaf, ignore=shutil.ignore_patterns("model.nemo"))
    described = json.loads((deaf / "model.json").read_text(encoding="utf-8"))
    described["mean"] = [value + 40.0 for value in described["mean"]]
    (deaf / "model.json").write_text(json.dumps(described), encoding="utf-8")
    routed = load_routed({"ta-IN": deaf, "hi-IN": STARTER_MODEL_DIR}, OnnxAsrEngine)
    speech = Espeak().speak("नौ आठ सात छह पाँच".split(), "hi+m3", rate=140)
    narrow = signal.resample_poly(speech.samples, 8000, speech.sample_rate_hz).astype(np.float32)
    quiet = np.zeros(3200, np.float32)
    audio = encode_mulaw(np.concatenate([quiet, narrow * np.float32(0.1 / narrow.std()), quiet]))
    call = routed.open_call()
    stream = call.open_stream()
    for at in range(0, len(audio), 160):
        routed.push(stream, audio[at : at + 160])
        routed.step([stream])
    final = routed.finish([stream])[0]
    routed.close_stream(stream)
    assert call.kept == 1
    assert "सात" in final.text
    alone = call.open_stream()
    assert list(alone.streams) == [1]
    routed.close_stream(alone)
