"""What takes two people is done by two: proposed by one, applied by another, never by one alone."""

import asyncio
from typing import Any

import pytest

from tests.changes.conftest import Member
from tests.house import House, TenantDoor

pytestmark = pytest.mark.integration


async def with_rules(tenant: TenantDoor, **rules: bool) -> dict[str, Any]:
    """Creates an agent, then asks for two people."""
    agent = await tenant.agent()
    await tenant.ok("PUT", "/v1/change-rules", json=rules)
    return agent


async def actions(tenant: TenantDoor) -> list[str]:
    entries = await tenant.ok("GET", "/v1/audit-entries?limit=100")
    return [entry["action"] for entry in reversed(entries["data"])]


async def test_one_person_is_enough_by_default(tenant: TenantDoor) -> None:
    agent = await tenant.agent()
    assert await tenant.ok("GET", "/v1/change-rules") == dict.fromkeys(
        ("agents", "flows", "routing", "restricted_actions"), False
    )
    changed = await tenant.request("PATCH", f"/v1/agents/{agent['id']}", json={"entity_name": "Meera Stores"})
    assert changed.status_code == 200 and changed.json()["entity_name"] == "Meera Stores"


async def test_a_persona_changes_only_when_another_member_approves(
    tenant: TenantDoor, meena: Member, ravi: Member
) -> None:
    agent = await with_rules(tenant, agents=True)
    held = await meena.send("PATCH", f"/v1/agents/{agent['id']}", json={"entity_name": "Meera Stores"})
    assert held.status_code == 202
    change = held.json()
    assert (change["kind"], change["status"], change["proposed_by"]) == ("agent.update", "pending", meena.member_id)
    assert change["payload"] == {"entity_name": "Meera Stores"}
    assert (await tenant.ok("GET", f"/v1/agents/{agent['id']}"))["entity_name"] == "Sundar Stores"
    alone = await meena.send("POST", f"/v1/changes/{change['id']}/approve")
    assert (alone.status_code, alone.json()["code"]) == (403, "second_person_needed")
    done = await ravi.ok("POST", f"/v1/changes/{change['id']}/approve", json={"note": "agreed"})
    assert (done["status"], done["decided_by"], done["result"]) == ("applied", ravi.member_id, agent["id"])
    assert (await tenant.ok("GET", f"/v1/agents/{agent['id']}"))["entity_name"] == "Meera Stores"
    again = await ravi.send("POST", f"/v1/changes/{change['id']}/approve")
    assert (again.status_code, again.json()["code"]) == (409, "already_decided")
    told = await actions(tenant)
    assert told[-3:] == ["change.proposed", "agent.changed", "change.applied"]
    assert (await tenant.ok("GET", "/v1/audit-entries/verification"))["intact"]


async def test_keys_that_one_person_made_are_one_person(tenant: TenantDoor, meena: Member, ravi: Member) -> None:
    agent = await with_rules(tenant, agents=True)
    first = await meena.ok("POST", "/v1/api-keys", json={"name": "first"})
    headers = {"Authorization": f"Bearer {first['key']}"}
    client = tenant.house.client
    second = (await client.post("/v1/api-keys", json={"name": "second"}, headers=headers)).json()
    change = (await client.patch(f"/v1/agents/{agent['id']}", json={"purpose": "sales"}, headers=headers)).json()
    for key in (first, second):
        headers = {"Authorization": f"Bearer {key['key']}"}
        answer = await client.post(f"/v1/changes/{change['id']}/approve", headers=headers)
        assert answer.status_code == 403
    assert (await meena.send("POST", f"/v1/changes/{change['id']}/approve")).status_code == 403
    assert (await ravi.ok("POST", f"/v1/changes/{change['id']}/approve"))["status"] == "applied"


async def test_routing_takes_two_from_new_numbers_to_given_back_ones(
    tenant: TenantDoor, meena: Member, ravi: Member
) -> None:
    agent = await with_rules(tenant, routing=True)
    other = await tenant.agent(name="Other")

    async def through(method: str, path: str, **options: Any) -> dict[str, Any]:
        held = await meena.send(method, path, **options)
        assert held.status_code == 202, held.text
        done: dict[str, Any] = await ravi.ok("POST", f"/v1/changes/{held.json()['id']}/approve")
        return done

    foreign = await meena.send("POST", "/v1/phone-numbers", json={"number": "+918012345678", "agent_id": "agent_x"})
    assert foreign.status_code == 404
    made = await through("POST", "/v1/phone-numbers", json={"number": "+918012345678", "agent_id": agent["id"]})
    path = f"/v1/phone-numbers/{made['result']}"
    assert (await tenant.ok("GET", path))["agent_id"] == agent["id"]
    await through("PATCH", path, json={"agent_id": other["id"]})
    assert (await tenant.ok("GET", path))["agent_id"] == other["id"]
    await through("DELETE", path)
    assert (await tenant.request("GET", path)).status_code == 404


async def test_a_change_is_checked_when_proposed_and_stale_when_overtaken(
    tenant: TenantDoor, meena: Member, ravi: Member
) -> None:
    agent = await with_rules(tenant, agents=True)
    path = f"/v1/agents/{agent['id']}"
    wrong = await meena.send("PATCH", path, json={"default_language": "en-US"})
    assert wrong.status_code == 422
    assert (await meena.send("PATCH", "/v1/agents/agent_x", json={"purpose": "sales"})).status_code == 404
    one = (await meena.send("PATCH", path, json={"purpose": "sales"})).json()
    two = (await ravi.send("PATCH", path, json={"purpose": "recovery"})).json()
    await ravi.ok("POST", f"/v1/changes/{one['id']}/approve")
    stale = await meena.send("POST", f"/v1/changes/{two['id']}/approve")
    assert (stale.status_code, stale.json()["code"]) == (409, "stale_change")
    shown = await meena.ok("GET", f"/v1/changes/{two['id']}")
    assert (shown["status"], shown["result"]) == ("failed", "stale_change")
    assert (await tenant.ok("GET", path))["purpose"] == "sales"


async def test_asking_for_one_person_again_takes_two(tenant: TenantDoor, meena: Member, ravi: Member) -> None:
    await with_rules(tenant, agents=True, flows=True)
    for path, body in (("/v1/change-rules", {"agents": False}), ("/v1/flow-rules", {"two_persons": False})):
        held = await meena.send("PUT", path, json=body)
        assert held.status_code == 202 and held.json()["kind"] == "rules.loosen"
        assert (await meena.send("POST", f"/v1/changes/{held.json()['id']}/approve")).status_code == 403
    assert (await tenant.ok("GET", "/v1/change-rules"))["agents"] is True
    await ravi.ok("POST", f"/v1/changes/{held.json()['id']}/approve")
    rules = await tenant.ok("GET", "/v1/change-rules")
    assert (rules["agents"], rules["flows"]) == (True, False)
    assert (await tenant.ok("GET", "/v1/flow-rules")) == {"two_persons": False}


async def test_a_proposal_is_refused_or_taken_back_and_changes_nothing(
    tenant: TenantDoor, meena: Member, ravi: Member
) -> None:
    agent = await with_rules(tenant, agents=True)
    for decider in (ravi, meena):
        change = (await meena.send("DELETE", f"/v1/agents/{agent['id']}")).json()
        refused = await decider.ok("POST", f"/v1/changes/{change['id']}/refuse", json={"note": "no"})
        assert (refused["status"], refused["decided_by"]) == ("refused", decider.member_id)
        assert (await ravi.send("POST", f"/v1/changes/{change['id']}/approve")).status_code == 409
    assert (await tenant.request("GET", f"/v1/agents/{agent['id']}")).status_code == 200
    listed = await tenant.ok("GET", "/v1/changes?status=refused")
    assert len(listed["data"]) == 2 and (await tenant.ok("GET", "/v1/changes?status=pending"))["data"] == []


async def test_two_approvals_at_once_apply_a_change_once(tenant: TenantDoor, meena: Member, ravi: Member) -> None:
    await with_rules(tenant, agents=True)
    body = {"name": "New", "entity_name": "X", "languages": ["hi-IN"], "default_language": "hi-IN"}
    change = (await meena.send("POST", "/v1/agents", json=body)).json()
    answers = await asyncio.gather(*(ravi.send("POST", f"/v1/changes/{change['id']}/approve") for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
    agents = await tenant.ok("GET", "/v1/agents")
    assert [agent["name"] for agent in agents["data"]].count("New") == 1


async def test_changes_are_the_tenants_and_sealed(house: House, tenant: TenantDoor, meena: Member) -> None:
    agent = await with_rules(tenant, agents=True)
    change = (await meena.send("PATCH", f"/v1/agents/{agent['id']}", json={"entity_name": "Secret Plan"})).json()
    stored = await house.services.database.tenant(tenant.tenant_id).collection("changes").find({})
    assert "Secret Plan" not in str(stored)
    other = await house.tenant("Meera")
    for method, path in (("GET", ""), ("POST", "/approve"), ("POST", "/refuse")):
        assert (await other.request(method, f"/v1/changes/{change['id']}{path}")).status_code == 404
    assert (await other.ok("GET", "/v1/changes"))["data"] == []
    assert (await other.ok("GET", "/v1/change-rules"))["agents"] is False
