"""The stores die under the running service and come back: clear refusals meanwhile, recovery without a restart."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from app.kit.queues import depths
from tests.service.whole import Tenant, Whole, whole_service

HOOK = "https://sundar.example/hook"
pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

STOREFREE = frozenset({"/v1/languages", "/v1/whatsapp/failures"})
"""What is read from the packs alone."""


@asynccontextmanager
async def without(whole: Whole, *names: str) -> AsyncIterator[None]:
    """Kills stores and starts them again at the end."""
    for name in names:
        child = psutil.Process(whole.stores._children[name].pid)
        child.kill()
        await asyncio.to_thread(whole.stores._children[name].wait)
    yield
    assert sorted(await whole.stores.revive()) == sorted(names)


@asynccontextmanager
async def hanging(whole: Whole, name: str) -> AsyncIterator[None]:
    """Holds a store in its tracks: it takes connections and answers nothing."""
    child = psutil.Process(whole.stores._children[name].pid)
    child.suspend()
    try:
        yield
    finally:
        child.resume()


async def soon(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.1)


def refused(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["code"] not in ("internal_error", "")


async def readiness(whole: Whole) -> tuple[int, dict[str, str]]:
    answer = await whole.http.get("/readyz")
    return answer.status_code, answer.json()


async def is_ready(whole: Whole) -> bool:
    return (await readiness(whole))[0] == 200


async def every_get(whole: Whole, tenant: Tenant) -> list[tuple[str, httpx.Response]]:
    document = whole.app.openapi()
    paths = [path for path, item in document["paths"].items() if "get" in item and "{" not in path]
    wanted = [path for path in paths if path.startswith("/v1/") and path not in ("/v1/events", "/v1/whatsapp/webhook")]
    keyed = [path for path in wanted if document["paths"][path]["get"].get("security")]
    gate = asyncio.Semaphore(48)

    async def one(path: str) -> tuple[str, httpx.Response]:
        async with gate:
            return path, await tenant.ask("GET", path)

    return await asyncio.gather(*(one(path) for path in keyed))


@pytest.mark.slow
async def test_a_store_that_dies_is_told_clearly_on_every_route_and_recovered_from(
    tmp_path: Path, models_dir: Path
) -> None:
    async with whole_service(tmp_path, models_dir) as whole:
        tenant = await whole.tenant("Sundar")
        agent = await tenant.agent()
        async with without(whole, "mongo"):
            for path, answer in await every_get(whole, tenant):
                if answer.status_code >= 400 and answer.status_code not in (401, 403, 422):
                    refused(answer)
                elif answer.is_success:
                    assert path in STOREFREE, f"{path} answered without the store"
            refused(await tenant.ask("POST", "/v1/agents", json={**_body(agent), "name": "Second"}))
            refused(await tenant.ask("DELETE", f"/v1/agents/{agent['id']}"))
            status, states = await readiness(whole)
            assert status == 503 and states["store"].startswith("failed") and states["redis"] == "ok"
            assert (await whole.http.get("/healthz")).status_code == 200
        await soon(lambda: is_ready(whole))
        assert (await tenant.ok("GET", f"/v1/agents/{agent['id']}"))["name"] == "Support"
        await tenant.agent(name="Third")


async def test_without_redis_configuration_goes_on_and_jobs_are_refused_not_lost(
    tmp_path: Path, models_dir: Path
) -> None:
    async with whole_service(tmp_path, models_dir) as whole:
        tenant = await whole.tenant("Vimala")
        async with without(whole, "redis"):
            assert (await tenant.ok("GET", "/v1/tenant"))["id"] == tenant.id
            await tenant.agent()
            refused(await tenant.ask("GET", "/v1/events"))
            status, states = await readiness(whole)
            assert status == 503 and states["redis"].startswith("failed") and states["store"] == "ok"
        await soon(lambda: is_ready(whole))
        assert (await tenant.ok("GET", "/v1/tenant"))["id"] == tenant.id


@pytest.mark.slow
async def test_while_redis_hangs_requests_are_served_and_what_was_accepted_is_done_later(
    tmp_path: Path, models_dir: Path
) -> None:
    async with whole_service(tmp_path, models_dir) as whole:
        tenant = await whole.tenant("Lakshmi")
        hook = await tenant.ok("POST", "/v1/webhook-endpoints", json={"url": HOOK, "events": ["call.ended"]})
        async with hanging(whole, "redis"), asyncio.timeout(60):
            await tenant.agent()
            for _ in range(20):
                assert (await tenant.ok("GET", "/v1/tenant"))["id"] == tenant.id
            left = await tenant.ok("POST", f"/v1/webhook-endpoints/{hook['id']}/test")
            refused(await tenant.ask("GET", "/v1/events"))
            status, states = await readiness(whole)
            assert status == 503 and states["redis"].startswith("failed") and states["store"] == "ok"
        await soon(lambda: is_ready(whole))
        process = whole.app.state.process
        waiting = (
            await process.rooms.database.system("a test looks")
            .collection("webhook_deliveries")
            .find_one({"_id": left["id"]})
        )
        assert waiting is not None and waiting["status"] == "waiting", "the sweep finds it"
        assert sum((await depths(process.redis)).values()) == 0
        await tenant.ok("POST", f"/v1/webhook-endpoints/{hook['id']}/test")
        assert (await depths(process.redis))["tenants"] == 1, "jobs are left again"


@pytest.mark.slow
async def test_while_the_store_hangs_requests_are_refused_in_time_and_served_afterwards(
    tmp_path: Path, models_dir: Path
) -> None:
    async with whole_service(tmp_path, models_dir) as whole:
        tenant = await whole.tenant("Revathi")
        agent = await tenant.agent()
        async with hanging(whole, "mongo"), asyncio.timeout(60):
            refused(await tenant.ask("GET", f"/v1/agents/{agent['id']}"))
            status, states = await readiness(whole)
            assert status == 503 and states["store"].startswith("failed") and states["redis"] == "ok"
            assert (await whole.http.get("/healthz")).status_code == 200
        await soon(lambda: is_ready(whole))
        assert (await tenant.ok("GET", f"/v1/agents/{agent['id']}"))["name"] == "Support"


def _body(agent: dict[str, object]) -> dict[str, object]:
    return {name: agent[name] for name in ("name", "entity_name", "languages", "default_language")}
