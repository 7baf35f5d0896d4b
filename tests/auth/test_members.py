"""Members, roles, sessions and second factors over HTTP: who may, who is locked out, what a cookie alone cannot do."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pyotp
import pytest
import pytest_asyncio

from app.auth.models import SCOPES
from app.auth.roles import ROLE_SCOPES, Role, may_grant
from app.kit.clock import SystemClock
from tests.house import House, TenantDoor

pytestmark = pytest.mark.integration
PASSWORD = "a long walk by the river"


class LaterClock(SystemClock):
    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


async def joined(tenant: TenantDoor, role: str, email: str = "meena@sundar.example") -> dict[str, Any]:
    invited = await tenant.ok("POST", "/v1/members", json={"email": email, "name": "Meena", "role": role})
    body = {"invitation": invited["invitation"], "password": PASSWORD}
    member: dict[str, Any] = (await tenant.house.client.post("/v1/invitations/accept", json=body)).json()
    return member


class Person:
    """A browser with its own cookies."""

    def __init__(self, client: httpx.AsyncClient, tenant: TenantDoor) -> None:
        self.client = client
        self.tenant = tenant
        self.csrf = ""

    async def sign_in(self, **changes: Any) -> httpx.Response:
        body = {"tenant_id": self.tenant.tenant_id, "email": "Meena@sundar.example", "password": PASSWORD, **changes}
        answer = await self.client.post("/v1/session", json=body)
        if answer.status_code == 201:
            self.csrf = answer.json()["csrf_token"]
        return answer

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        return await self.client.request(method, path, headers={"X-CSRF-Token": self.csrf}, **options)


@pytest_asyncio.fixture
async def tenant(house: House) -> TenantDoor:
    return await house.tenant()


@pytest_asyncio.fixture
async def person(house: House, tenant: TenantDoor) -> AsyncIterator[Person]:
    async with httpx.AsyncClient(base_url=house.base) as client:
        yield Person(client, tenant)


def test_roles_are_denied_by_default_and_give_no_more_than_they_have() -> None:
    assert set(ROLE_SCOPES) == set(Role)
    assert all(scopes <= SCOPES for scopes in ROLE_SCOPES.values())
    assert "members:write" not in ROLE_SCOPES[Role.DEVELOPER] | ROLE_SCOPES[Role.SUPERVISOR] | ROLE_SCOPES[Role.AGENT]
    assert not any(scope.endswith(":write") for scope in ROLE_SCOPES[Role.AUDITOR])
    assert may_grant(ROLE_SCOPES[Role.ADMIN], Role.SUPERVISOR)
    assert not may_grant(ROLE_SCOPES[Role.ADMIN], Role.OWNER)


async def test_a_member_joins_signs_in_and_may_do_what_the_role_says(tenant: TenantDoor, person: Person) -> None:
    member = await joined(tenant, "supervisor")
    answer = await person.sign_in()
    assert answer.status_code == 201
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and PASSWORD not in answer.text
    assert (await person.send("GET", "/v1/session")).json()["member"]["id"] == member["id"]
    stop = {"mode": "stop", "reason": "wrong prices"}
    assert (await person.send("PUT", "/v1/kill-switch", json=stop)).status_code == 200
    assert (await person.send("POST", "/v1/api-keys", json={"name": "x"})).status_code == 403
    entries = (await tenant.ok("GET", "/v1/audit-entries"))["data"]
    assert ("kill_switch.set", member["id"]) in [(entry["action"], entry["actor"]) for entry in entries]
    assert (await person.send("DELETE", "/v1/session")).status_code == 204
    assert (await person.send("GET", "/v1/session")).status_code == 401


async def test_a_cookie_alone_changes_nothing(tenant: TenantDoor, person: Person) -> None:
    await joined(tenant, "owner")
    await person.sign_in()
    stop = {"mode": "stop", "reason": "forged"}
    for headers in ({}, {"X-CSRF-Token": "guess"}):
        answer = await person.client.put("/v1/kill-switch", json=stop, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
    assert (await person.client.get("/v1/kill-switch")).json()["data"] == []


async def test_wrong_passwords_lock_out_for_a_while_and_tell_nothing(
    house: House, tenant: TenantDoor, person: Person
) -> None:
    await joined(tenant, "agent")
    clock = LaterClock()
    house.services.sessions._clock = clock
    unknown = await person.sign_in(email="nobody@sundar.example")
    wrong = [await person.sign_in(password="not this one at all") for _ in range(5)]
    locked = await person.sign_in()
    answers = [unknown, *wrong, locked]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.json()["detail"] for answer in answers}) == 1
    clock.ahead = timedelta(minutes=16)
    assert (await person.sign_in()).status_code == 201
    assert "member.locked" in [entry["action"] for entry in (await tenant.ok("GET", "/v1/audit-entries"))["data"]]


async def test_a_second_factor_is_asked_for_and_each_code_is_good_once(
    house: House, tenant: TenantDoor, person: Person
) -> None:
    member = await joined(tenant, "admin")
    await person.sign_in()
    made = (await person.send("POST", "/v1/session/second-factor")).json()
    assert made["uri"].startswith("otpauth://totp/VaaniSetu")
    clock = LaterClock()
    house.services.sessions._clock = clock

    def code() -> str:
        return pyotp.TOTP(made["secret"]).at(clock.now())

    confirm = "/v1/session/second-factor/confirm"
    assert (await person.send("POST", confirm, json={"code": "000000"})).status_code == 422
    used = code()
    assert (await person.send("POST", confirm, json={"code": used})).status_code == 204
    asked = await person.sign_in()
    assert (asked.status_code, asked.json()["code"]) == (401, "second_factor_needed")
    assert (await person.sign_in(code=used)).status_code == 401, "used up by the confirmation"
    clock.ahead += timedelta(seconds=90)
    used = code()
    assert (await person.sign_in(code=used)).status_code == 201
    assert (await person.sign_in(code=used)).status_code == 401, "a code is good once"
    stored = await house.services.members.document(tenant.tenant_id, member["id"])
    assert made["secret"] not in repr(stored) and PASSWORD not in repr(stored)
    assert (await tenant.request("DELETE", f"/v1/members/{member['id']}/second-factor")).status_code == 204
    assert (await person.sign_in()).status_code == 201


async def test_losing_access_ends_the_sessions(tenant: TenantDoor, person: Person) -> None:
    member = await joined(tenant, "developer")
    await person.sign_in()
    await tenant.ok("PATCH", f"/v1/members/{member['id']}", json={"disabled": True})
    assert (await person.send("GET", "/v1/session")).status_code == 401
    assert (await person.sign_in()).status_code == 401
    await tenant.ok("PATCH", f"/v1/members/{member['id']}", json={"disabled": False})
    assert (await person.sign_in()).status_code == 201


async def test_a_session_ends_by_idleness_and_by_age(house: House, tenant: TenantDoor, person: Person) -> None:
    await joined(tenant, "auditor")
    clock = LaterClock()
    house.services.sessions._clock = clock
    await person.sign_in()
    clock.ahead = timedelta(minutes=59)
    assert (await person.send("GET", "/v1/session")).status_code == 200
    clock.ahead = timedelta(minutes=120)
    assert (await person.send("GET", "/v1/session")).json()["code"] == "session_ended"
    await person.sign_in()
    for _ in range(14):
        clock.ahead += timedelta(minutes=55)
        last = await person.send("GET", "/v1/session")
    assert last.status_code == 401


async def test_the_last_owner_stays_and_an_admin_makes_no_owner(tenant: TenantDoor, person: Person) -> None:
    owner = await joined(tenant, "owner", "owner@sundar.example")
    await joined(tenant, "admin")
    for refused in (
        await tenant.request("DELETE", f"/v1/members/{owner['id']}"),
        await tenant.request("PATCH", f"/v1/members/{owner['id']}", json={"role": "agent"}),
        await tenant.request("PATCH", f"/v1/members/{owner['id']}", json={"disabled": True}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "last_owner")
    await person.sign_in()
    new = {"email": "x@sundar.example", "name": "X", "role": "owner"}
    assert (await person.send("POST", "/v1/members", json=new)).status_code == 403
    assert (await person.send("DELETE", f"/v1/members/{owner['id']}")).status_code == 403
    assert (await person.send("POST", "/v1/members", json={**new, "role": "agent"})).status_code == 201


async def test_an_invitation_is_good_once_and_for_a_week(house: House, tenant: TenantDoor) -> None:
    new = {"email": "x@sundar.example", "name": "X", "role": "agent"}
    invited = await tenant.ok("POST", "/v1/members", json=new)
    assert (await tenant.request("POST", "/v1/members", json={**new, "email": "X@Sundar.example"})).status_code == 409
    accept = {"invitation": invited["invitation"], "password": "short"}
    assert (await house.client.post("/v1/invitations/accept", json=accept)).status_code == 422
    accept["password"] = PASSWORD
    clock = LaterClock()
    clock.ahead = timedelta(days=8)
    house.services.members._clock = clock
    assert (await house.client.post("/v1/invitations/accept", json=accept)).status_code == 404
    clock.ahead = timedelta()
    assert (await house.client.post("/v1/invitations/accept", json=accept)).status_code == 200
    assert (await house.client.post("/v1/invitations/accept", json=accept)).status_code == 404


async def test_another_tenants_members_do_not_exist(house: House, tenant: TenantDoor, person: Person) -> None:
    member, other = await joined(tenant, "owner"), await house.tenant()
    for method, body in (("GET", None), ("PATCH", {"name": "Y"}), ("DELETE", None)):
        assert (await other.request(method, f"/v1/members/{member['id']}", json=body)).status_code == 404
    assert (await person.sign_in(tenant_id=other.tenant_id)).status_code == 401
    assert (await tenant.request("GET", "/v1/session")).status_code == 403, "an API key is nobody's session"
