"""What goes wrong at the Graph stand-in when asked to: refusals, lost answers, webhooks twice, late, in batches."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response

from app.simulate.graph import GraphConfig, GraphStandIn, Weather
from tests.simulate.graph.desk import NUMBER, PERSON, TEMPLATE, TOKEN, Desk
from tests.standins.graph import served

pytestmark = pytest.mark.integration


class Business:
    """A webhook that counts; it fails as often as it is told."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.app.post("/hook")(self._take)
        self.seen: list[str] = []
        self.posts = 0
        self.failures = 0
        self.changed = asyncio.Condition()

    async def _take(self, request: Request) -> Response:
        self.posts += 1
        if self.failures:
            self.failures -= 1
            return Response(status_code=503)
        body: Any = json.loads(await request.body())
        for entry in body["entry"]:
            for change in entry["changes"]:
                self.seen += [message["text"]["body"] for message in change["value"].get("messages", [])]
        async with self.changed:
            self.changed.notify_all()
        return Response(status_code=200)

    async def until(self, count: int) -> None:
        """Waits until so many different messages came."""
        async with asyncio.timeout(30), self.changed:
            await self.changed.wait_for(lambda: len(set(self.seen)) >= count)


@asynccontextmanager
async def business(weather: Weather) -> AsyncIterator[tuple[Business, GraphStandIn]]:
    shop = Business()
    async with served(shop.app) as base:
        graph = GraphStandIn(GraphConfig({NUMBER: TOKEN}, "secret", f"{base}/hook"))
        graph.sky.weather = weather
        for number in range(40):
            graph.customer_writes(NUMBER, PERSON, str(number))
        async with served(graph.app):
            yield shop, graph


async def test_without_weather_updates_come_once_and_in_order() -> None:
    async with business(Weather()) as (shop, _):
        await shop.until(40)
    assert shop.seen == [str(number) for number in range(40)]


async def test_updates_come_twice_and_overtake_each_other_but_none_is_lost() -> None:
    async with business(Weather(duplicates=0.5, reordered=0.5)) as (shop, _):
        await shop.until(40)
    assert len(shop.seen) > 40 and shop.seen != sorted(shop.seen, key=int)


async def test_updates_that_wait_travel_in_batches() -> None:
    async with business(Weather(batch=100)) as (shop, _):
        await shop.until(40)
    assert shop.posts < 10 and shop.seen == [str(number) for number in range(40)]


async def test_an_update_that_is_not_taken_comes_again_and_holds_up_no_other() -> None:
    async with business(Weather()) as (shop, _):
        shop.failures = 2
        await shop.until(40)
    assert sorted(shop.seen, key=int) == [str(number) for number in range(40)] and shop.posts >= 42


async def test_refusals_take_nothing_and_lost_answers_took_the_message() -> None:
    desk = Desk()
    stormy = await desk.client.put("/_weather", json={"unavailable": 1.0})
    assert stormy.json()["unavailable"] == 1.0
    assert await desk.refused("template", TEMPLATE) == 131016 and desk.graph.state.phones == {}
    desk.graph.sky.weather = Weather(lost=1.0, latency_seconds=0.001)
    answer = await desk.send("template", TEMPLATE)
    assert answer.status_code == 502 and "error" not in answer.text
    assert len(desk.graph.state.phones[PERSON]) == 1 and len(desk.statuses()) == 2
    assert (await desk.client.put("/_weather", json={"rain": 1})).status_code == 422
