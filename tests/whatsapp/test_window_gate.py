"""Random histories and clocks against Meta's own count: no free text ever leaves outside of the window."""

import asyncio
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.conversations.models import Author
from app.errors import Conflict
from app.kit.clock import SystemClock
from app.simulate.graph import GraphError
from tests.house import CUSTOMER, PHONE_NUMBER_ID, House

pytestmark = pytest.mark.integration
WA_ID = CUSTOMER.removeprefix("+")
_STEPS = 45
_LAG_SECONDS = 59  # our clock may lag behind Meta's by less than the window's margin
_LEAD_SECONDS = 300


class MetasClock(SystemClock):
    """Meta's time, moved by the history; ours is this with a skew."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.ahead


class History:
    """One random life of a conversation: what Meta counts is kept by the stand-in, by its own clock and rule."""

    def __init__(self, house: House, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.house = house
        self.random = random.Random(seed)
        self.meta = MetasClock()
        self.late: asyncio.Queue[bytes] = asyncio.Queue()
        self.outside: list[str] = []
        self.taken = self.refused = 0
        self._judge = house.graph._bubble
        monkeypatch.setattr(house.graph, "_clock", self.meta)
        monkeypatch.setattr(house.graph, "_updates", self.late)
        monkeypatch.setattr(house.graph, "_bubble", self._judged)

    def _judged(self, number: str, wa_id: str, body: Mapping[str, Any]) -> Any:
        try:
            bubble = self._judge(number, wa_id, body)
        except GraphError as error:
            self.outside.append(f"{error.code} {body['type']} at {self.meta.now()}")
            raise
        self.taken += body["type"] == "text"
        return bubble

    def drift(self) -> None:
        """Sets our clock somewhere around Meta's."""
        skew = timedelta(seconds=self.random.uniform(-_LAG_SECONDS, _LEAD_SECONDS))
        self.house.clock.ahead = self.meta.ahead + skew

    async def deliver(self) -> None:
        """Meta's updates arrive: some of those that wait, in any order, some twice."""
        waiting = [self.late.get_nowait() for _ in range(self.late.qsize())]
        self.random.shuffle(waiting)
        for raw in waiting:
            if self.random.random() < 0.3:
                self.late.put_nowait(raw)
                if self.random.random() < 0.5:
                    continue
            headers = {"X-Hub-Signature-256": self.house.graph.signature(raw)}
            answer = await self.house.client.post("/v1/whatsapp/webhook", content=raw, headers=headers)
            assert answer.status_code == 200

    async def person_writes(self, tenant_id: str, step: int) -> None:
        services = self.house.services
        contact = await services.conversations.contact_for(tenant_id, CUSTOMER)
        conversation = await services.conversations.open_for(contact)
        try:
            await services.whatsapp_outbox.add_text(
                conversation, text=f"line {step}", author=Author.PERSON, idempotency_key=f"step-{step}"
            )
        except Conflict as error:
            assert error.code == "window_closed"
            self.refused += 1

    async def live(self, tenant_id: str) -> None:
        for step in range(_STEPS):
            self.drift()
            roll = self.random.random()
            if roll < 0.2:
                self.house.graph.customer_writes(PHONE_NUMBER_ID, WA_ID, f"hello {step}")
            elif roll < 0.45:
                await self.person_writes(tenant_id, step)
            elif roll < 0.65:
                await self.deliver()
            elif roll < 0.8:
                self.meta.ahead += timedelta(seconds=self.random.choice([5, 3600, 40_000, 86_280, 86_345, 90_000]))
                self.drift()
            else:
                await self.house.work()
        await self.house.work()


@pytest.mark.parametrize("seed", range(8))
async def test_no_free_text_leaves_outside_the_window(house: House, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    history = History(house, seed, monkeypatch)
    house.graph.customer_writes(PHONE_NUMBER_ID, WA_ID, "hello")
    await history.deliver()
    await house.work()
    await history.live(tenant.tenant_id)
    assert history.outside == []
    assert history.taken >= 1 and history.refused >= 1, "the history must try both"


async def test_the_judge_notices_a_window_without_a_margin(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    history = History(house, 0, monkeypatch)
    monkeypatch.setattr("whatsapp.window.SAFETY", timedelta(hours=-2))
    house.graph.customer_writes(PHONE_NUMBER_ID, WA_ID, "hello")
    while not history.late.empty():
        await history.deliver()
    await house.work()
    history.meta.ahead = house.clock.ahead = timedelta(hours=25)
    await history.person_writes(tenant.tenant_id, 1)
    await house.work()
    assert [line.split()[0] for line in history.outside] == ["131047"]
