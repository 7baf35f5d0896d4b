"""Fixtures of the rooms behind the API: services on the embedded store, served over HTTP, beside a Graph stand-in."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from pydantic import SecretStr

from app import api
from app.auth.roles import Role
from app.building import build
from app.config import Settings
from app.conversations.models import Conversation
from app.errors import AppError
from app.indexes import INDEXES
from app.kit import problem
from app.kit.body_limit import BodyLimitMiddleware
from app.kit.clock import SystemClock
from app.kit.jobs import RecordedJobs
from app.kit.mongo import Database
from app.kit.tls import trusted
from app.language.packs import Pack
from app.rooms import Services
from app.shipped import Shipped
from app.simulate.graph import ACCOUNT_ID, GraphConfig
from tests.packs import PACKS_DIR, shipped_packs
from tests.standins.graph import StrictGraph, served
from tests.standins.plivo import PlivoStandin
from whatsapp.ports import ChatReply
from whatsapp.sender import GraphSender

OPERATOR_KEY = "operator-key-of-the-tests"
APP_SECRET = "app-secret-of-the-tests"
ACCESS_TOKEN = "EAAG-access-token-of-the-tests"
VERIFY_TOKEN = "verify-token-of-the-tests"
PLIVO_AUTH_ID, PLIVO_AUTH_TOKEN = "MAXXXXXXXXXXXXXXXXXX", "plivo-token-of-the-tests"
PHONE_NUMBER_ID = "106540352242922"
CUSTOMER = "+919812345678"


@dataclass
class EchoBrain:
    """A mind that repeats what it hears, and remembers it."""

    heard: list[str] = field(default_factory=list)
    hand_over: str | None = None
    opted_out: bool = False
    failure: AppError | None = None

    async def reply(self, conversation: Conversation, text: str) -> ChatReply:
        self.heard.append(text)
        if self.failure is not None:
            raise self.failure
        return ChatReply((f"heard: {text}",), self.hand_over, self.opted_out)


class MovedClock(SystemClock):
    """The machine's clock, moved by as much as a test likes."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.ahead


@dataclass(repr=False)
class House:
    services: Services
    jobs: RecordedJobs
    graph: StrictGraph
    brain: EchoBrain
    url: str
    client: httpx.AsyncClient
    base: str
    clock: MovedClock

    async def tenant(self, name: str = "Sundar", languages: tuple[str, ...] = ("hi-IN", "en-IN")) -> "TenantDoor":
        """Creates a tenant through the API."""
        answer = await self.client.post(
            "/v1/tenants",
            json={"name": name, "legal_entity": f"{name} Stores", "languages": list(languages)},
            headers={"Authorization": f"Bearer {OPERATOR_KEY}"},
        )
        assert answer.status_code == 201, answer.text
        body = answer.json()
        return TenantDoor(self, body["id"], body["api_key"]["key"], body["api_key"]["id"])

    async def work(self) -> int:
        """Runs all jobs that wait, as the worker would."""
        return await self.jobs.drain(self.services.job_functions(self.brain))

    async def until(self, condition: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> None:
        """Works off jobs until a condition holds."""
        async with asyncio.timeout(seconds):
            while not await condition():
                await self.work()
                await asyncio.sleep(0.01)


@dataclass
class MemberDoor:
    """A member who signed in."""

    house: House
    member_id: str
    name: str
    cookie: str
    csrf: str

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Cookie": f"vs_session={self.cookie}", "X-CSRF-Token": self.csrf, **options.pop("headers", {})}
        return await self.house.client.request(method, path, headers=headers, **options)

    async def ok(self, method: str, path: str, **options: Any) -> Any:
        answer = await self.request(method, path, **options)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None


@dataclass
class TenantDoor:
    house: House
    tenant_id: str
    key: str
    key_id: str

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}", **options.pop("headers", {})}
        return await self.house.client.request(method, path, headers=headers, **options)

    async def ok(self, method: str, path: str, **options: Any) -> Any:
        answer = await self.request(method, path, **options)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def agent(self, **changes: Any) -> dict[str, Any]:
        body = {
            "name": "Support",
            "entity_name": "Sundar Stores",
            "languages": ["hi-IN", "en-IN"],
            "default_language": "hi-IN",
            **changes,
        }
        created: dict[str, Any] = await self.ok("POST", "/v1/agents", json=body)
        return created

    async def member(self, name: str, role: Role = Role.AGENT) -> MemberDoor:
        """Invites a member, who accepts and signs in."""
        services, password, email = self.house.services, "a sentence is a good one", f"{name.lower()}@example.com"
        member, token = await services.members.invite(self.tenant_id, "operator", email, name, role)
        await services.members.accept(token, password)
        begun = await services.sessions.sign_in(self.tenant_id, email, password, None)
        return MemberDoor(self.house, member.member_id, name, begun.token, begun.csrf_token)

    async def connect_plivo(self) -> None:
        body = {"auth_id": PLIVO_AUTH_ID, "auth_token": PLIVO_AUTH_TOKEN}
        await self.ok("PUT", "/v1/credentials/plivo", json=body)

    async def connect_whatsapp(
        self, phone_number_id: str = PHONE_NUMBER_ID, account_id: str | None = ACCOUNT_ID
    ) -> None:
        body = {
            "phone_number_id": phone_number_id,
            "access_token": ACCESS_TOKEN,
            "app_secret": APP_SECRET,
            "verify_token": VERIFY_TOKEN,
            "business_account_id": account_id,
        }
        await self.ok("PUT", "/v1/credentials/whatsapp", json=body)
        if account_id is not None:
            await self.ok("POST", "/v1/whatsapp/templates/sync")


@pytest.fixture(scope="session")
def packs() -> dict[str, Pack]:
    return {pack.tag: pack for pack in shipped_packs().packs}


@cache
def shipped() -> Shipped:
    """Returns what ships, read once for all tests."""
    return Shipped.load(PACKS_DIR)


@cache
def rest_face() -> FastAPI:
    """Returns the routes, put together once; each house puts its services behind them."""
    app = FastAPI()
    app.add_middleware(BodyLimitMiddleware, larger=api.BODY_BYTES)
    problem.install(app)
    api.mount(app)
    return app


@pytest_asyncio.fixture
async def house(database: Database, packs: dict[str, Pack], tmp_path: Path) -> AsyncIterator[House]:
    async with contextlib.AsyncExitStack() as stack:
        app = rest_face()
        base = await stack.enter_async_context(served(app))
        approved = {
            (name, pack.manifest.whatsapp_code): body
            for pack in packs.values()
            for name, body in pack.whatsapp_templates.items()
        }
        config = GraphConfig({PHONE_NUMBER_ID: ACCESS_TOKEN}, APP_SECRET, f"{base}/v1/whatsapp/webhook", approved)
        graph = StrictGraph(config)
        url = await stack.enter_async_context(served(graph.app))
        plivo = await stack.enter_async_context(PlivoStandin({PLIVO_AUTH_ID: PLIVO_AUTH_TOKEN}))
        settings = Settings(
            environment="test",
            data_dir=tmp_path / "data",
            operator_key=SecretStr(OPERATOR_KEY),
            master_key=SecretStr("master-key-of-the-tests"),
            graph_api_url=url,
            plivo_api_url=plivo.url,
        )
        clock = MovedClock()
        await database.ensure_indexes(INDEXES)
        jobs = RecordedJobs()
        services = build(settings, database, jobs, packs, shipped(), clock)
        stack.push_async_callback(services.aclose)
        app.state.services = services
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=base, timeout=60, verify=trusted()))
        yield House(services, jobs, graph, EchoBrain(), url, client, base, clock)
        assert graph.violations == [] and graph.state.dropped == []


def with_short_timeout(house: House) -> Services:
    """Returns services whose Graph client gives up after a fifth of a second."""
    services = house.services
    sender = GraphSender(house.url, timeout_seconds=0.2)
    services.whatsapp_dispatcher._sender = sender
    return replace(services, graph=sender)
