"""When batches run, on a clock of the test's own."""

from collections.abc import Sequence

import pytest

from app.speech.asr.engine import AsrEngine, Bias, Transcript
from app.speech.scheduler import Scheduler

pytestmark = pytest.mark.unit


class Stream:
    def __init__(self, bias: Bias | None) -> None:
        self.bias = bias
        self.audio = 0
        self.closed = False


class Engine:
    """A chunk is 100 bytes; a step eats them all and says how many streams ran together."""

    chunk_ms = 160

    def __init__(self) -> None:
        self.batches: list[int] = []

    def open_stream(self, bias: Bias | None = None) -> Stream:
        return Stream(bias)

    def push(self, stream: Stream, mulaw: bytes) -> None:
        stream.audio += len(mulaw)

    def is_due(self, stream: Stream) -> bool:
        return stream.audio >= 100

    def step(self, streams: Sequence[Stream]) -> list[Transcript | None]:
        self.batches.append(len(streams))
        for stream in streams:
            stream.audio %= 100
        return [Transcript("so far", 1.0, (), False) for _ in streams]

    def finish(self, streams: Sequence[Stream]) -> list[Transcript]:
        return [Transcript(str(stream.audio), 1.0, (), True) for stream in streams]

    def close_stream(self, stream: Stream) -> None:
        stream.closed = True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def scheduler(engine: Engine, clock: Clock) -> Scheduler:
    typed: AsrEngine = engine
    return Scheduler(typed, max_batch=3, max_wait_ms=20, clock=clock)


def fill(scheduler: Scheduler, *keys: int) -> None:
    for key in keys:
        scheduler.open(key, None)
        scheduler.push(key, bytes(100))


def test_nothing_due_waits_for_ever(scheduler: Scheduler) -> None:
    scheduler.open(1, None)
    scheduler.push(1, bytes(99))
    assert scheduler.seconds_to_wait() is None
    assert scheduler.step() == []


def test_a_stream_waits_for_company_but_not_for_long(scheduler: Scheduler, engine: Engine, clock: Clock) -> None:
    fill(scheduler, 1)
    assert scheduler.seconds_to_wait() == pytest.approx(0.02)
    clock.now = 0.01
    fill(scheduler, 2)
    assert scheduler.step() == []
    clock.now = 0.021
    assert [key for key, _ in scheduler.step()] == [1, 2]
    assert engine.batches == [2]
    figures = scheduler.take_figures()
    assert figures["waits"] == pytest.approx([21.0, 11.0])
    assert figures["batches"] == [2]
    assert scheduler.take_figures()["batches"] == []


def test_a_full_batch_runs_at_once_and_the_rest_follow(scheduler: Scheduler, engine: Engine, clock: Clock) -> None:
    fill(scheduler, 1, 2, 3, 4)
    assert scheduler.seconds_to_wait() == 0.0
    assert [key for key, _ in scheduler.step()] == [1, 2, 3]
    assert scheduler.step() == []
    clock.now = 1.0
    assert [key for key, _ in scheduler.step()] == [4]
    assert engine.batches == [3, 1]


def test_a_closed_utterance_runs_no_more_and_gives_its_stream_back(scheduler: Scheduler, clock: Clock) -> None:
    fill(scheduler, 1, 2)
    stream = scheduler._streams[1]
    scheduler.close(1)
    scheduler.close(1)
    scheduler.push(1, bytes(100))
    clock.now = 1.0
    assert stream.closed
    assert [key for key, _ in scheduler.step()] == [2]
    assert scheduler.finish([1, 2]) == [None, Transcript("0", 1.0, (), True)]


def test_opening_again_closes_what_was_open_and_carries_the_bias(scheduler: Scheduler) -> None:
    scheduler.open(1, None)
    first = scheduler._streams[1]
    scheduler.open(1, Bias(("surat",)))
    assert first.closed
    assert scheduler._streams[1].bias == Bias(("surat",))


def test_finals_wait_for_no_batch(scheduler: Scheduler, engine: Engine) -> None:
    fill(scheduler, 1)
    final = scheduler.finish([1])[0]
    assert final is not None and final.text == "100"
    assert engine.batches == []
    assert scheduler.finish([]) == []
