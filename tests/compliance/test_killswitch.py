"""Kill switches: which of several holds, that they last, who may set them, and that all of it is audited."""

from datetime import UTC, datetime

import pytest

from app.audit.log import AuditLog
from app.compliance.killswitch import OPERATOR_CHAIN, KillMode, KillSwitch, KillSwitches, KillSwitchWatch, strictest
from app.errors import Unavailable
from app.kit.clock import SystemClock
from app.kit.mongo import Database
from tests.house import OPERATOR_KEY, House

pytestmark = pytest.mark.integration
OPERATOR = {"Authorization": f"Bearer {OPERATOR_KEY}"}


def switch(mode: KillMode, tenant_id: str | None = None, agent_id: str | None = None) -> KillSwitch:
    return KillSwitch(tenant_id, agent_id, mode, "because", "key_1", datetime.now(UTC))


@pytest.mark.parametrize(
    ("switches", "holds"),
    [
        ([], KillMode.OFF),
        ([switch(KillMode.OFF)], KillMode.OFF),
        ([switch(KillMode.WHATSAPP_ONLY, "t", "a"), switch(KillMode.STOP, "t")], KillMode.STOP),
        ([switch(KillMode.STOP, "t", "a"), switch(KillMode.TRANSFER_ONLY)], KillMode.STOP),
        ([switch(KillMode.WHATSAPP_ONLY, "t", "a"), switch(KillMode.TRANSFER_ONLY, "t")], KillMode.TRANSFER_ONLY),
        ([switch(KillMode.OFF), switch(KillMode.WHATSAPP_ONLY, "t", "a")], KillMode.WHATSAPP_ONLY),
    ],
)
def test_a_stop_wins_else_the_widest_that_is_set(switches: list[KillSwitch], holds: KillMode) -> None:
    assert strictest(switches) is holds
    assert strictest(reversed(switches)) is holds


def made(database: Database) -> KillSwitches:
    return KillSwitches(database, AuditLog(database, SystemClock()), SystemClock())


async def test_a_switch_holds_for_its_agents_only_and_outlives_the_process(database: Database) -> None:
    switches = made(database)
    await switches.set(KillMode.STOP, actor="key_1", reason="wrong prices", tenant_id="tenant_a", agent_id="agent_1")
    again = made(database)
    assert await again.mode("tenant_a", "agent_1") is KillMode.STOP
    assert await again.mode("tenant_a", "agent_2") is KillMode.OFF
    assert await again.mode("tenant_b", "agent_1") is KillMode.OFF
    await switches.set(KillMode.TRANSFER_ONLY, actor="operator", reason="incident")
    assert await again.mode("tenant_b", "agent_1") is KillMode.TRANSFER_ONLY
    await switches.set(KillMode.OFF, actor="operator", reason="over")
    assert await again.mode("tenant_b", "agent_1") is KillMode.OFF
    log = AuditLog(database, SystemClock())
    assert [entry.data["mode"] for entry in await log.entries("tenant_a")] == ["stop"]
    assert [entry.data["mode"] for entry in await log.entries(OPERATOR_CHAIN)] == ["transfer_only", "off"]


async def test_a_live_call_knows_within_a_refresh_and_keeps_what_it_knew(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    switches = made(database)
    watch = KillSwitchWatch(switches)
    await watch.refresh()
    assert watch.mode("tenant_a", "agent_1") is KillMode.OFF
    await switches.set(KillMode.WHATSAPP_ONLY, actor="key_1", reason="no people", tenant_id="tenant_a")
    await watch.refresh()
    assert watch.mode("tenant_a", "agent_1") is KillMode.WHATSAPP_ONLY
    assert watch.mode("tenant_b", "agent_1") is KillMode.OFF

    async def away() -> list[KillSwitch]:
        raise Unavailable("the store is away")

    monkeypatch.setattr(switches, "active", away)
    with pytest.raises(Unavailable):
        await watch.refresh()
    assert watch.mode("tenant_a", "agent_1") is KillMode.WHATSAPP_ONLY


async def test_over_rest_a_tenant_stops_its_own_and_the_operator_everyone(house: House) -> None:
    ours, theirs = await house.tenant(), await house.tenant()
    stop = {"mode": "stop", "reason": "wrong prices"}
    assert (await ours.ok("PUT", "/v1/kill-switch", json=stop))["mode"] == "stop"
    assert (await theirs.ok("GET", "/v1/kill-switch"))["data"] == []
    assert (await ours.request("PUT", "/v1/agents/agent_nobodys/kill-switch", json=stop)).status_code == 404
    assert (await ours.request("PUT", "/v1/kill-switches/all", json=stop)).status_code == 401
    answer = await house.client.put("/v1/kill-switches/all", json=stop, headers=OPERATOR)
    assert answer.status_code == 200 and answer.json()["scope"] == "all"
    assert [entry["scope"] for entry in (await theirs.ok("GET", "/v1/kill-switch"))["data"]] == ["all"]
    assert (await ours.request("PUT", "/v1/kill-switch", json={"mode": "halt", "reason": "x"})).status_code == 422


async def test_the_audit_log_is_read_and_proven_over_rest(house: House, database: Database) -> None:
    tenant, other = await house.tenant(), await house.tenant()
    await tenant.ok("PUT", "/v1/kill-switch", json={"mode": "stop", "reason": "wrong prices"})
    entries = (await tenant.ok("GET", "/v1/audit-entries"))["data"]
    assert entries[0]["action"] == "kill_switch.set" and entries[0]["data"]["reason"] == "wrong prices"
    proof = await tenant.ok("GET", "/v1/audit-entries/verification")
    assert proof["intact"] and proof["entries"] == len(entries)
    assert (await tenant.ok("GET", f"/v1/audit-entries/verification?head={proof['head']}"))["intact"]
    forged = f"{proof['entries']}:{'0' * 64}"
    assert not (await tenant.ok("GET", f"/v1/audit-entries/verification?head={forged}"))["intact"]
    assert (await tenant.request("GET", "/v1/audit-entries/verification?head=1:zz")).status_code == 422
    assert not any(
        entry["action"] == "kill_switch.set" for entry in (await other.ok("GET", "/v1/audit-entries"))["data"]
    )
    rows = database.tenant(tenant.tenant_id).collection("audit")
    await rows.update_one({"seq": proof["entries"]}, {"$set": {"data.reason": "right prices"}})
    changed = await tenant.ok("GET", "/v1/audit-entries/verification")
    assert (changed["intact"], changed["first_broken_seq"]) == (False, proof["entries"])
    assert (await other.ok("GET", "/v1/audit-entries/verification"))["intact"]


async def test_a_number_is_put_on_the_list_with_its_evidence(house: House) -> None:
    tenant, other = await house.tenant(), await house.tenant()
    body = {"phone": "+919812345678", "reason": "asked by letter"}
    made_list = await tenant.ok("POST", "/v1/suppressions", json=body)
    assert {line["channel"] for line in made_list["data"]} == {"call", "whatsapp"}
    assert made_list["data"][0]["evidence"]["reason"] == "asked by letter"
    assert (await other.ok("GET", "/v1/suppressions?phone=%2B919812345678"))["data"] == []
    lines = (await tenant.ok("GET", "/v1/consents?phone=%2B919812345678"))["data"]
    assert lines and {line["decision"] for line in lines} == {"withdrawn"}
    assert (await tenant.request("POST", "/v1/suppressions", json={**body, "phone": "98123"})).status_code == 422
