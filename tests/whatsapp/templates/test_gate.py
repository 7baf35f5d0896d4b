"""Random histories against Meta's own state: no template leaves that Meta does not hold APPROVED.

Meta's side is the stand-in: it alone knows each template's status, tells of changes late, twice and out of order, and
counts what it took and what it refused.
"""

import asyncio
import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from app.conversations.models import Author
from app.errors import Conflict
from tests.house import CUSTOMER, House
from tests.whatsapp.test_window_gate import MetasClock

pytestmark = pytest.mark.integration
NAMES = ("call_handoff", "handoff_spare")
LANGUAGES = ("hi", "en")
STATUSES = ("APPROVED", "PAUSED", "DISABLED", "REJECTED", "IN_APPEAL", "FLAGGED")
SPARE = "Hello from {{1}}, we go on here about {{2}} as you asked on the phone."
VALUES = {"hi-IN": ("सुंदर", "आपके ऑर्डर"), "en-IN": ("Sundar", "your order")}
_STEPS = 40


class History:
    """One random life of four templates; `untold` are those whose last change has not been worked off by us yet."""

    def __init__(self, house: House, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.house = house
        self.dice = random.Random(seed)
        self.meta = MetasClock()
        self.late: asyncio.Queue[bytes] = asyncio.Queue()
        self.untold: set[tuple[str, str]] = set()
        self.bad: list[str] = []
        self.taken = self.refused = 0
        self._judge = house.graph._bubble
        monkeypatch.setattr(house.graph, "_clock", self.meta)
        monkeypatch.setattr(house.graph, "_updates", self.late)
        monkeypatch.setattr(house.graph, "_bubble", self._judged)

    def _judged(self, number: str, wa_id: str, body: Mapping[str, Any]) -> Any:
        template = body["template"]
        key = (template["name"], template["language"]["code"])
        status = self.house.graph.shelf.entries[key].status
        if status != "APPROVED" and key not in self.untold:
            self.bad.append(f"{key} was tried while {status}, as had been told")
        bubble = self._judge(number, wa_id, body)
        if status not in ("APPROVED", "FLAGGED"):
            self.bad.append(f"{key} was taken while {status}")
        self.taken += 1
        return bubble

    def decide(self) -> None:
        key = (self.dice.choice(NAMES), self.dice.choice(LANGUAGES))
        self.house.graph.tell_of_template(self.house.graph.shelf.decide(*key, self.dice.choice(STATUSES)))
        self.untold.add(key)

    async def deliver(self, *, all_of_it: bool = False) -> None:
        waiting = [self.late.get_nowait() for _ in range(self.late.qsize())]
        self.dice.shuffle(waiting)
        for raw in waiting:
            if not all_of_it and self.dice.random() < 0.3:
                self.late.put_nowait(raw)
                if self.dice.random() < 0.5:
                    continue
            headers = {"X-Hub-Signature-256": self.house.graph.signature(raw)}
            answer = await self.house.client.post("/v1/whatsapp/webhook", content=raw, headers=headers)
            assert answer.status_code == 200
        if self.late.empty():
            await self.house.work()
            self.untold.clear()

    async def write(self, tenant_id: str, step: int) -> None:
        services = self.house.services
        contact = await services.conversations.contact_for(tenant_id, CUSTOMER)
        conversation = await services.conversations.open_for(contact)
        try:
            await services.whatsapp_outbox.add_template(
                conversation,
                name="call_handoff",
                parameters=VALUES,
                idempotency_key=f"step-{step}",
                author=Author.PERSON,
            )
        except Conflict as error:
            assert error.code == "template_not_approved"
            assert "only APPROVED templates may be sent" in error.detail and "approved now:" in error.detail
            self.refused += 1

    async def live(self, tenant_id: str) -> None:
        for step in range(_STEPS):
            skew = timedelta(seconds=self.dice.uniform(-300, 300))
            self.house.clock.ahead = self.meta.ahead + skew
            roll = self.dice.random()
            if roll < 0.35:
                self.decide()
            elif roll < 0.6:
                await self.write(tenant_id, step)
            elif roll < 0.8:
                await self.deliver(all_of_it=self.dice.random() < 0.5)
            elif roll < 0.9:
                self.meta.ahead += timedelta(seconds=self.dice.choice([1, 30, 700, 4_000]))
            else:
                await self.house.work()
        await self.deliver(all_of_it=True)
        await self.house.work()


async def history_of(house: House, seed: int, monkeypatch: pytest.MonkeyPatch) -> History:
    house.graph.shelf.stock({("handoff_spare", language): SPARE for language in LANGUAGES})
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    uses = house.services.templates.uses
    await uses.put(tenant.tenant_id, "key", "call_handoff", "call_handoff", ["handoff_spare"])
    history = History(house, seed, monkeypatch)
    await history.write(tenant.tenant_id, -1)
    await house.work()
    await history.live(tenant.tenant_id)
    for key in history.house.graph.shelf.entries:
        if key[0] in NAMES:
            history.house.graph.tell_of_template(history.house.graph.shelf.decide(*key, "DISABLED"))
    await history.deliver(all_of_it=True)
    await history.write(tenant.tenant_id, _STEPS)
    await house.work()
    return history


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))])
async def test_behaviour_19_nothing_leaves_that_meta_does_not_hold_approved(
    house: House, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = await history_of(house, seed, monkeypatch)
    assert history.bad == []
    assert history.taken >= 1 and history.refused >= 1, "the history must try both"


async def test_the_judge_notices_a_door_that_lets_flagged_ones_through(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whatsapp.templates.door._reason", lambda template, version, category: None)
    history = await history_of(house, 0, monkeypatch)
    assert history.bad != []
