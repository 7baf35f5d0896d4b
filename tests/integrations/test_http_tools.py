"""Tools over HTTP against a server that misbehaves in every way: bounded, at one origin, and never raising."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from app.dialogue.turn import Tools
from app.integrations.http_tools import Breaker, HttpTools, ToolEndpoint
from app.kit.clock import SystemClock
from app.simulate.orders import build, demo_orders
from tests.standins.graph import served

pytestmark = pytest.mark.integration


class TurnedClock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.seconds


class Odd:
    """A system that does as it is told, and counts."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.hits = 0
        self.answer: Any = {"order_id": "1", "status": "shipped"}
        self.failures = 0
        self.app.get("/orders/{order_id:path}")(self.order)

    async def order(self, order_id: str, request: Request) -> Response:
        self.hits += 1
        if self.failures:
            self.failures -= 1
            return Response(status_code=503)
        if self.answer == "slow":
            await asyncio.sleep(2)
        if self.answer == "redirect":
            return RedirectResponse("http://169.254.169.254/latest")
        if self.answer == "html":
            return Response("<html>", media_type="text/html")
        if self.answer == "huge":
            return Response(b"[" + b"1," * 50_000 + b"1]", media_type="application/json")
        return JSONResponse(self.answer)


@pytest_asyncio.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


def tools(client: httpx.AsyncClient, base: str, clock: Any = None, **changes: Any) -> HttpTools:
    endpoint = ToolEndpoint("order_status", f"{base}/orders/{{order_id}}", base, **changes)
    return HttpTools(client, {"order_status": endpoint}, {}, clock or SystemClock())


async def test_every_state_of_the_demo_orders_is_read(client: httpx.AsyncClient) -> None:
    orders = demo_orders(date(2026, 11, 21))
    async with served(build(orders, bearer_token="s3cret")) as base:
        mine: Tools = tools(client, base, bearer_token="s3cret", timeout_seconds=2.0)
        for order_id, order in orders.items():
            result = await mine.call("order_status", {"order_id": order_id})
            assert result.ok and result.found and result.data["status"] == order.status
            assert result.data["date"] == order.date.isoformat() and result.elapsed_ms > 0
        missing = await mine.call("order_status", {"order_id": "999"})
        assert missing.ok and not missing.found
        refused = await tools(client, base, bearer_token="wrong").call("order_status", {"order_id": "4512"})
        assert not refused.ok and "401" in (refused.error or "")


@pytest.mark.parametrize(
    "answer",
    [
        "slow",
        "redirect",
        "html",
        "huge",
        [],
        {"order_id": "1"},
        {"order_id": "1", "status": "eaten"},
        {"order_id": "1", "status": "shipped", "date": "tomorrow"},
    ],
)
async def test_whatever_it_answers_nothing_is_raised(client: httpx.AsyncClient, answer: Any) -> None:
    odd = Odd()
    odd.answer = answer
    async with served(odd.app) as base:
        result = await tools(client, base).call("order_status", {"order_id": "1"})
    assert not result.ok and result.error and result.data == {}


async def test_a_passing_failure_of_a_read_is_tried_once_more(client: httpx.AsyncClient) -> None:
    odd = Odd()
    odd.failures = 1
    async with served(odd.app) as base:
        assert (await tools(client, base, timeout_seconds=2.0).call("order_status", {"order_id": "1"})).ok
        assert odd.hits == 2


async def test_after_five_failures_the_system_is_left_alone_then_tried_once(client: httpx.AsyncClient) -> None:
    odd, clock = Odd(), TurnedClock()
    odd.failures = 1000
    async with served(odd.app) as base:
        mine = tools(client, base, clock, timeout_seconds=2.0)
        for _ in range(5):
            await mine.call("order_status", {"order_id": "1"})
        hits = odd.hits
        assert not (await mine.call("order_status", {"order_id": "1"})).ok and odd.hits == hits
        odd.failures, clock.seconds = 0, 11.0
        assert (await mine.call("order_status", {"order_id": "1"})).ok
        assert (await mine.call("order_status", {"order_id": "1"})).ok and odd.hits == hits + 2


def test_only_one_trial_is_let_through_after_the_pause() -> None:
    breaker = Breaker()
    for _ in range(5):
        breaker.record(False, 0.0)
    assert not breaker.allows(9.0) and breaker.allows(10.5) and not breaker.allows(10.6)


@pytest.mark.parametrize("value", ["..", "", ".", "../../admin", "1?x=1", "1#a", "@evil.example/"])
async def test_arguments_never_leave_their_place(client: httpx.AsyncClient, value: str) -> None:
    odd = Odd()
    seen: list[str] = []

    @odd.app.middleware("http")
    async def note(request: Request, call_next: Any) -> Response:
        seen.append(request.scope["raw_path"].decode() + "?" + request.scope["query_string"].decode())
        answer: Response = await call_next(request)
        return answer

    async with served(odd.app) as base:
        await tools(client, base).call("order_status", {"order_id": value})
    assert all(path.startswith("/orders/") and path.endswith("?") and "/../" not in path for path in seen)


async def test_another_origin_an_unknown_tool_and_a_missing_argument_are_refused(client: httpx.AsyncClient) -> None:
    elsewhere = ToolEndpoint("order_status", "http://127.0.0.1:9/orders/{order_id}", "http://127.0.0.1:8")
    result = await HttpTools(client, {"order_status": elsewhere}, {}, SystemClock()).call(
        "order_status", {"order_id": "1"}
    )
    assert not result.ok and "host" in (result.error or "")
    mine = tools(client, "http://127.0.0.1:9")
    assert not (await mine.call("refund", {})).ok
    assert not (await mine.call("order_status", {})).ok
    assert not (await mine.call("order_status", {"order_id": "1"})).ok, "nothing listens there"
