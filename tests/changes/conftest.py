"""A tenant with people who sign in, each with their own cookies."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.house import House, TenantDoor, house, packs

__all__ = ["Member", "house", "meena", "packs", "ravi", "tenant"]

PASSWORD = "a long walk by the river"


@dataclass
class Member:
    """A person of the tenant at the doors."""

    client: httpx.AsyncClient
    member_id: str
    csrf: str

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        return await self.client.request(method, path, headers={"X-CSRF-Token": self.csrf}, **options)

    async def ok(self, method: str, path: str, **options: Any) -> Any:
        answer = await self.send(method, path, **options)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None


@contextlib.asynccontextmanager
async def signed_in(tenant: TenantDoor, name: str, role: str) -> AsyncIterator[Member]:
    email = f"{name}@sundar.example"
    invited = await tenant.ok("POST", "/v1/members", json={"email": email, "name": name, "role": role})
    async with httpx.AsyncClient(base_url=tenant.house.base) as client:
        body = {"invitation": invited["invitation"], "password": PASSWORD}
        joined = (await client.post("/v1/invitations/accept", json=body)).json()
        session = {"tenant_id": tenant.tenant_id, "email": email, "password": PASSWORD}
        answer = await client.post("/v1/session", json=session)
        assert answer.status_code == 201, answer.text
        client.cookies = {cookie.name: cookie.value or "" for cookie in answer.cookies.jar}  # type: ignore[assignment]
        yield Member(client, joined["id"], answer.json()["csrf_token"])


@pytest.fixture
async def tenant(house: House) -> TenantDoor:
    return await house.tenant()


@pytest.fixture
async def meena(tenant: TenantDoor) -> AsyncIterator[Member]:
    async with signed_in(tenant, "meena", "admin") as member:
        yield member


@pytest.fixture
async def ravi(tenant: TenantDoor) -> AsyncIterator[Member]:
    async with signed_in(tenant, "ravi", "owner") as member:
        yield member
