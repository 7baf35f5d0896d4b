"""Playing recordings to an engine: pace, partials, endpoints; a scripted engine says a word per 100 ms of audio."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from app.speech.asr.engine import Bias, Transcript
from app.speech.asr.evaluation.listening import Utterance, listen, speech_end_ms, to_mulaw

pytestmark = pytest.mark.unit


class ScriptedStream:
    def __init__(self, bias: Bias | None) -> None:
        self.bias = bias
        self.heard_bytes = 0
        self.told = 0
        self.is_open = True


class ScriptedEngine:
    """Hears "w0 w1 ..." a word per 100 ms, and what it was told to expect."""

    chunk_ms = 100

    def __init__(self) -> None:
        self.most_open = 0
        self.streams: list[ScriptedStream] = []
        self.pushes: list[int] = []

    def open_stream(self, bias: Bias | None = None) -> ScriptedStream:
        self.streams.append(ScriptedStream(bias))
        self.most_open = max(self.most_open, sum(stream.is_open for stream in self.streams))
        return self.streams[-1]

    def push(self, stream: ScriptedStream, mulaw: bytes) -> None:
        self.pushes.append(len(mulaw))
        stream.heard_bytes += len(mulaw)

    def is_due(self, stream: ScriptedStream) -> bool:
        return stream.heard_bytes // 800 > stream.told

    def step(self, streams: Sequence[ScriptedStream]) -> list[Transcript | None]:
        found: list[Transcript | None] = []
        for stream in streams:
            due = self.is_due(stream)
            stream.told = stream.heard_bytes // 800
            found.append(self._transcript(stream, is_final=False) if due else None)
        return found

    def finish(self, streams: Sequence[ScriptedStream]) -> list[Transcript]:
        return [self._transcript(stream, is_final=True) for stream in streams]

    def close_stream(self, stream: ScriptedStream) -> None:
        stream.is_open = False

    def _transcript(self, stream: ScriptedStream, is_final: bool) -> Transcript:
        words = [f"w{at}" for at in range(stream.heard_bytes // 800)] + list(
            stream.bias.expected if stream.bias else ()
        )
        return Transcript(" ".join(words), 1.0, (), is_final)


class EndsAfter:
    """Ends a turn once it has heard so many milliseconds; asks what was heard once, half way."""

    def __init__(self, after_ms: float, asked: list[str]) -> None:
        self._after_ms = after_ms
        self._asked = asked
        self._ms = 0

    def hear(self, mulaw: bytes, heard: Callable[[], Transcript]) -> float | None:
        self._ms += len(mulaw) // 8
        if self._ms == 200:
            self._asked.append(heard().text)
        return self._ms if self._ms >= self._after_ms else None


def utterance(ms: int, end_ms: float, bias: Bias | None = None) -> Utterance:
    return Utterance(b"\x55" * (8 * ms), end_ms, bias)


def test_everything_is_heard_in_order_at_the_callers_pace() -> None:
    engine = ScriptedEngine()
    heard = list(listen(engine, [utterance(ms, ms) for ms in (300, 500, 450, 100, 210)], at_once=2))
    assert [len(one.text.split()) for one in heard] == [3, 5, 4, 1, 2]
    assert set(engine.pushes) == {160, 80}
    assert engine.most_open == 2
    assert not any(stream.is_open for stream in engine.streams)
    assert heard[1].partials == (("w0",), ("w0", "w1"), ("w0", "w1", "w2"), *heard[1].partials[3:])
    assert all(one.final_ms is not None and one.final_ms >= 0 for one in heard)
    assert not heard[0].has_endpointing


def test_the_bias_reaches_the_stream() -> None:
    heard = list(listen(ScriptedEngine(), [utterance(100, 80, Bias(expected=("hello",)))]))
    assert heard[0].text == "w0 hello"


def test_endpoints_early_late_and_never() -> None:
    asked: list[str] = []
    ends = {300: 240.0, 400: 900.0, 500: 9e9}
    lengths = iter(ends.values())
    heard = list(
        listen(
            ScriptedEngine(),
            [utterance(ms, ms - 40) for ms in ends],
            open_turn=lambda bias: EndsAfter(next(lengths), asked),
        )
    )
    assert [one.endpoint_ms for one in heard] == [240 - 260, 900 - 360, None]
    assert all(one.has_endpointing for one in heard)
    assert asked == ["w0 w1"] * 3
    assert heard[1].text == "w0 w1 w2 w3"


def test_the_end_of_speech_by_energy() -> None:
    noise = np.random.default_rng(0).normal(0, 0.001, 16_000).astype(np.float32)
    noise[3200:9600] += 0.3 * np.sin(np.arange(6400) / 3).astype(np.float32)
    assert speech_end_ms(noise, 8000) == pytest.approx(1200, abs=20)
    assert speech_end_ms(np.zeros(10, np.float32), 8000) == pytest.approx(1.25)


def test_mulaw_of_loud_audio_is_clipped() -> None:
    assert to_mulaw(np.array([9.0, -9.0], np.float32)) == b"\x80\x00"
