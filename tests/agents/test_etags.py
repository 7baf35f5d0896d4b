"""Whoever changes an agent that somebody else changed meanwhile is told, and nobody's change is lost."""

import asyncio
from typing import Any

import pytest

from tests.house import OPERATOR_KEY, House, TenantDoor

pytestmark = pytest.mark.integration


async def _change(tenant: TenantDoor, agent_id: str, tag: str, **body: Any) -> Any:
    return await tenant.request("PATCH", f"/v1/agents/{agent_id}", json=body, headers={"If-Match": tag})


async def test_a_change_of_what_was_seen_is_made_and_of_another_version_refused(house: House) -> None:
    tenant = await house.tenant()
    agent_id = (await tenant.agent())["id"]
    seen = (await tenant.request("GET", f"/v1/agents/{agent_id}")).headers["etag"]
    assert seen.startswith('"') and (await tenant.request("GET", f"/v1/agents/{agent_id}")).headers["etag"] == seen
    first = await _change(tenant, agent_id, seen, name="First")
    assert first.status_code == 200 and first.headers["etag"] != seen
    late = await _change(tenant, agent_id, seen, name="Late")
    assert late.status_code == 412 and late.json()["code"] == "precondition_failed"
    assert (await tenant.ok("GET", f"/v1/agents/{agent_id}"))["name"] == "First"
    both = f'"other", {first.headers["etag"]}'
    assert (await _change(tenant, agent_id, both, name="Second")).status_code == 200
    assert (await _change(tenant, agent_id, "*", name="Third")).status_code == 200
    assert (await tenant.request("PATCH", f"/v1/agents/{agent_id}", json={"name": "Fourth"})).status_code == 200


async def test_of_many_who_saw_the_same_one_may_change_it(house: House) -> None:
    tenant = await house.tenant()
    agent_id = (await tenant.agent())["id"]
    seen = (await tenant.request("GET", f"/v1/agents/{agent_id}")).headers["etag"]
    answers = await asyncio.gather(*(_change(tenant, agent_id, seen, name=f"N{number}") for number in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    won = next(answer.json()["name"] for answer in answers if answer.status_code == 200)
    assert (await tenant.ok("GET", f"/v1/agents/{agent_id}"))["name"] == won


async def test_changes_of_different_fields_at_once_are_all_kept(house: House) -> None:
    tenant = await house.tenant()
    agent_id = (await tenant.agent())["id"]
    changes = [{"name": "New"}, {"recording": False}, {"purpose": "sales"}]
    place = f"/v1/agents/{agent_id}"
    answers = await asyncio.gather(*(tenant.request("PATCH", place, json=body) for body in changes))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    now = await tenant.ok("GET", place)
    assert (now["name"], now["recording"], now["purpose"]) == ("New", False, "sales")


async def test_the_operator_gives_a_tenant_a_key_with_every_scope(house: House) -> None:
    tenant, operator = await house.tenant(), {"Authorization": f"Bearer {OPERATOR_KEY}"}
    place = f"/v1/tenants/{tenant.tenant_id}/api-keys"
    assert (await tenant.request("POST", place)).status_code == 401
    assert (await house.client.post("/v1/tenants/tenant_none/api-keys", headers=operator)).status_code == 404
    made = (await house.client.post(place, headers=operator)).json()
    door = TenantDoor(house, tenant.tenant_id, made["key"], made["id"])
    assert (await door.ok("GET", "/v1/tenant"))["id"] == tenant.tenant_id
    assert set(made["scopes"]) == set((await tenant.ok("GET", "/v1/api-keys"))["data"][-1]["scopes"])


async def test_credentials_are_replaced_by_who_saw_the_present_ones(house: House) -> None:
    tenant, place = await house.tenant(), "/v1/credentials/plivo"
    body = {"auth_id": "MAXXXXXX", "auth_token": "a-first-token"}
    early = await tenant.request("PUT", place, json=body, headers={"If-Match": '"of-nothing"'})
    assert early.status_code == 412 and "send no If-Match" in early.json()["detail"]
    made = await tenant.request("PUT", place, json=body)
    seen = (await tenant.request("GET", place)).headers["etag"]
    assert made.headers["etag"] == seen
    tokens = [{**body, "auth_token": f"a-new-token-{number}"} for number in range(6)]
    answers = await asyncio.gather(
        *(tenant.request("PUT", place, json=token, headers={"If-Match": seen}) for token in tokens)
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 5
    won = next(answer for answer in answers if answer.status_code == 200)
    now = await tenant.request("GET", place)
    assert now.json()["values"] == won.json()["values"] and now.headers["etag"] == won.headers["etag"] != seen
    assert (await tenant.request("PUT", place, json=body)).status_code == 200, "without one, whatever holds"
