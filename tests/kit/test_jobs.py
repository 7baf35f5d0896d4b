"""Jobs go through the real broker to async functions by name."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from celery.contrib.testing.worker import start_worker

from app.errors import AppError, Unavailable
from app.kit import jobs
from app.kit.embedded import EmbeddedServices
from app.kit.jobs import CeleryJobs, JobLoop, RecordedJobs, make_celery, register

pytestmark = pytest.mark.integration


class Desk:
    """Async functions as a room's tasks.py exposes them."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.threads: set[str] = set()
        self.enough = threading.Event()

    async def send(self, tenant_id: str, outbox_id: str) -> None:
        await asyncio.sleep(0)
        self.threads.add(threading.current_thread().name)
        self.done.append((tenant_id, outbox_id))
        if len(self.done) == 3:
            self.enough.set()

    async def flaky(self, outbox_id: str) -> None:
        self.done.append(outbox_id)
        if len(self.done) == 1:
            raise Unavailable("not yet")
        self.enough.set()

    async def broken(self) -> None:
        self.done.append("broken")
        raise AppError("never")


@pytest.fixture
def loop() -> Iterator[JobLoop]:
    loop = JobLoop()
    loop.start()
    yield loop
    loop.stop()


async def test_a_worker_runs_async_functions_by_name_on_one_loop(embedded: EmbeddedServices, loop: JobLoop) -> None:
    desk, celery = Desk(), make_celery(embedded.celery_broker_url)
    register(celery, loop, {"outbox.send": desk.send, "outbox.broken": desk.broken})
    queue = CeleryJobs(celery)
    await queue.enqueue("outbox.broken", {})
    for n in range(2):
        job_id = await queue.enqueue("outbox.send", {"tenant_id": "ten_a", "outbox_id": f"out_{n}"})
        assert job_id.startswith("job_")
    with start_worker(celery, pool="solo", perform_ping_check=False, shutdown_timeout=10):
        assert await asyncio.to_thread(desk.enough.wait, 20)
    assert desk.done == ["broken", ("ten_a", "out_0"), ("ten_a", "out_1")]
    assert desk.threads == {"jobs"}


async def test_a_retryable_error_is_tried_again(
    embedded: EmbeddedServices, loop: JobLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_backoff_seconds", lambda attempt: 0.05)
    desk, celery = Desk(), make_celery(embedded.celery_broker_url)
    register(celery, loop, {"outbox.flaky": desk.flaky})
    await CeleryJobs(celery).enqueue("outbox.flaky", {"outbox_id": "out_1"})
    with start_worker(celery, pool="solo", perform_ping_check=False, shutdown_timeout=10):
        assert await asyncio.to_thread(desk.enough.wait, 20)
    assert desk.done == ["out_1", "out_1"]


async def test_a_queue_that_is_away_is_unavailable(unused_tcp_port: int) -> None:
    queue = CeleryJobs(make_celery(f"redis://127.0.0.1:{unused_tcp_port}/0"))
    with pytest.raises(Unavailable) as caught:
        await queue.enqueue("outbox.send", {})
    assert caught.value.retry_after_seconds


async def test_the_double_records_and_drains() -> None:
    desk, queue = Desk(), RecordedJobs()
    await queue.enqueue("outbox.send", {"tenant_id": "ten_a", "outbox_id": "out_1"}, delay_seconds=5)
    assert [(job.name, job.delay_seconds) for job in queue.jobs] == [("outbox.send", 5)]
    assert await queue.drain({"outbox.send": desk.send}) == 1
    assert desk.done == [("ten_a", "out_1")]
    with pytest.raises(ValueError, match="delay_seconds"):
        await queue.enqueue("outbox.send", {}, delay_seconds=7200)


def test_a_job_that_hangs_is_cut(loop: JobLoop) -> None:
    with pytest.raises(Unavailable) as caught:
        loop.run(asyncio.sleep(30), timeout_seconds=0.05)
    assert caught.value.code == "job_timed_out"
