"""A tenant that may call: an agent with a number, an account at the strict carrier stand-in, and a clock of its own."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from app.agents.lifecycle import AgentState
from app.calls.ports import CarrierAccount
from app.errors import CarrierError
from app.outbound.ports import DialOrder
from app.outbound.rooms import OutboundRooms
from tests.house import House, TenantDoor, house, packs

__all__ = ["house", "packs"]

AUTH_ID, AUTH_TOKEN = "MA" + "B" * 18, "the-callers-own-token"
NUMBER, PERSON = "+918047000001", "+919812345678"
INDIA = ZoneInfo("Asia/Kolkata")


class Watch:
    """Time that stands still until it is moved; it begins at noon, Indian time, the day after this one."""

    def __init__(self) -> None:
        self.at = (datetime.now(UTC).astimezone(INDIA) + timedelta(days=1)).replace(
            hour=12, minute=0, second=0, microsecond=0
        )

    def now(self) -> datetime:
        return self.at.astimezone(UTC)

    def monotonic(self) -> float:
        return self.at.timestamp()


@dataclass
class Exchange:
    """A carrier that notes what it is told to dial."""

    dialled: list[tuple[CarrierAccount, DialOrder]] = field(default_factory=list)
    failures: list[CarrierError] = field(default_factory=list)

    async def dial(self, account: CarrierAccount, order: DialOrder) -> str:
        if self.failures:
            raise self.failures.pop(0)
        self.dialled.append((account, order))
        return f"request-{len(self.dialled)}"

    def close(self) -> None: ...


@dataclass
class Line:
    """The tenant, its agent, and the means to look behind."""

    door: TenantDoor
    agent_id: str
    watch: Watch
    exchange: Exchange
    rooms: OutboundRooms
    placed: int = 0
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def body(self, **changes: Any) -> dict[str, Any]:
        base = {
            "to_number": PERSON,
            "agent_id": self.agent_id,
            "purpose": "service",
            "about": {"hi-IN": "आपके ऑर्डर", "en-IN": "your order"},
        }
        return {**base, **changes}

    async def post(self, **changes: Any) -> Any:
        self.placed += 1
        headers = {"Idempotency-Key": f"the-key-{self.placed:04d}"}
        return await self.door.request("POST", "/v1/calls", json=self.body(**changes), headers=headers)

    async def queued(self, **changes: Any) -> str:
        answer = await self.post(**changes)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def dial(self, call_id: str) -> dict[str, Any]:
        await self.rooms.dialling.dial(self.door.tenant_id, call_id)
        return await self.show(call_id)

    async def show(self, call_id: str) -> dict[str, Any]:
        shown: dict[str, Any] = await self.door.ok("GET", f"/v1/outbound-calls/{call_id}")
        return shown

    async def consent(
        self, purpose: str = "service", phone: str = PERSON, decision: str = "granted", channel: str = "call"
    ) -> None:
        body = {
            "phone": phone,
            "channel": channel,
            "purpose": purpose,
            "decision": decision,
            "source": "web",
            "artefact_sha256": "ab" * 32,
            "given_at": datetime.now(UTC).isoformat(),
        }
        await self.door.ok("POST", "/v1/consents", json=body)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest_asyncio.fixture
async def line(house: House, watch: Watch) -> AsyncIterator[Line]:
    door = await house.tenant()
    await door.ok("PUT", "/v1/credentials/plivo", json={"auth_id": AUTH_ID, "auth_token": AUTH_TOKEN})
    agent = await door.agent()
    await door.ok("POST", "/v1/phone-numbers", json={"number": NUMBER, "agent_id": agent["id"]})
    await house.services.lifecycle.put(door.tenant_id, door.key_id, agent["id"], AgentState.LIVE)
    rooms, exchange = house.services.outbound_rooms, Exchange()
    rooms.service._clock = rooms.dialling._clock = watch
    rooms.dialling._dialler = exchange
    line = Line(door, agent["id"], watch, exchange, rooms)
    await line.consent()
    yield line
