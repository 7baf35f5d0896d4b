"""Crowds: one key sent two thousand times makes one thing, and a noisy tenant does not keep others waiting."""

import asyncio
import statistics
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from celery.contrib.testing.worker import start_worker

from app.kit.embedded import EmbeddedServices
from app.kit.jobs import CeleryJobs, JobLoop, make_celery, register
from app.kit.queues import queue_of
from tests.service.whole import Tenant, Whole, whole_service

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]

AT_A_TIME = 8


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> AsyncIterator[Whole]:
    async with whole_service(tmp_path_factory.mktemp("crowd"), models_dir, api_concurrency=AT_A_TIME) as running:
        yield running


@pytest.mark.slow
async def test_two_thousand_requests_with_one_key_make_one_agent(
    tmp_path_factory: pytest.TempPathFactory, models_dir: Path
) -> None:
    async with whole_service(tmp_path_factory.mktemp("one"), models_dir, api_concurrency=4_000) as whole:
        tenant = await whole.tenant("Hurried")
        body = {"name": "Only", "entity_name": "Sundar", "languages": ["hi-IN"], "default_language": "hi-IN"}
        headers = {"Idempotency-Key": "one-and-the-same"}
        answers = await asyncio.gather(
            *(tenant.ask("POST", "/v1/agents", json=body, headers=headers) for _ in range(2_000))
        )
        assert {answer.status_code for answer in answers} <= {201, 409}
        assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
        refused = {answer.json()["code"] for answer in answers if answer.status_code == 409}
        assert refused <= {"idempotency_in_progress"}
        assert len((await tenant.ok("GET", "/v1/agents"))["data"]) == 1


@pytest.mark.slow
async def test_a_noisy_tenant_does_not_keep_a_quiet_one_waiting(whole: Whole) -> None:
    noisy, quiet = await whole.tenant("Noisy"), await whole.tenant("Quiet")
    alone = [await timed(quiet) for _ in range(50)]
    over = asyncio.Event()

    async def shout() -> int:
        refused = 0
        while not over.is_set():
            refused += (await noisy.ask("GET", "/v1/agents")).status_code == 429
        return refused

    crowd = [asyncio.create_task(shout()) for _ in range(5 * AT_A_TIME)]
    beside = [await timed(quiet) for _ in range(50)]
    over.set()
    refused = sum(await asyncio.gather(*crowd))
    assert refused > 0
    assert statistics.median(beside) < 60 * statistics.median(alone) + 1.0


async def timed(tenant: Tenant) -> float:
    began = time.perf_counter()
    assert (await tenant.ask("GET", "/v1/agents")).status_code == 200
    return time.perf_counter() - began


class Desk:
    """Notes in which order tenants' jobs were done."""

    def __init__(self, quiet: str, awaited: int) -> None:
        self.order: list[str] = []
        self._quiet, self._awaited = quiet, awaited
        self.served = threading.Event()

    async def work(self, tenant_id: str) -> None:
        await asyncio.sleep(0.002)
        self.order.append(tenant_id)
        if self.order.count(self._quiet) == self._awaited:
            self.served.set()


async def test_a_heap_of_one_tenants_jobs_does_not_hold_up_anothers(embedded: EmbeddedServices) -> None:
    noisy = "tenant_noisy"
    names = (f"tenant_{number}" for number in range(100))
    quiet = next(name for name in names if queue_of({"tenant_id": name}) != queue_of({"tenant_id": noisy}))
    desk, loop, celery = Desk(quiet, 5), JobLoop(), make_celery(embedded.celery_broker_url)
    loop.start()
    functions: dict[str, Any] = {"desk.work": desk.work}
    register(celery, loop, functions)
    queue = CeleryJobs(celery)
    for tenant_id in [noisy] * 300 + [quiet] * 5:
        await queue.enqueue("desk.work", {"tenant_id": tenant_id})
    try:
        with start_worker(celery, perform_ping_check=False, shutdown_timeout=30):
            assert await asyncio.to_thread(desk.served.wait, 60)
            before = desk.order[: max(i for i, name in enumerate(desk.order) if name == quiet)].count(noisy)
    finally:
        celery.control.purge()
        loop.stop()
    assert before < 60, f"{before} jobs of the noisy tenant came before the last of five quiet ones"
