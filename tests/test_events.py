"""The event stream over a real server and a real Redis: what it says, to whom, and how it ends."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI, Header
from redis.asyncio import Redis

from app import events
from app.auth.guard import current_subject
from app.auth.models import SCOPES, AuthSubject
from app.kit import problem
from app.kit.signals import Signals
from tests.standins.graph import served

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def app(redis_client: Redis) -> FastAPI:
    app = FastAPI()
    problem.install(app)
    app.state.signals, app.state.event_streams = Signals(redis_client), Counter()
    app.include_router(events.router, prefix="/v1")

    def subject(tenant: str = Header("tenant_a")) -> AuthSubject:
        return AuthSubject(tenant, "key_1", SCOPES)

    app.dependency_overrides[current_subject] = subject
    return app


@pytest_asyncio.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with served(app) as base, httpx.AsyncClient(base_url=base, timeout=5) as client:
        yield client


async def lines_until(source: AsyncIterator[str], last: str) -> list[str]:
    lines: list[str] = []
    async for line in source:
        lines.append(line)
        if last in line:
            return lines
    return lines


async def test_a_tenant_hears_its_own_signals_only(app: FastAPI, client: httpx.AsyncClient) -> None:
    async with client.stream("GET", "/v1/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        source = answer.aiter_lines()
        await lines_until(source, "listening")
        signals: Signals = app.state.signals
        await signals.publish("tenant_b", {"type": "call.answered", "call_id": "call_of_b"})
        await signals.publish("tenant_a", {"type": "call.event", "call_id": "call_1", "number": 3})
        lines = await lines_until(source, "data:")
    assert "event: call.event" in lines and "call_of_b" not in "".join(lines)
    assert '"number":3' in lines[-1]


async def test_a_stream_gives_its_place_back_and_there_are_only_so_many(
    app: FastAPI, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST_STREAMS", 1)
    async with client.stream("GET", "/v1/events") as answer:
        source = answer.aiter_lines()  # held: a collected iterator closes the stream
        await lines_until(source, "listening")
        refused = await client.get("/v1/events")
        assert refused.status_code == 429 and refused.headers["retry-after"] == "30"
        async with client.stream("GET", "/v1/events", headers={"tenant": "tenant_b"}) as other:
            assert other.status_code == 200
    for _ in range(100):
        if not app.state.event_streams["tenant_a"]:
            break
        await asyncio.sleep(0.02)
    assert app.state.event_streams["tenant_a"] == 0


async def test_a_stream_ends_after_a_while_so_that_keys_are_asked_again(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "LONGEST_SECONDS", 0.2)
    answer = await client.get("/v1/events")
    assert answer.status_code == 200 and ": listening" in answer.text
