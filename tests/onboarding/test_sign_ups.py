"""Self-service sign-up: a stranger, a mail, a token that opens one tenant once; nobody learns who is here."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from pydantic import SecretStr
from redis.asyncio import Redis

from app import api
from app.auth.limits import ApiLimits
from app.building import build
from app.cli_settings import settings_with
from app.config import Settings
from app.errors import ConfigError, Unavailable
from app.indexes import INDEXES
from app.kit import problem
from app.kit.jobs import RecordedJobs
from app.kit.mail import SmtpMail, SmtpServer
from app.kit.mongo import Database
from app.kit.ratelimit import RateLimiter
from app.language.packs import Pack
from app.rooms import Services
from tests.house import OPERATOR_KEY, House, MovedClock, shipped
from tests.standins.smtp import PASSWORD, USER, MailStandin

pytestmark = pytest.mark.integration
OWNER = "meena@sundar.example"
ASKED: dict[str, Any] = {
    "name": "Sundar",
    "legal_entity": "Sundar Stores",
    "languages": ["ta-IN", "en-IN"],
    "owner_email": OWNER,
    "owner_name": "Meena",
}
SENTENCE = "the monsoon came early"


@dataclass
class Office:
    services: Services
    client: httpx.AsyncClient
    mail: MailStandin
    clock: MovedClock
    database: Database

    async def ask(self, headers: dict[str, str] | None = None, **changes: Any) -> httpx.Response:
        return await self.client.post("/v1/sign-ups", json={**ASKED, **changes}, headers=headers)

    async def confirm(self, token: str, password: str = SENTENCE, **options: Any) -> httpx.Response:
        return await self.client.post("/v1/sign-ups/confirm", json={"token": token, "password": password}, **options)

    async def token(self, **changes: Any) -> str:
        assert (await self.ask(**changes)).status_code == 202
        found = re.search(r"^[A-Za-z0-9_=-]{80,}(?=\r?$)", self.mail.received[-1].message.get_content(), re.MULTILINE)
        assert found is not None
        return found[0]

    async def tenants(self) -> list[dict[str, Any]]:
        answer = await self.client.get("/v1/tenants", headers={"Authorization": f"Bearer {OPERATOR_KEY}"})
        tenants: list[dict[str, Any]] = answer.json()["data"]
        return tenants

    async def everything(self) -> str:
        """Returns all that is stored, as one text."""
        names = await self.database.collections()
        rows = [await self.database.system("a test").collection(name).find({}) for name in names]
        return str(rows)


@pytest_asyncio.fixture
async def office(
    database: Database, redis_client: Redis, packs: dict[str, Pack], tmp_path: Path
) -> AsyncIterator[Office]:
    async with AsyncExitStack() as stack:
        mail = await stack.enter_async_context(MailStandin(tmp_path, refuse=frozenset({"gone@sundar.example"})))
        settings = Settings(
            environment="test",
            data_dir=tmp_path / "data",
            operator_key=SecretStr(OPERATOR_KEY),
            master_key=SecretStr("master-key-of-the-tests"),
            self_sign_up=True,
            smtp_host="127.0.0.1",
            smtp_port=mail.port,
            smtp_user=USER,
            smtp_password=SecretStr(PASSWORD),
            mail_from="VaaniSetu@voice.example",
            public_url="https://voice.example",
        )
        await database.ensure_indexes(INDEXES)
        clock = MovedClock()
        limits = ApiLimits(RateLimiter(redis_client), 1000, 1000)
        services = build(settings, database, RecordedJobs(), packs, shipped(), clock, limits)
        stack.push_async_callback(services.aclose)
        server = SmtpServer("127.0.0.1", mail.port, "starttls", "VaaniSetu@voice.example", USER, PASSWORD)
        services.sign_ups._mail = SmtpMail(server, mail.trust)
        app = FastAPI()
        problem.install(app)
        app.state.services = services
        api.mount(app)
        transport = httpx.ASGITransport(app)
        client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://test"))
        yield Office(services, client, mail, clock, database)
        assert mail.faults == []


async def test_from_a_mail_to_a_tenant_whose_key_and_owner_work(office: Office) -> None:
    answer = await office.ask()
    assert answer.status_code == 202 and set(answer.json()) == {"expires_at"}
    assert OWNER not in await office.everything(), "nothing is kept before the address is proven"
    [delivered] = office.mail.received
    assert delivered.encrypted and delivered.signed_in and delivered.recipients == [OWNER]
    text = delivered.message.get_content()
    assert "https://voice.example/v1/sign-ups/confirm" in text and "Sundar" not in text, "no word of a stranger"
    assert delivered.message["Auto-Submitted"] == "auto-generated"
    token = re.search(r"^[A-Za-z0-9_=-]{80,}(?=\r?$)", text, re.MULTILINE)
    assert token is not None

    opened = await office.confirm(token[0])
    assert opened.status_code == 201, opened.text
    body = opened.json()
    assert (body["name"], body["languages"]) == ("Sundar", ["ta-IN", "en-IN"])
    assert (body["owner"]["email"], body["owner"]["role"], body["owner"]["status"]) == (OWNER, "owner", "active")
    bearer = {"Authorization": f"Bearer {body['api_key']['key']}"}
    assert (await office.client.get("/v1/tenant", headers=bearer)).json()["id"] == body["id"]
    signed_in = {"tenant_id": body["id"], "email": OWNER, "password": SENTENCE}
    assert (await office.client.post("/v1/session", json=signed_in)).status_code == 201
    audit = (await office.client.get("/v1/audit-entries", headers=bearer)).json()["data"]
    acts = {(entry["action"], entry["actor"]) for entry in audit}
    assert ("tenant.created", "sign-up") in acts and ("api_key.created", body["owner"]["id"]) in acts
    assert ("member.joined", body["owner"]["id"]) in acts
    assert (await office.services.audit.verify(body["id"])).intact


async def test_a_token_opens_one_tenant_however_often_it_is_sent(office: Office) -> None:
    token = await office.token()
    answers = await asyncio.gather(*(office.confirm(token) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 404, 404, 404, 404]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 404} == {"no_sign_up"}
    assert len(await office.tenants()) == 1
    used = await office.confirm(token)
    made_up = await office.confirm(token[:-8] + "AAAAAAA=")
    assert (used.status_code, used.json()["detail"]) == (made_up.status_code, made_up.json()["detail"])


async def test_a_token_expires_and_outlives_no_forgotten_tenant(office: Office) -> None:
    late, forgotten = await office.token(), await office.token()
    tenant = (await office.confirm(forgotten)).json()
    operator = {"Authorization": f"Bearer {OPERATOR_KEY}"}
    gone = await office.client.delete(f"/v1/tenants/{tenant['id']}?name=Sundar", headers=operator)
    assert gone.is_success, gone.text
    await office.database.tenant(tenant["id"]).collection("tenants").delete_many({})
    assert (await office.confirm(forgotten)).status_code == 404
    office.clock.ahead = timedelta(hours=24, seconds=1)
    assert (await office.confirm(late)).json()["code"] == "no_sign_up"
    assert await office.tenants() == []


async def test_a_repetition_with_a_key_gets_the_first_answer_and_sends_one_mail(office: Office) -> None:
    key = {"Idempotency-Key": "sign-up-once"}
    answers = await asyncio.gather(*(office.ask(headers=key) for _ in range(2)))
    assert [answer.status_code for answer in answers] == [202] * 2 and len(office.mail.received) == 1
    other = await office.ask(headers=key, name="Other")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    elsewhere = await office.ask(headers=key, owner_email="arul@sundar.example")
    assert elsewhere.status_code == 202, "a key of one stranger is nobody else's"
    token = await office.token(owner_email="kavi@sundar.example")
    first, again = await office.confirm(token, headers=key), await office.confirm(token, headers=key)
    assert first.status_code == again.status_code == 201 and first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert first.json()["api_key"]["key"] not in await office.everything()


async def test_the_answer_is_the_same_whoever_is_asked_for(office: Office) -> None:
    await office.confirm(await office.token())
    known, stranger, gone = (
        await office.ask(),
        await office.ask(owner_email="new@sundar.example"),
        await office.ask(owner_email="gone@sundar.example"),
    )
    assert known.status_code == stranger.status_code == gone.status_code == 202
    assert known.json().keys() == stranger.json().keys() == gone.json().keys()
    assert [mail.recipients for mail in office.mail.received] == [[OWNER], [OWNER], ["new@sundar.example"]]
    again = await office.confirm(await office.token())
    assert again.status_code == 201 and len(await office.tenants()) == 2, "one person may own two tenants"


async def test_an_address_may_ask_so_often_and_a_person_is_written_to_so_often(office: Office) -> None:
    answers = [await office.ask() for _ in range(6)]
    assert [answer.status_code for answer in answers] == [202] * 5 + [429]
    assert len(office.mail.received) == 3, "nobody is flooded, and nobody learns of it"
    assert int(answers[-1].headers["retry-after"]) > 60 and "sign-up" in answers[-1].headers["ratelimit"]
    guesses = [await office.confirm("A" * 100) for _ in range(21)]
    assert [answer.status_code for answer in guesses] == [404] * 20 + [429]


async def test_what_is_wrong_is_told_and_a_token_survives_it(office: Office) -> None:
    for wrong in (
        {"owner_email": "meena"},
        {"owner_email": "meena@sundar.example\r\nBcc: all@example.in"},
        {"owner_email": "a,b@example.in"},
        {"languages": ["xx-XX"]},
        {"plan": "gold"},
    ):
        assert (await office.ask(**wrong)).status_code == 422, wrong
    assert office.mail.received == []
    token = await office.token()
    short = await office.confirm(token, "short")
    assert short.status_code == 422 and short.json()["errors"][0]["pointer"] == "/body/password"
    assert (await office.confirm(token)).status_code == 201


async def test_a_tenant_that_cannot_be_furnished_is_taken_back(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async def down(*_: object, **__: object) -> None:
        raise Unavailable("the store does not answer")

    token = await office.token()
    with monkeypatch.context() as broken:
        broken.setattr(office.services.keys, "create", down)
        assert (await office.confirm(token)).status_code == 503
    assert await office.tenants() == []
    assert (await office.confirm(token)).status_code == 201


async def test_a_mail_server_that_takes_nothing_is_a_503_that_may_be_repeated(office: Office) -> None:
    office.mail.busy = True
    refused = await office.ask()
    assert (refused.status_code, refused.json()["code"]) == (503, "mail_unavailable")
    assert int(refused.headers["retry-after"]) > 0
    office.mail.busy = False
    assert (await office.ask()).status_code == 202 and len(office.mail.received) == 1


async def test_no_mail_goes_to_a_server_that_nobody_vouches_for(office: Office) -> None:
    server = SmtpServer("127.0.0.1", office.mail.port, "starttls", "v@voice.example", USER, PASSWORD)
    office.services.sign_ups._mail = SmtpMail(server)
    assert (await office.ask()).status_code == 503
    assert office.mail.received == []


async def test_it_is_closed_unless_it_is_opened(house: House) -> None:
    for path, body in (("/v1/sign-ups", ASKED), ("/v1/sign-ups/confirm", {"token": "A" * 40, "password": SENTENCE})):
        answer = await house.client.post(path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "sign_up_closed")


@pytest.mark.parametrize("given", [{}, {"smtp_host": "mail.example"}, {"mail_from": "v@voice.example"}])
def test_it_cannot_be_opened_without_mail(given: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="VAANISETU_SELF_SIGN_UP needs VAANISETU_SMTP_HOST and VAANISETU_MAIL_FROM"):
        settings_with(self_sign_up=True, **given)
    with pytest.raises(ConfigError, match="no password in the clear"):
        settings_with(smtp_user="u", smtp_security="none")
