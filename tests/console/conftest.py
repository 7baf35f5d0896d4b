"""The console over the services of a house: pages by HTTP as a browser would, and ways to put things into the inbox."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
import pytest_asyncio
from argon2 import PasswordHasher
from fastapi import FastAPI
from redis.asyncio import Redis

from app import api, events
from app.auth import members
from app.auth.roles import Role
from app.calls.repository import CallRepository
from app.console import mounting
from app.conversations.models import Author, CallContext, Channel, Conversation, Direction, NewMessage, TranscriptLine
from app.kit import problem
from app.kit.sealed import SealedText
from app.kit.signals import Signals
from tests.house import CUSTOMER, House, TenantDoor, house, packs

__all__ = ["house", "packs"]


@dataclass
class Calls:
    """What the console asks of the service of live calls: the tenant's stored calls."""

    house: House

    def calls_of(self, tenant_id: str) -> CallRepository:
        services = self.house.services
        return CallRepository(services.database.tenant(tenant_id), SealedText(services.vault))


@dataclass
class Browser:
    """One person's browser: keeps cookies, repeats the session's token as the page's script does."""

    client: httpx.AsyncClient
    member_id: str = ""

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.client.get(path, **options)

    async def fragment(self, path: str, **options: Any) -> httpx.Response:
        return await self.client.get(path, headers={"HX-Request": "true"}, **options)

    async def upload(self, path: str, file: tuple[str, bytes, str], **data: str) -> httpx.Response:
        """Sends a form with a file: its name, content and type."""
        headers = {"HX-Request": "true", "X-CSRF-Token": self.client.cookies.get("vs_csrf", "")}
        return await self.client.post(path, data=data, files={"file": file}, headers=headers)

    async def post(self, path: str, **data: Any) -> httpx.Response:
        headers = {"HX-Request": "true", "X-CSRF-Token": self.client.cookies.get("vs_csrf", "")}
        return await self.client.post(path, data=data, headers=headers)


@dataclass
class Desk:
    """A console in front of a tenant."""

    house: House
    app: FastAPI
    tenant: TenantDoor
    browsers: list[httpx.AsyncClient] = field(default_factory=list)

    def stranger(self, **headers: str) -> Browser:
        """Returns a browser in which nobody is signed in."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://console.test", headers=headers)
        self.browsers.append(client)
        return Browser(client)

    async def person(self, name: str, role: Role = Role.AGENT, tenant: TenantDoor | None = None) -> Browser:
        """Returns the browser of a member who signed in by the form."""
        tenant = tenant or self.tenant
        member = await tenant.member(name, role)
        browser = self.stranger()
        form = {
            "tenant": tenant.tenant_id,
            "email": f"{name.lower()}@example.com",
            "password": "a sentence is a good one",
        }
        answer = await browser.client.post("/console/sign-in", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/inbox")
        browser.member_id = member.member_id
        return browser

    def form_of(self, name: str, tenant: TenantDoor | None = None) -> dict[str, str]:
        """Returns what a member types to sign in."""
        tenant_id = (tenant or self.tenant).tenant_id
        return {"tenant": tenant_id, "email": f"{name.lower()}@example.com", "password": "a sentence is a good one"}

    async def conversation(self, phone: str = CUSTOMER, language: str = "hi-IN", **more: Any) -> Conversation:
        """Opens a conversation that a call has left behind."""
        book = self.house.services.conversations
        contact = await book.contact_for(self.tenant.tenant_id, phone)
        conversation = await book.open_for(contact, language=language, **more)
        lines = (
            TranscriptLine(Author.CUSTOMER, "मेरा ऑर्डर कहाँ है?", language),
            TranscriptLine(Author.BOT, "आपका ऑर्डर 4512 रास्ते में है।", language),
        )
        context = CallContext(
            f"call_{phone[-10:]}",
            language,
            "human_agent",
            intent="order_status",
            slots={"order_id": "4512"},
            transcript=lines,
            request_text="किसी से बात कराइए",
            fetched=({"tool": "order_status", "ok": True, "found": True, "data": {"city": "Pune"}},),
            sentiment=0.4,
        )
        await book.attach_call(conversation, context)
        return conversation

    async def customer_writes(self, conversation: Conversation, text: str, phone: str = CUSTOMER) -> None:
        """Lets the customer write on their phone, and the worker work it off."""
        book, mine = self.house.services.conversations, (self.tenant.tenant_id, conversation.conversation_id)
        before = len((await book.messages(*mine, limit=100, starting_after=None))[0])
        self.house.graph.customer_writes(next(iter(self.house.graph.config.numbers)), phone.lstrip("+"), text)

        async def arrived() -> bool:
            return len((await book.messages(*mine, limit=100, starting_after=None))[0]) > before

        await self.house.until(arrived, seconds=30)

    async def stands(self, conversation: Conversation) -> Conversation:
        """Returns the conversation as it is stored by now."""
        return await self.house.services.conversations.get(conversation.tenant_id, conversation.conversation_id)

    async def audited(self, action: str) -> list[str]:
        """Returns who did something, by the audit log."""
        entries = await self.house.services.audit.entries(self.tenant.tenant_id, limit=500)
        return [entry.actor for entry in entries if entry.action == action]

    async def note_inbound(self, conversation: Conversation, text: str) -> None:
        """Puts a customer's message into the story, as ingestion does."""
        book = self.house.services.conversations
        fresh = await book.get(conversation.tenant_id, conversation.conversation_id)
        new = NewMessage(Channel.WHATSAPP, Direction.INBOUND, Author.CUSTOMER, text, self.house.clock.now())
        await book.append(fresh, new)


@pytest_asyncio.fixture
async def desk(house: House, redis_client: Redis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(members, "_hasher", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    app = FastAPI()
    problem.install(app)
    app.state.services, app.state.calls = house.services, Calls(house)
    app.state.signals, app.state.event_streams = Signals(redis_client), Counter()
    api.mount(app, events.router)
    mounting.mount(app)
    desk = Desk(house, app, await house.tenant())
    yield desk
    for client in desk.browsers:
        await client.aclose()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@dataclass
class Page:
    """A page as it is read: its elements with their attributes, and its words."""

    elements: list[tuple[str, dict[str, str]]]
    text: str

    def all(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        """Returns the attributes of every such element; `__` in a name stands for `-`."""
        wanted = {name.replace("__", "-"): value for name, value in attributes.items()}
        return [found for name, found in self.elements if name == tag and wanted.items() <= found.items()]

    def one(self, tag: str, **attributes: str) -> dict[str, str]:
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} of {tag} {attributes}"
        return found[0]


def read(answer: httpx.Response) -> Page:
    """Reads an answer as HTML."""
    assert answer.headers["content-type"].startswith("text/html"), answer.text
    reader = _Reader()
    reader.feed(answer.text)
    return Page(reader.elements, " ".join(" ".join(reader.words).split()))
