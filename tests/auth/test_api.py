"""Tenants, keys, credentials, agents and numbers over HTTP: who may, who sees what, and that nobody sees another's."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.auth.models import SCOPES, AuthSubject
from app.conversations.models import CallContext
from tests.house import ACCESS_TOKEN, CUSTOMER, OPERATOR_KEY, House, TenantDoor

pytestmark = pytest.mark.integration
OPERATOR = {"Authorization": f"Bearer {OPERATOR_KEY}"}
NEW_TENANT = {"name": "A", "legal_entity": "A Ltd", "languages": ["hi-IN"]}


async def test_only_the_operator_makes_and_lists_tenants(house: House) -> None:
    tenant = await house.tenant()
    for headers in ({}, {"Authorization": f"Bearer {tenant.key}"}, {"Authorization": "Bearer é".encode()}):
        for method in ("GET", "POST"):
            answer = await house.client.request(method, "/v1/tenants", json=NEW_TENANT, headers=headers)
            assert answer.status_code == 401, (method, headers)
            assert answer.headers["www-authenticate"] == "Bearer"
    listed = (await house.client.get("/v1/tenants", headers=OPERATOR)).json()
    assert [entry["id"] for entry in listed["data"]] == [tenant.tenant_id]
    assert tenant.key not in str(listed)


async def test_a_tenant_speaks_only_languages_with_packs(house: House) -> None:
    body = {**NEW_TENANT, "languages": ["hi-IN", "xx-XX"]}
    answer = await house.client.post("/v1/tenants", json=body, headers=OPERATOR)
    assert answer.status_code == 422 and answer.json()["errors"][0]["pointer"] == "/body/languages"
    odd = await house.client.post("/v1/tenants", json={**NEW_TENANT, "extra": 1}, headers=OPERATOR)
    assert odd.status_code == 422


async def test_a_repeated_creation_makes_one_tenant(house: House) -> None:
    headers = {**OPERATOR, "Idempotency-Key": "seed-tenant-1"}
    answers = [await house.client.post("/v1/tenants", json=NEW_TENANT, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201] and answers[0].json() == answers[1].json()
    listed = (await house.client.get("/v1/tenants", headers=OPERATOR)).json()
    assert len(listed["data"]) == 1


async def test_keys_end_when_revoked_or_expired(house: House) -> None:
    tenant = await house.tenant()
    made = await tenant.ok("POST", "/v1/api-keys", json={"name": "crm", "scopes": ["agents:read"]})
    crm = TenantDoor(house, tenant.tenant_id, made["key"], made["id"])
    assert (await crm.request("GET", "/v1/agents")).status_code == 200
    assert (await crm.request("POST", "/v1/agents", json={})).status_code == 403
    assert (await crm.request("GET", "/v1/api-keys")).status_code == 403
    assert (await tenant.request("DELETE", f"/v1/api-keys/{made['id']}")).status_code == 204
    assert (await crm.request("GET", "/v1/agents")).status_code == 401
    soon = (datetime.now(UTC) + timedelta(milliseconds=300)).isoformat()
    short = await tenant.ok("POST", "/v1/api-keys", json={"name": "short", "expires_at": soon})
    brief = TenantDoor(house, tenant.tenant_id, short["key"], short["id"])
    assert (await brief.request("GET", "/v1/agents")).status_code == 200
    await asyncio.sleep(0.4)
    assert (await brief.request("GET", "/v1/agents")).status_code == 401, "the cache does not outlive the expiry"
    listed = await tenant.ok("GET", "/v1/api-keys")
    assert {entry["name"] for entry in listed["data"]} == {"first key", "crm", "short"}
    stored = await house.services.database.system("test").collection("api_keys").find({})
    assert all(secret not in str(stored) for secret in (tenant.key, made["key"]))


async def test_a_key_gives_no_more_than_it_has(house: House) -> None:
    tenant = await house.tenant()
    made = await tenant.ok("POST", "/v1/api-keys", json={"name": "admin", "scopes": ["api_keys:write"]})
    admin = TenantDoor(house, tenant.tenant_id, made["key"], made["id"])
    for scopes in (["agents:write"], ["agents:nonsense"], []):
        answer = await admin.request("POST", "/v1/api-keys", json={"name": "more", "scopes": scopes})
        assert answer.status_code == 422, scopes
    child = await admin.ok("POST", "/v1/api-keys", json={"name": "same"})
    assert child["scopes"] == ["api_keys:write"]


async def test_a_key_is_replaced_while_the_old_one_still_works(house: House) -> None:
    tenant = await house.tenant()
    ends = (house.services.clock.now() + timedelta(days=30)).isoformat()
    body = {"name": "CRM", "scopes": ["agents:read"], "expires_at": ends, "test": True}
    old = await tenant.ok("POST", "/v1/api-keys", json=body)
    machine = TenantDoor(house, tenant.tenant_id, old["key"], old["id"])
    place = f"/v1/api-keys/{old['id']}/rotate"
    new = await machine.ok("POST", place, json={"overlap_hours": 1}, headers={"Idempotency-Key": "rotate-once"})
    again = await machine.ok("POST", place, json={"overlap_hours": 1}, headers={"Idempotency-Key": "rotate-once"})
    assert again == new and new["key"].startswith("vs_test_") and new["key"] != old["key"]
    assert (new["name"], new["scopes"]) == ("CRM", ["agents:read"])
    assert new["expires_at"] > ends, "it lasts as long as the old one did"
    successor = TenantDoor(house, tenant.tenant_id, new["key"], new["id"])
    for door in (machine, successor):
        assert (await door.request("GET", "/v1/agents")).status_code == 200
        assert (await door.request("GET", "/v1/tenant")).status_code == 403
    house.clock.ahead = timedelta(hours=1, seconds=20)
    assert (await machine.request("GET", "/v1/agents")).status_code == 401
    assert (await successor.request("GET", "/v1/agents")).status_code == 200
    ended = await tenant.request("POST", place)
    assert (ended.status_code, ended.json()["code"]) == (409, "key_ended")
    told = [entry["action"] for entry in (await tenant.ok("GET", "/v1/audit-entries"))["data"]]
    assert told.count("api_key.rotated") == 1


async def test_only_who_could_make_a_key_replaces_anothers(house: House) -> None:
    tenant, other = await house.tenant(), await house.tenant("Meera")
    place = f"/v1/api-keys/{tenant.key_id}/rotate"
    assert (await other.request("POST", place)).status_code == 404
    for scopes, status in ((["agents:read"], 403), (["api_keys:write", "agents:read"], 422)):
        made = await tenant.ok("POST", "/v1/api-keys", json={"name": "less", "scopes": scopes})
        less = TenantDoor(house, tenant.tenant_id, made["key"], made["id"])
        assert (await less.request("POST", place)).status_code == status
    assert (await tenant.request("GET", "/v1/tenant")).status_code == 200


def test_writing_includes_reading_and_nothing_else() -> None:
    subject = AuthSubject("tenant_1", "key_1", frozenset({"agents:write"}))
    assert {scope for scope in SCOPES if subject.may(scope)} == {"agents:read", "agents:write"}


@pytest.mark.parametrize("key", ["vs_live_short", "vs_live_" + "A" * 38, "nonsense", "vs_test_" + "0" * 38])
async def test_made_up_keys_are_refused(house: House, key: str) -> None:
    answer = await house.client.get("/v1/agents", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 401 and answer.json()["code"] == "unauthorized"


async def test_credentials_are_sealed_in_the_store_and_masked_on_the_wire(house: House) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    token = "plivo-token-0123456789"
    await tenant.ok("PUT", "/v1/credentials/plivo", json={"auth_id": "MAEXAMPLE", "auth_token": token})
    shown = await tenant.ok("GET", "/v1/credentials/whatsapp")
    assert shown["values"]["phone_number_id"] == "106540352242922"
    assert shown["values"]["access_token"] == "..." + ACCESS_TOKEN[-4:]
    stored = str(await house.services.database.system("test").collection("credentials").find({}))
    assert ACCESS_TOKEN not in stored and token not in stored and "verify-token" not in stored
    opened = await house.services.credentials.plivo(tenant.tenant_id)
    assert opened is not None and opened.auth_token == token
    assert (await tenant.request("GET", "/v1/credentials/tools")).status_code == 404
    assert (await tenant.request("DELETE", "/v1/credentials/plivo")).status_code == 204
    assert await house.services.credentials.plivo(tenant.tenant_id) is None


async def test_a_whatsapp_number_belongs_to_one_tenant(house: House) -> None:
    first, second = await house.tenant("A"), await house.tenant("B")
    await first.connect_whatsapp()
    body = {"phone_number_id": "106540352242922", "access_token": "x" * 20, "app_secret": "y" * 20}
    answer = await second.request("PUT", "/v1/credentials/whatsapp", json={**body, "verify_token": "z" * 20})
    assert answer.status_code == 409 and answer.json()["code"] == "number_taken"
    await first.connect_whatsapp()


async def test_a_ringing_number_finds_its_tenant_agent_and_account(house: House) -> None:
    tenant, other = await house.tenant("A"), await house.tenant("B")
    agent = await tenant.agent()
    await tenant.ok("POST", "/v1/phone-numbers", json={"number": "+918012345678", "agent_id": agent["id"]})
    assert await house.services.numbers.resolve("+918012345678") is None, "no Plivo account yet"
    await tenant.ok("PUT", "/v1/credentials/plivo", json={"auth_id": "MAEXAMPLE", "auth_token": "t" * 20})
    route = await house.services.numbers.resolve("+918012345678")
    assert route is not None and (route.tenant_id, route.agent_id) == (tenant.tenant_id, agent["id"])
    assert (route.plivo_auth_id, route.plivo_auth_token) == ("MAEXAMPLE", "t" * 20)
    theirs = await other.agent()
    body = {"number": "+918012345678", "agent_id": theirs["id"]}
    taken = await other.request("POST", "/v1/phone-numbers", json=body)
    assert taken.status_code == 409 and taken.json()["code"] == "number_taken"
    assert (await tenant.request("DELETE", f"/v1/agents/{agent['id']}")).status_code == 409


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"languages": ["xx-XX"], "default_language": "xx-XX"}, "/body/languages"),
        ({"default_language": "ta-IN"}, "/body/default_language"),
        ({"handoff": "phone"}, "/body/transfer_number"),
        ({"tools": {"order_status": {"url": "http://x.example/orders"}}}, "/body/tools/order_status/url"),
        ({"tools": {"order_status": {"url": "http://x/{order_id.__class__}"}}}, "/body/tools/order_status/url"),
        ({"tools": {"order_status": {"url": "ftp://x/{order_id}"}}}, "/body/tools/order_status/url"),
        ({"surprise": True}, "/body/surprise"),
    ],
)
async def test_an_agent_that_cannot_work_is_refused_with_the_place(
    house: House, changes: dict[str, Any], pointer: str
) -> None:
    tenant = await house.tenant()
    body = {"name": "S", "entity_name": "S", "languages": ["hi-IN"], "default_language": "hi-IN", **changes}
    answer = await tenant.request("POST", "/v1/agents", json=body)
    assert answer.status_code == 422
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}


async def test_patching_an_agent_changes_what_is_named(house: House) -> None:
    tenant = await house.tenant()
    agent = await tenant.agent(tools={"order_status": {}})
    patched = await tenant.ok("PATCH", f"/v1/agents/{agent['id']}", json={"name": "Night line", "recording": False})
    times = {"created_at": patched["created_at"], "updated_at": patched["updated_at"]}
    assert patched == {**agent, "name": "Night line", "recording": False, **times}
    without = await tenant.ok("PATCH", f"/v1/agents/{agent['id']}", json={"tools": {}})
    assert without["tools"] == {}
    assert (await tenant.request("PATCH", f"/v1/agents/{agent['id']}", json={"name": None})).status_code == 422
    stored = await house.services.agents.get(tenant.tenant_id, agent["id"])
    assert stored.profile().tools == () and stored.profile().languages == ("hi-IN", "en-IN")


async def test_another_tenants_ids_are_not_found_whatever_is_asked(house: House) -> None:
    mine, theirs = await house.tenant("A"), await house.tenant("B")
    agent = await theirs.agent()
    number = await theirs.ok("POST", "/v1/phone-numbers", json={"number": "+918012345678", "agent_id": agent["id"]})
    call = CallContext("call_1", "hi-IN", "human_agent", request_text="WhatsApp")
    await theirs.connect_whatsapp()
    handed = await house.services.handoff.request(theirs.tenant_id, CUSTOMER, call, entity_name="B")
    conversation = handed.conversation_id
    key = {"Idempotency-Key": "isolation-1"}
    doors: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", f"/v1/agents/{agent['id']}", {}),
        ("PATCH", f"/v1/agents/{agent['id']}", {"json": {"name": "mine"}}),
        ("DELETE", f"/v1/agents/{agent['id']}", {}),
        ("POST", "/v1/phone-numbers", {"json": {"number": "+918099999999", "agent_id": agent["id"]}}),
        ("GET", f"/v1/phone-numbers/{number['id']}", {}),
        ("PATCH", f"/v1/phone-numbers/{number['id']}", {"json": {"agent_id": (await mine.agent())["id"]}}),
        ("DELETE", f"/v1/phone-numbers/{number['id']}", {}),
        ("GET", f"/v1/conversations/{conversation}", {}),
        ("PATCH", f"/v1/conversations/{conversation}", {"json": {"owner": "bot"}}),
        ("GET", f"/v1/conversations/{conversation}/messages", {}),
        ("POST", f"/v1/conversations/{conversation}/messages", {"json": {"text": "hi"}, "headers": key}),
        ("DELETE", f"/v1/api-keys/{theirs.key_id}", {}),
        ("GET", "/v1/credentials/whatsapp", {}),
        ("DELETE", "/v1/credentials/whatsapp", {}),
    ]
    for method, path, options in doors:
        answer = await mine.request(method, path, **options)
        assert answer.status_code == 404, (method, path, answer.text)
        assert answer.json()["code"] == "not_found" and answer.json()["request_id"] == answer.headers["request-id"]
    for path in ("/v1/conversations", "/v1/phone-numbers"):
        assert (await mine.ok("GET", path))["data"] == []
    assert (await theirs.ok("GET", f"/v1/agents/{agent['id']}"))["name"] == "Support"
    assert (await theirs.ok("GET", "/v1/tenant"))["id"] == theirs.tenant_id


async def test_lists_walk_in_pages(house: House) -> None:
    tenant = await house.tenant()
    made = [(await tenant.agent(name=f"agent {number}"))["id"] for number in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": 2, **({"starting_after": cursor} if cursor else {})}
        page = await tenant.ok("GET", "/v1/agents", params=query)
        seen += [entry["id"] for entry in page["data"]]
        cursor = page["next_cursor"]
        assert page["has_more"] is (cursor is not None)
        if cursor is None:
            break
    assert seen == made[::-1]


async def test_every_route_says_its_operation_and_its_errors(house: House) -> None:
    schema = (await house.client.get("/openapi.json")).json()
    operations = [
        (path, operation)
        for path, methods in schema["paths"].items()
        for operation in methods.values()
        if path.startswith("/v1/")
    ]
    ids = [operation["operationId"] for _, operation in operations]
    assert len(ids) == len(set(ids)) and all("_v1_" not in identifier for identifier in ids)
    for path, operation in operations:
        assert operation["tags"] and operation["summary"], path
        if "whatsapp/webhook" not in path and "sign-ups" not in path:
            assert "application/problem+json" in operation["responses"]["401"]["content"], path
