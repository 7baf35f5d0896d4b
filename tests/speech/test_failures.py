"""What calls live through: workers that hang, die, do not start or do not read, and calls that fail on their own."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from app.errors import ConfigError, SpeechWorkerLost, Unavailable
from app.speech import process, wire
from app.speech.asr.onnx_engine import STARTER_MODEL_DIR
from app.speech.audio import silence
from app.speech.ear import Ears
from app.speech.metrics import SpeechMetrics
from app.speech.process import WorkerProcess
from app.speech.seat import HearingOptions

from .test_workers import Listener

pytestmark = pytest.mark.integration


class FailingListener(Listener):
    """Fails on the first `faults` of what it hears."""

    def __init__(self, faults: int) -> None:
        super().__init__()
        self.faults = faults
        self.losses = 0

    def on_voice(self, probabilities: Sequence[float]) -> None:
        if self.faults:
            self.faults -= 1
            raise ValueError("no such turn")
        super().on_voice(probabilities)

    def on_hearing_lost(self) -> None:
        self.losses += 1
        super().on_hearing_lost()


@pytest.fixture
async def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def pair(registry: CollectorRegistry) -> AsyncIterator[Ears]:
    ears = Ears(HearingOptions(capacity=4, workers=2), SpeechMetrics(registry))
    await ears.start()
    yield ears
    await ears.close()


@pytest.fixture
async def ears() -> AsyncIterator[Ears]:
    ears = Ears(HearingOptions(capacity=4))
    await ears.start()
    yield ears
    await ears.close()


async def until(condition: object, seconds: float = 10.0) -> float:
    started = time.monotonic()
    async with asyncio.timeout(seconds):
        while not condition():  # type: ignore[operator]  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return time.monotonic() - started


async def test_a_hung_worker_is_noticed_within_a_second_and_replaced(ears: Ears) -> None:
    listener = Listener()
    ear = ears.open(listener)
    pid = ears.workers[0].pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    started = time.monotonic()
    async with asyncio.timeout(3):
        while not listener.lost.is_set():
            ear.push(silence(20))
            await asyncio.sleep(0.02)
    assert time.monotonic() - started < 1.5
    assert ears.workers[0].unread_bytes == 0
    async with asyncio.timeout(20):
        await listener.restored.wait()
    ear.push(silence(320))
    await until(lambda: len(listener.probabilities) == 10)
    assert ears.workers[0].pid != pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_worker_that_computes_is_given_longer(ears: Ears, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WorkerProcess, "_is_computing", lambda _: True)
    ears.open(listener := Listener())
    pid = ears.workers[0].pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.5):
            await listener.lost.wait()
    async with asyncio.timeout(5):
        await listener.lost.wait()


async def test_a_worker_that_does_not_read_is_given_up_before_memory_is(
    ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_MOST_UNREAD_BYTES", 100_000)
    ear = ears.open(listener := Listener())
    worker = ears.workers[0]
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGSTOP)
    with pytest.raises(SpeechWorkerLost, match="does not read"):
        for _ in range(1_000):
            worker.send([[wire.AUDIO, ear.slot, silence(500)]])
    assert worker.unread_bytes < 120_000
    async with asyncio.timeout(5):
        await listener.lost.wait()


async def test_calls_of_a_dead_worker_are_heard_by_the_other_at_once(pair: Ears, registry: CollectorRegistry) -> None:
    listeners = [Listener() for _ in range(4)]
    opened = [pair.open(listener) for listener in listeners]
    dead = pair.workers[0]
    of_dead = [i for i, ear in enumerate(opened) if ear.seat is not None and ear.seat.worker is dead]
    assert len(of_dead) == 2
    assert dead.pid is not None
    os.kill(dead.pid, signal.SIGKILL)
    for i in of_dead:
        async with asyncio.timeout(3):
            await listeners[i].restored.wait()
        assert listeners[i].lost.is_set()
    assert not any(listeners[i].lost.is_set() for i in range(4) if i not in of_dead)
    for ear in opened:
        ear.push(silence(320))
    await until(lambda: all(len(listener.probabilities) == 10 for listener in listeners))
    assert registry.get_sample_value("vaanisetu_speech_worker_restarts_total", {"role": "listen"}) == 1
    await until(lambda: dead.is_ready, 20)
    assert {ear.seat.worker for ear in opened if ear.seat} == {pair.workers[1]}
    opened[0].close()
    assert pair.open(Listener()).seat is not opened[1].seat


async def test_a_call_that_fails_on_what_it_hears_fails_alone(ears: Ears) -> None:
    failing, other = FailingListener(faults=1), Listener()
    ill, well = ears.open(failing), ears.open(other)
    for ear in (ill, well):
        ear.push(silence(320))
    await until(lambda: len(other.probabilities) == 10)
    assert failing.losses == 1
    assert failing.restored.is_set()
    assert ears.is_ready
    ill.push(silence(320))
    await until(lambda: len(failing.probabilities) == 10)


async def test_a_call_that_fails_again_and_again_is_left_deaf_but_keeps_its_slot(ears: Ears) -> None:
    failing, other = FailingListener(faults=100), Listener()
    ill, well = ears.open(failing), ears.open(other)
    for _ in range(20):
        for ear in (ill, well):
            ear.push(silence(32))
        await asyncio.sleep(0.03)
    await until(lambda: len(other.probabilities) == 20)
    assert failing.losses == 3
    assert ears.open_count == 2
    ill.close()
    assert ears.open_count == 1


async def test_a_worker_that_cannot_be_spawned_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = asyncio.Event()
    worker = WorkerProcess("speak", [], on_message=lambda _: None, on_ready=ready.set, on_lost=lambda: None)
    right = process.sys.executable
    monkeypatch.setattr(process.sys, "executable", "/nonexistent/python")
    start = asyncio.create_task(worker.start())
    await until(lambda: worker.restarts >= 2)
    assert not worker.is_ready
    monkeypatch.setattr(process.sys, "executable", right)
    async with asyncio.timeout(20):
        await start
    assert ready.is_set()
    await worker.close()


async def test_figures_of_the_recogniser_reach_the_metrics(pair: Ears, registry: CollectorRegistry) -> None:
    ear = pair.open(Listener())
    ear.push(silence(200))
    ear.begin(0)
    for _ in range(30):
        ear.push(silence(20))
    assert (await ear.finish()).is_final
    await until(lambda: registry.get_sample_value("vaanisetu_asr_final_seconds_count") == 1)
    assert (registry.get_sample_value("vaanisetu_asr_queue_wait_seconds_count") or 0) > 0
    assert registry.get_sample_value("vaanisetu_asr_batch_size_sum") == registry.get_sample_value(
        "vaanisetu_asr_queue_wait_seconds_count"
    )
    p50 = registry.get_sample_value("vaanisetu_asr_step_quantile_seconds", {"quantile": "0.5"})
    p95 = registry.get_sample_value("vaanisetu_asr_step_quantile_seconds", {"quantile": "0.95"})
    assert p50 and p95 and 0 < p50 <= p95
    assert (registry.get_sample_value("vaanisetu_asr_real_time_factor") or 0) > 0


def copied_model(folder: Path) -> Path:
    for name in ("encoder.onnx", "tokenizer.model", "model.json"):
        (folder / name).write_bytes((STARTER_MODEL_DIR / name).read_bytes())
    return folder


async def test_a_corrupt_model_is_refused_at_start_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (copied_model(tmp_path) / "encoder.onnx").write_bytes(b"not a graph")
    broken = Ears(HearingOptions(capacity=1, model=tmp_path))
    with pytest.raises(ConfigError, match=r"encoder\.onnx is damaged.*export or convert") as refusal:
        await broken.start()
    assert "\n" not in refusal.value.detail
    assert "Traceback" not in capfd.readouterr().err


async def test_calls_are_refused_while_a_restarted_worker_refuses_its_model(tmp_path: Path) -> None:
    ears = Ears(HearingOptions(capacity=3, model=copied_model(tmp_path)))
    await ears.start()
    try:
        ears.open(listener := Listener())
        description = (tmp_path / "model.json").read_bytes()
        (tmp_path / "model.json").write_text("{", encoding="utf-8")
        worker = ears.workers[0]
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        await until(lambda: worker.refusal is not None, 20)
        with pytest.raises(Unavailable, match=r"model\.json") as refused:
            ears.open(Listener())
        assert refused.value.code == "no_recogniser"
        assert listener.lost.is_set()
        (tmp_path / "model.json").write_bytes(description)
        async with asyncio.timeout(40):
            await listener.restored.wait()
        ears.open(Listener()).close()
    finally:
        await ears.close()
