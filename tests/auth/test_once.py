"""A POST with an `Idempotency-Key` is carried out once, wherever it goes, and tells nobody more than they may know."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app import api
from app.config import Settings
from app.kit import problem
from app.main import create_app
from tests.house import OPERATOR_KEY, House, TenantDoor

pytestmark = pytest.mark.integration
KEYLESS = {
    "accept_invitation": "anybody may call it; the invitation is good once",
    "sign_in": "anybody may call it; every session is another one",
    "begin_second_factor": "shows a secret that must not be kept",
    "confirm_second_factor": "a code is good once",
    "receive_whatsapp_webhook": "Meta repeats; each item is known by its own id",
}
KEY = {"Idempotency-Key": "4c1d9b52-once"}


def keyed(door: TenantDoor, secret: str) -> TenantDoor:
    return TenantDoor(door.house, door.tenant_id, secret, "")


async def team(door: TenantDoor, name: str = "Refunds", **options: Any) -> Any:
    return await door.request("POST", "/v1/inbox/teams", json={"name": name}, **options)


def test_every_post_that_names_who_asks_takes_a_key() -> None:
    without = set()
    for item in create_app(Settings()).openapi()["paths"].values():
        if (operation := item.get("post")) is not None:
            named = [given["name"] for given in operation.get("parameters", [])]
            if "Idempotency-Key" not in named:
                without.add(operation["operationId"])
            else:
                assert named.count("Idempotency-Key") == 1 and "409" in operation["responses"]
    assert without == set(KEYLESS)


async def test_a_repetition_changes_nothing_and_gets_the_first_answer(house: House) -> None:
    tenant = await house.tenant()
    first, again = await team(tenant, headers=KEY), await team(tenant, headers=KEY)
    assert first.status_code == again.status_code == 201 and again.json() == first.json()
    assert "idempotency-replayed" not in first.headers and again.headers["idempotency-replayed"] == "true"
    assert len(await tenant.ok("GET", "/v1/inbox/teams")) == 1
    other = await team(tenant, "Returns", headers=KEY)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    stranger = await house.tenant("Meera")
    theirs = await team(stranger, headers=KEY)
    assert theirs.status_code == 201 and theirs.json()["id"] != first.json()["id"]


async def test_requests_at_the_same_time_are_one(house: House) -> None:
    tenant = await house.tenant()
    answers = await asyncio.gather(*(team(tenant, headers=KEY) for _ in range(12)))
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1 and {answer.status_code for answer in answers} <= {201, 409}
    assert len(await tenant.ok("GET", "/v1/inbox/teams")) == 1


async def test_a_refused_request_frees_its_key(house: House) -> None:
    tenant = await house.tenant()
    assert (await tenant.request("POST", "/v1/inbox/teams", json={"name": ""}, headers=KEY)).status_code == 422
    assert (await team(tenant, headers=KEY)).status_code == 201
    for wrong in ("short", "x" * 129):
        answer = await team(tenant, headers={"Idempotency-Key": wrong})
        assert answer.status_code == 422 and answer.json()["errors"][0]["pointer"] == "/header/Idempotency-Key"


async def test_a_key_that_may_not_ask_is_not_told_what_another_was(house: House) -> None:
    tenant = await house.tenant()
    await team(tenant, headers=KEY)
    made = await tenant.ok("POST", "/v1/api-keys", json={"name": "reader", "scopes": ["inbox:read"]})
    assert (await team(keyed(tenant, made["key"]), headers=KEY)).status_code == 403
    assert (await team(keyed(tenant, "vs_live_made-up"), headers=KEY)).status_code == 401
    member = await tenant.member("Meena")
    cookie = {"Cookie": f"vs_session={member.cookie}", **KEY}
    answer = await house.client.post("/v1/inbox/teams", json={"name": "Refunds"}, headers=cookie)
    assert answer.status_code in (401, 403), "a cookie without its token changes nothing"


async def test_the_operators_requests_are_carried_out_once_too(house: House) -> None:
    headers = {"Authorization": f"Bearer {OPERATOR_KEY}", **KEY}
    body = {"phone": "+919812345678", "channels": ["call"], "reason": "asked us"}
    first = await house.client.post("/v1/platform-suppressions", json=body, headers=headers)
    again = await house.client.post("/v1/platform-suppressions", json=body, headers=headers)
    assert (first.status_code, again.headers.get("idempotency-replayed")) == (201, "true")
    assert (await house.client.post("/v1/platform-suppressions", json=body, headers=KEY)).status_code == 401


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_two_thousand_at_once_make_one_agent(house: House) -> None:
    tenant = await house.tenant()
    body = {"name": "S", "entity_name": "S", "languages": ["hi-IN"], "default_language": "hi-IN"}
    app = FastAPI()
    problem.install(app)
    app.state.services = house.services
    api.mount(app)
    headers = {"Authorization": f"Bearer {tenant.key}", **KEY}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        asked = (client.post("/v1/agents", json=body, headers=headers, timeout=None) for _ in range(2_000))
        answers = await asyncio.gather(*asked)
    refusals = {(answer.status_code, answer.json()["code"]) for answer in answers if answer.status_code != 201}
    assert refusals <= {(409, "idempotency_in_progress")}
    [made] = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert [agent["id"] for agent in (await tenant.ok("GET", "/v1/agents"))["data"]] == [made]
