"""What a tenant may have: refused in clear words beyond it, at the door and on the telephone, and nothing before."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.agents.lifecycle import AgentState
from app.calls.models import Call, CallStatus
from app.calls.ports import CallDeclined, NumberRoute
from app.calls.repository import CallRepository
from app.config import Settings
from app.errors import Conflict
from app.kit.ids import new_id
from app.kit.mongo import Database
from app.kit.sealed import SealedText
from app.onboarding.doorway import Doorway
from app.tenants.limits import Kept, Limits, TenantLimits
from tests.house import CUSTOMER, OPERATOR_KEY, House, TenantDoor

pytestmark = pytest.mark.integration
OPERATOR = {"Authorization": f"Bearer {OPERATOR_KEY}"}
OURS = "+918047000001"


async def limited(tenant: TenantDoor, **limits: int | None) -> dict[str, Any]:
    place = f"/v1/tenants/{tenant.tenant_id}/limits"
    answer = await tenant.house.client.patch(place, json=limits, headers=OPERATOR)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def talked(tenant: TenantDoor, status: CallStatus, minutes: float = 0, ago: timedelta = timedelta()) -> None:
    services, now = tenant.house.services, tenant.house.services.clock.now() - ago
    calls = CallRepository(services.database.tenant(tenant.tenant_id), SealedText(services.vault))
    call = Call(new_id("call"), tenant.tenant_id, "a", new_id("c"), "inbound", CUSTOMER, OURS, status, now)
    await calls.add(call)
    if status.is_final:
        await calls.update(call.id, {"answered_at": now, "ended_at": now + timedelta(minutes=minutes)})


async def test_there_are_no_limits_until_the_operator_sets_them(house: House) -> None:
    tenant = await house.tenant()
    shown = await tenant.ok("GET", "/v1/limits")
    assert {limit["most"] for limit in shown.values()} == {None}
    assert (shown["agents"]["used"], shown["minutes_a_month"]["used"]) == (0, 0)
    mine = await tenant.request("PATCH", f"/v1/tenants/{tenant.tenant_id}/limits", json={"agents": 9})
    assert mine.status_code == 401, "a tenant does not set its own"
    unknown = await house.client.patch("/v1/tenants/tenant_none/limits", json={"agents": 1}, headers=OPERATOR)
    assert unknown.status_code == 404
    wrong = await house.client.patch(f"/v1/tenants/{tenant.tenant_id}/limits", json={"agents": -1}, headers=OPERATOR)
    assert wrong.status_code == 422
    await limited(tenant, agents=2, members=1)
    assert (await limited(tenant, members=None))["agents"]["most"] == 2, "what is not named stays"
    entries = (await tenant.ok("GET", "/v1/audit-entries"))["data"]
    assert next(entry["data"] for entry in entries if entry["action"] == "limits.changed") == {"members": None}


async def test_one_more_than_allowed_is_refused_and_not_kept(house: House) -> None:
    tenant = await house.tenant()
    agent = await tenant.agent()
    await tenant.ok("POST", "/v1/phone-numbers", json={"number": OURS, "agent_id": agent["id"]})
    await tenant.ok("POST", "/v1/members", json={"email": "a@b.example", "name": "A", "role": "agent"})
    await limited(tenant, agents=1, phone_numbers=1, members=1)
    for path, body in (
        ("/v1/agents", {"name": "B", "entity_name": "B", "languages": ["hi-IN"], "default_language": "hi-IN"}),
        ("/v1/phone-numbers", {"number": "+918047000002", "agent_id": agent["id"]}),
        ("/v1/members", {"email": "b@b.example", "name": "B", "role": "agent"}),
    ):
        refused = await tenant.request("POST", path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "limit_reached"), path
        assert "may have 1" in refused.json()["detail"] and len((await tenant.ok("GET", path))["data"]) == 1
    other = await house.tenant("Meera")
    assert (await other.agent())["id"], "another tenant's limits are its own"


async def test_of_many_at_once_as_many_stay_as_there_is_room_for(house: House) -> None:
    tenant = await house.tenant()
    await limited(tenant, agents=3)
    body = {"name": "B", "entity_name": "B", "languages": ["hi-IN"], "default_language": "hi-IN"}
    answers = await asyncio.gather(*(tenant.request("POST", "/v1/agents", json=body) for _ in range(12)))
    made = [answer for answer in answers if answer.status_code == 201]
    kept = {agent["id"] for agent in (await tenant.ok("GET", "/v1/agents"))["data"]}
    assert kept == {answer.json()["id"] for answer in made} and len(kept) == 3
    assert {answer.status_code for answer in answers} == {201, 409}


async def test_several_processes_at_once_keep_no_more_than_there_is_room_for(database: Database) -> None:
    async def one(process: TenantLimits, name: str) -> bool:
        await asyncio.sleep(random.uniform(0, 0.02))
        try:
            await process.insert("t1", Kept.AGENTS, {"_id": name})
        except Conflict as refusal:
            assert refusal.code == "limit_reached"
            return False
        return True

    processes = [TenantLimits(database, Limits(agents=3)) for _ in range(4)]
    names = [f"agent_{number:02}" for number in range(12)]
    random.shuffle(names)
    stayed = await asyncio.gather(*(one(processes[at % 4], name) for at, name in enumerate(names)))
    kept = {row["_id"] for row in await database.tenant("t1").collection("agents").find({})}
    assert kept == {name for name, stays in zip(names, stayed, strict=True) if stays} and 1 <= len(kept) <= 3


async def test_a_call_too_many_is_declined_in_words(house: House) -> None:
    tenant, services = await house.tenant(), house.services
    agent = await tenant.agent()
    await services.lifecycle.put(tenant.tenant_id, "x", agent["id"], AgentState.LIVE)
    door = Doorway(services.agents, services.lifecycle, services.allowance, services.packs)
    route = NumberRoute(tenant.tenant_id, agent["id"], OURS, "MA", "token")
    await limited(tenant, calls_at_once=2)
    await talked(tenant, CallStatus.IN_PROGRESS)
    await talked(tenant, CallStatus.COMPLETED, minutes=3)
    await door.admit(route, CUSTOMER)
    await talked(tenant, CallStatus.RINGING)
    with pytest.raises(CallDeclined) as declined:
        await door.admit(route, CUSTOMER)
    assert "2 calls are live" in str(declined.value) and declined.value.announcement is not None
    assert declined.value.announcement.language == "hi-IN"
    await limited(tenant, calls_at_once=None, minutes_a_month=3)
    services.allowance._minutes.clear()  # what was known a moment ago
    with pytest.raises(CallDeclined, match="3 minutes of this month"):
        await door.admit(route, CUSTOMER)
    assert (await tenant.ok("GET", "/v1/limits"))["minutes_a_month"] == {"most": 3, "used": 3}


async def test_minutes_begin_anew_with_the_month(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant, allowance = await house.tenant(), house.services.allowance
    first = datetime(2026, 3, 1, 0, 5, tzinfo=UTC)
    monkeypatch.setattr(type(house.services.clock), "now", lambda self: first)
    await talked(tenant, CallStatus.COMPLETED, minutes=50, ago=timedelta(minutes=30))
    await talked(tenant, CallStatus.COMPLETED, minutes=1.5)
    await talked(tenant, CallStatus.RINGING)
    assert await allowance.minutes(tenant.tenant_id) == 2, "February's are not March's; begun minutes count"


def test_the_installations_default_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAANISETU_DEFAULT_LIMITS", '{"agents": 3, "minutes_a_month": 600}')
    assert Settings().default_limits == {"agents": 3, "minutes_a_month": 600}
    monkeypatch.setenv("VAANISETU_DEFAULT_LIMITS", '{"sheep": 3}')
    with pytest.raises(ValueError, match="sheep"):
        Settings()
