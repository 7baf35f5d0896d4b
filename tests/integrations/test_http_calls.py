"""Calls over real HTTP of a system that misbehaves in every way: bounded, at one origin, and never raising."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.agents.tools import ToolConfig
from app.integrations.breaker import FAILURES_TO_OPEN, Breaker, BreakerState
from app.integrations.http_calls import Endpoint, HttpCalls, Outcome
from app.integrations.metrics import ToolMetrics
from app.integrations.tool_contracts import ToolContracts
from app.kit.clock import SystemClock
from app.kit.outbound import public_client
from app.simulate.orders import demo_orders
from app.simulate.orders_system import Fault, FaultKind, TenantSystem, demo_system
from tests.standins.graph import served

pytestmark = pytest.mark.integration

TODAY = date(2026, 11, 21)
CONTRACTS = ToolContracts.load()
KEY = "vs-0123456789abcdef"


class TurnedClock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.seconds


@pytest_asyncio.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with public_client(allow_private=True) as client:
        yield client


@pytest_asyncio.fixture
async def system() -> AsyncIterator[tuple[TenantSystem, str]]:
    stand_in = demo_system(demo_orders(TODAY), bearer_token="s3cret-token", today=TODAY)
    async with served(stand_in.app) as base:
        yield stand_in, base


def endpoint(base: str, tool: str = "order_status", **changes: Any) -> Endpoint:
    contract = CONTRACTS.shipped(tool)
    assert contract is not None
    values = {
        "url": base + contract.path,
        "origin": base,
        "method": contract.method,
        "bearer_token": "s3cret-token",
        **changes,
    }
    return Endpoint(contract, **values)


def calls(client: httpx.AsyncClient, clock: Any = None) -> HttpCalls:
    return HttpCalls(client, clock or SystemClock(), ToolMetrics())


async def test_every_state_of_the_demo_orders_is_read(
    client: httpx.AsyncClient, system: tuple[TenantSystem, str]
) -> None:
    stand_in, base = system
    for order_id, order in stand_in.shop.orders.items():
        found = await calls(client).send("t", endpoint(base), {"order_id": order_id})
        assert found.ok and found.data is not None and found.data["status"] == order.status
        assert found.data["date"] == order.date.isoformat() and found.elapsed_ms > 0
    missing = await calls(client).send("t", endpoint(base), {"order_id": "999"})
    assert missing.ok and missing.data is None
    refused = await calls(client).send("t", endpoint(base, bearer_token="wrong"), {"order_id": "4512"})
    assert refused.error == "answered 401" and refused.certain


@pytest.mark.parametrize("kind", list(FaultKind))
@pytest.mark.parametrize("tool", ["order_status", "cancel_order"])
async def test_however_it_fails_it_is_over_in_time_and_said_why(
    client: httpx.AsyncClient, system: tuple[TenantSystem, str], kind: FaultKind, tool: str
) -> None:
    stand_in, base = system
    stand_in.faults[tool] = Fault(kind, seconds=2.0)
    key = KEY if tool == "cancel_order" else None
    started = asyncio.get_running_loop().time()
    found = await calls(client).send("t", endpoint(base, tool, limit_seconds=0.4), {"order_id": "5906"}, key)
    assert asyncio.get_running_loop().time() - started < 4.0
    assert not found.ok and found.error and found.data is None
    assert found.certain is (tool == "order_status" or kind is FaultKind.REDIRECT), found
    assert "s3cret-token" not in found.error


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"[]", "contract at $"),
        (b'{"order_id": "1"}', "'status' is a required"),
        (b'{"order_id": "1", "status": "eaten"}', "$.status: enum"),
        (b'{"order_id": "1", "status": "shipped", "date": "tomorrow"}', "$.date: pattern"),
        (b'{"order_id": 1, "status": "shipped"}', "$.order_id: type"),
        (b"[" * 100_000, "more than"),
        (b"[" * 60_000 + b"]" * 0, "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"NaN", "no JSON"),
    ],
)
async def test_answers_outside_the_contract_are_refused_with_the_place(
    client: httpx.AsyncClient, answer: bytes, why: str
) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(answer)
    async with raw_server(head + answer) as base:
        found = await calls(client).send("t", endpoint(base, retries=0), {"order_id": "1"})
    assert not found.ok and why in (found.error or ""), found.error


@pytest.mark.parametrize("lines", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"])
async def test_what_is_no_http_is_an_error_not_an_exception(client: httpx.AsyncClient, lines: bytes) -> None:
    async with raw_server(lines) as base:
        found = await calls(client).send("t", endpoint(base, retries=0, limit_seconds=0.5), {"order_id": "1"})
    assert not found.ok and found.error


async def test_a_slow_read_goes_on_to_its_limit(client: httpx.AsyncClient, system: tuple[TenantSystem, str]) -> None:
    stand_in, base = system
    stand_in.faults["order_status"] = Fault(FaultKind.SLOW, seconds=0.6)
    found = await calls(client).send("t", endpoint(base, limit_seconds=3.0), {"order_id": "4512"})
    assert found.ok and found.attempts == 1 and found.elapsed_ms >= 550


async def test_a_passing_failure_is_tried_again_and_a_write_with_the_same_key(
    client: httpx.AsyncClient, system: tuple[TenantSystem, str]
) -> None:
    stand_in, base = system
    stand_in.faults = {
        "order_status": Fault(FaultKind.DOWN, times=2),
        "cancel_order": Fault(FaultKind.LOST, times=1, seconds=0),
    }
    read = await calls(client).send("t", endpoint(base), {"order_id": "4512"})
    assert read.ok and read.attempts == 3
    write = await calls(client).send("t", endpoint(base, "cancel_order"), {"order_id": "5906"}, KEY)
    assert write.ok and write.attempts == 2 and write.data is not None and write.data["status"] == "cancelled"
    assert [seen.key for seen in stand_in.seen if seen.tool == "cancel_order"] == [KEY, KEY]
    assert stand_in.done["cancel_order"] == 1, "the lost answer's work is not done twice"
    assert not stand_in.refused


async def test_an_open_breaker_lets_one_trial_through_and_closes_on_its_success(
    client: httpx.AsyncClient, system: tuple[TenantSystem, str]
) -> None:
    stand_in, base = system
    clock = TurnedClock()
    mine = calls(client, clock)
    stand_in.faults["order_status"] = Fault(FaultKind.DOWN)
    for _ in range(FAILURES_TO_OPEN):
        await mine.send("t", endpoint(base, retries=0), {"order_id": "4512"})
    hits = len(stand_in.seen)
    assert "left alone" in ((await mine.send("t", endpoint(base), {"order_id": "4512"})).error or "")
    assert len(stand_in.seen) == hits
    theirs = await mine.send("other", endpoint(base, retries=0), {"order_id": "999"})
    assert theirs.error == "answered 503", "each tenant its own"
    hits = len(stand_in.seen)
    stand_in.faults.clear()
    clock.seconds = 11.0
    results = await asyncio.gather(*(mine.send("t", endpoint(base), {"order_id": "4512"}) for _ in range(5)))
    assert sum(result.ok for result in results) == 1 and len(stand_in.seen) == hits + 1, "one trial while half open"
    assert (await mine.send("t", endpoint(base), {"order_id": "4512"})).ok


def test_a_trial_that_fails_opens_for_longer_and_a_lost_one_does_not_hold_for_ever() -> None:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN):
        breaker.record(False, 0.0)
    assert breaker.state(9.0) is BreakerState.OPEN and not breaker.allows(9.0)
    assert breaker.allows(10.0) and not breaker.allows(10.1)
    breaker.record(False, 10.2)
    assert not breaker.allows(29.0) and breaker.allows(30.5), "twenty seconds now"
    assert breaker.allows(51.0), "the trial was lost: another one"
    breaker.record(True, 51.1)
    assert breaker.state(51.2) is BreakerState.CLOSED


@pytest.mark.parametrize("value", ["..", ".", "../../admin", "1?x=1", "1#a", "@evil.example/", "a\r\nHost: evil"])
async def test_arguments_never_leave_their_place(
    client: httpx.AsyncClient, system: tuple[TenantSystem, str], value: str
) -> None:
    stand_in, base = system
    await calls(client).send("t", endpoint(base, retries=0), {"order_id": value})
    assert all(seen.arguments == {"order_id": value} for seen in stand_in.seen) and not stand_in.refused


async def test_another_origin_and_a_missing_argument_are_refused(client: httpx.AsyncClient) -> None:
    elsewhere = endpoint("http://127.0.0.1:9", origin="http://127.0.0.1:8")
    assert "host" in ((await calls(client).send("t", elsewhere, {"order_id": "1"})).error or "")
    mine = endpoint("http://127.0.0.1:9", limit_seconds=0.5)
    assert "lacks a value" in ((await calls(client).send("t", mine, {})).error or "")
    unreachable = await calls(client).send("t", mine, {"order_id": "1"})
    assert unreachable.error == "not reached (ConnectError)" and unreachable.certain


async def test_own_headers_bodies_and_queries_arrive_as_configured(
    client: httpx.AsyncClient, system: tuple[TenantSystem, str]
) -> None:
    stand_in, base = system
    await calls(client).send("t", endpoint(base, "store_hours", headers={"X-Shop": "pune"}), {"city": "Pune & Goa"})
    body = {"item": "चार्जर", "quantity": 3, "budget": 50000}
    assert (await calls(client).send("t", endpoint(base, "request_quote"), body, KEY)).ok
    first, second = stand_in.seen
    assert first.arguments == {"city": "Pune & Goa"} and first.headers["x-shop"] == "pune" and first.key is None
    assert second.arguments == body and second.key == KEY and stand_in.shop.kept == [{"kind": "lead", **body}]


def test_the_metrics_say_what_happened() -> None:
    from prometheus_client import CollectorRegistry

    metrics, registry = ToolMetrics(), CollectorRegistry()
    metrics.register(registry)
    metrics.called("order_status", "ok", 0.1)
    metrics.breaker("order_status", BreakerState.CLOSED, BreakerState.OPEN)
    assert registry.get_sample_value("vaanisetu_tool_calls_total", {"tool": "order_status", "outcome": "ok"}) == 1
    assert registry.get_sample_value("vaanisetu_tool_breakers_open", {"tool": "order_status"}) == 1
    metrics.breaker("order_status", BreakerState.HALF_OPEN, BreakerState.CLOSED)
    assert registry.get_sample_value("vaanisetu_tool_breakers_open", {"tool": "order_status"}) == 0
    assert ToolMetrics.label("loyalty", own=True) == "own" and Outcome().ok
    assert CONTRACTS.of("loyalty", ToolConfig()) is None


@contextlib.asynccontextmanager
async def raw_server(answer: bytes) -> AsyncIterator[str]:
    """Serves the same bytes to whoever connects, then hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read(4_096)
            writer.write(answer)
            await writer.drain()
            writer.close()

    listener = socket.create_server(("127.0.0.1", 0))
    server = await asyncio.start_server(serve, sock=listener)
    async with server:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
