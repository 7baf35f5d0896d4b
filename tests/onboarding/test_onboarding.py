"""From nothing to an agent that answers: what is missing is named with its cure, all at once, and then nothing is."""

from datetime import timedelta
from typing import Any

import pytest

from app.agents.lifecycle import TEST_CALLS_FOR, AgentState
from app.calls.ports import CallDeclined, NumberRoute
from app.onboarding.doorway import Doorway
from tests.house import CUSTOMER, House, TenantDoor

pytestmark = pytest.mark.integration
OUR_NUMBER = "+918047000001"
STRANGER = "+919899999999"


def _codes(view: dict[str, Any]) -> set[str]:
    return {gap["code"] for gap in view["missing"]}


async def _number(tenant: TenantDoor, agent: dict[str, Any], number: str = OUR_NUMBER) -> None:
    await tenant.ok("POST", "/v1/phone-numbers", json={"number": number, "agent_id": agent["id"]})


async def test_the_list_leads_from_nothing_to_a_live_agent(house: House) -> None:
    tenant = await house.tenant()
    before = await tenant.ok("GET", "/v1/onboarding")
    assert not before["complete"] and before["agents"] == []
    assert [step["name"] for step in before["steps"] if step["required"]] == [
        "plivo",
        "agent",
        "phone_number",
        "go_live",
    ]
    assert all(gap["cure"] and gap["link"].startswith("/v1/") for step in before["steps"] for gap in step["missing"])
    agent = await tenant.agent()
    with_agent = await tenant.ok("GET", "/v1/onboarding")
    assert {step["name"]: step["required"] for step in with_agent["steps"]}["whatsapp"], "it hands over by WhatsApp"
    await _number(tenant, agent)
    await tenant.connect_plivo()
    await tenant.connect_whatsapp()
    ready = await tenant.ok("GET", f"/v1/agents/{agent['id']}/state")
    assert ready["state"] == "draft" and ready["missing"] == []
    live = await tenant.ok("POST", f"/v1/agents/{agent['id']}/go-live")
    assert live["state"] == "live" and live["changed_by"] == tenant.key_id
    after = await tenant.ok("GET", "/v1/onboarding")
    assert after["complete"] and [entry["state"] for entry in after["agents"]] == ["live"]
    assert await tenant.ok("POST", f"/v1/agents/{agent['id']}/go-live") == live, "repeating it changes nothing"


async def test_going_live_is_refused_with_every_reason_at_once(house: House) -> None:
    tenant = await house.tenant()
    agent = await tenant.agent(tools={"order_status": {}}, second_opinion=True)
    body = {"auth_id": "MAWRONGWRONGWRONGXXX", "auth_token": "x" * 20}
    await tenant.ok("PUT", "/v1/credentials/plivo", json=body)
    await tenant.ok("PUT", f"/v1/agents/{agent['id']}/kill-switch", json={"mode": "stop", "reason": "not yet"})
    answer = await tenant.request("POST", f"/v1/agents/{agent['id']}/go-live")
    assert answer.status_code == 409 and answer.json()["code"] == "not_ready"
    told = {error["detail"].partition(":")[0] for error in answer.json()["errors"]}
    wanted = {"no_number", "plivo_failed", "whatsapp_missing", "no_handoff_target", "tools_missing", "llm_missing"}
    assert told == wanted | {"kill_switch"}
    shown = await tenant.ok("GET", f"/v1/agents/{agent['id']}/state")
    assert _codes(shown) == told and shown["state"] == "draft"


async def test_a_language_whose_pack_went_away_and_flows_that_are_gone_are_named(house: House) -> None:
    tenant = await house.tenant()
    agent = await tenant.agent()
    rows = house.services.database.tenant(tenant.tenant_id).collection("agents")
    changes = {"languages": ["hi-IN", "xx-XX"], "flow_set": "diwali"}
    await rows.update_one({"_id": agent["id"]}, {"$set": changes})
    shown = await tenant.ok("GET", f"/v1/agents/{agent['id']}/state")
    assert {"no_approved_disclosure", "flows_not_live"} <= _codes(shown)


async def test_an_agent_with_a_telephone_for_people_needs_no_whatsapp(house: House) -> None:
    tenant = await house.tenant()
    agent = await tenant.agent(handoff="phone", transfer_number="+918012345678")
    shown = await tenant.ok("GET", f"/v1/agents/{agent['id']}/state")
    assert _codes(shown) == {"no_number", "plivo_missing"}


async def test_another_tenants_agent_is_not_there(house: House) -> None:
    owner, other = await house.tenant(), await house.tenant("Other")
    place = f"/v1/agents/{(await owner.agent())['id']}"
    for method, path, body in (
        ("GET", "/state", None),
        ("POST", "/go-live", None),
        ("POST", "/pause", None),
        ("POST", "/test-calls", {"from_number": CUSTOMER}),
    ):
        assert (await other.request(method, place + path, json=body)).status_code == 404, path
    assert (await owner.ok("GET", f"{place}/state"))["state"] == "draft"


async def test_who_rings_before_the_agent_is_live_hears_a_sentence_unless_a_test_is_expected(house: House) -> None:
    tenant = await house.tenant()
    agent = await tenant.agent()
    early = await tenant.request("POST", f"/v1/agents/{agent['id']}/test-calls", json={"from_number": CUSTOMER})
    assert early.status_code == 409 and early.json()["code"] == "no_number"
    await _number(tenant, agent)
    rooms = house.services
    door = Doorway(rooms.agents, rooms.lifecycle, rooms.allowance, rooms.packs)
    route = NumberRoute(tenant.tenant_id, agent["id"], OUR_NUMBER, "MA", "token")
    with pytest.raises(CallDeclined) as declined:
        await door.admit(route, CUSTOMER)
    said = declined.value.announcement
    assert said is not None and said.language == "hi-IN" and said.text and declined.value.transfer_number is None
    expected = await tenant.ok("POST", f"/v1/agents/{agent['id']}/test-calls", json={"from_number": CUSTOMER})
    assert expected["ring"] == [OUR_NUMBER]
    await door.admit(route, CUSTOMER)
    with pytest.raises(CallDeclined):
        await door.admit(route, STRANGER)
    house.clock.ahead = TEST_CALLS_FOR + timedelta(seconds=1)
    with pytest.raises(CallDeclined):
        await door.admit(route, CUSTOMER)
    stored = await rooms.database.system("test").collection("agent_states").find({})
    assert CUSTOMER not in str(stored)


async def test_a_live_agent_takes_every_call_until_it_is_paused(house: House) -> None:
    tenant = await house.tenant()
    agent = await tenant.agent(handoff="phone", transfer_number="+918012345678")
    await _number(tenant, agent)
    await tenant.connect_plivo()
    await tenant.ok("POST", f"/v1/agents/{agent['id']}/go-live")
    rooms = house.services
    door = Doorway(rooms.agents, rooms.lifecycle, rooms.allowance, rooms.packs)
    route = NumberRoute(tenant.tenant_id, agent["id"], OUR_NUMBER, "MA", "token")
    await door.admit(route, STRANGER)
    assert (await tenant.ok("POST", f"/v1/agents/{agent['id']}/pause"))["state"] == "paused"
    with pytest.raises(CallDeclined) as declined:
        await door.admit(route, STRANGER)
    assert declined.value.transfer_number == "+918012345678"
    trail = await tenant.ok("GET", "/v1/audit-entries?limit=100")
    assert {"agent.live", "agent.paused"} <= {entry["action"] for entry in trail["data"]}


async def test_only_the_ten_latest_testers_are_remembered(house: House) -> None:
    tenant = await house.tenant()
    agent_id = (await tenant.agent())["id"]
    lifecycle = house.services.lifecycle
    for last in range(12):
        await lifecycle.expect_test(tenant.tenant_id, "key_1", agent_id, f"+9198000000{last:02}")
    taken = [await lifecycle.answers(tenant.tenant_id, agent_id, f"+9198000000{last:02}") for last in range(12)]
    assert taken == [False, False] + [True] * 10
    assert (await lifecycle.of(tenant.tenant_id, agent_id)).state is AgentState.DRAFT


async def test_a_key_that_only_reads_changes_no_state(house: House) -> None:
    tenant = await house.tenant()
    agent_id = (await tenant.agent())["id"]
    made = await tenant.ok("POST", "/v1/api-keys", json={"name": "eye", "scopes": ["agents:read", "tenant:read"]})
    eye = TenantDoor(house, tenant.tenant_id, made["key"], made["id"])
    assert (await eye.request("GET", "/v1/onboarding")).status_code == 200
    assert (await eye.request("POST", f"/v1/agents/{agent_id}/go-live")).status_code == 403
    assert (await eye.request("POST", f"/v1/agents/{agent_id}/pause")).status_code == 403
