"""The API's limits, in a real Redis: a tenant's bucket, told in headers, and the patience with guessed keys."""

from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from redis.asyncio import Redis

from app.auth.guard import Subject
from app.auth.limits import ApiLimits
from app.auth.models import SCOPES, AuthSubject
from app.errors import Unauthorized
from app.kit import problem
from app.kit.ratelimit import RateLimiter

pytestmark = pytest.mark.integration


class Keys:
    async def authenticate(self, secret: str) -> AuthSubject:
        if not secret.startswith("tenant_"):
            raise Unauthorized("there is no such API key")
        return AuthSubject(secret, "key_1", SCOPES)


@pytest_asyncio.fixture
async def client(redis_client: Redis) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    problem.install(app)
    app.state.services = SimpleNamespace(keys=Keys(), limits=ApiLimits(RateLimiter(redis_client), 0.5, 3))

    @app.get("/thing")
    async def thing(subject: Subject) -> str:
        return subject.tenant_id

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


def as_tenant(tenant_id: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {tenant_id}"}


async def test_a_tenant_is_told_what_is_left_and_refused_when_nothing_is(client: httpx.AsyncClient) -> None:
    answers = [await client.get("/thing", headers=as_tenant("tenant_a")) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["ratelimit-policy"] == '"default";q=3;w=6'
    assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == ["r=2", "r=1", "r=0", "r=0"]
    assert int(answers[3].headers["retry-after"]) >= 1
    assert answers[3].json()["code"] == "rate_limited"
    assert (await client.get("/thing", headers=as_tenant("tenant_b"))).status_code == 200, "another tenant's bucket"


async def test_guessing_keys_is_slowed_down(client: httpx.AsyncClient) -> None:
    answers = [await client.get("/thing", headers={"Authorization": f"Bearer guess-{n}"}) for n in range(22)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:20] == [401] * 20 and statuses[-1] == 429
    assert (await client.get("/thing", headers=as_tenant("tenant_c"))).status_code == 200, "a valid key still opens"
