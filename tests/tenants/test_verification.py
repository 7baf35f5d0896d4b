"""Credentials are shown to their provider when they are saved, and again on demand; what it said stands beside them."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from app.tenants.models import Credentials, LlmCredentials, PlivoCredentials, ToolCredentials, WhatsAppCredentials
from app.tenants.verification import CheckState, ProviderChecks
from tests.house import PLIVO_AUTH_ID, PLIVO_AUTH_TOKEN, House

pytestmark = pytest.mark.integration


async def test_an_account_that_opens_plivo_is_verified_and_one_that_does_not_is_failed(house: House) -> None:
    tenant = await house.tenant()
    right = {"auth_id": PLIVO_AUTH_ID, "auth_token": PLIVO_AUTH_TOKEN}
    saved = await tenant.ok("PUT", "/v1/credentials/plivo", json=right)
    assert saved["check"]["state"] == "verified" and saved["check"]["checked_at"]
    wrong = await tenant.ok("PUT", "/v1/credentials/plivo", json={**right, "auth_token": "x" * 20})
    assert wrong["check"]["state"] == "failed" and "auth_token" in wrong["check"]["reason"]
    assert (await tenant.ok("GET", "/v1/credentials/plivo"))["check"] == wrong["check"], "the answer is kept"
    again = await tenant.ok("POST", "/v1/credentials/plivo/verify")
    assert again["check"]["state"] == "failed" and again["check"]["checked_at"] >= wrong["check"]["checked_at"]
    trail = await tenant.ok("GET", "/v1/audit-entries?limit=100")
    assert [entry["action"] for entry in trail["data"]].count("credentials.checked") == 3


async def test_a_whatsapp_number_is_asked_about_at_meta(house: House) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    assert (await tenant.ok("GET", "/v1/credentials/whatsapp"))["check"]["state"] == "verified"
    await tenant.connect_whatsapp("999999999999")
    assert (await tenant.ok("GET", "/v1/credentials/whatsapp"))["check"]["state"] == "failed"


async def test_nothing_is_verified_that_is_not_there(house: House) -> None:
    tenant = await house.tenant()
    assert (await tenant.request("POST", "/v1/credentials/plivo/verify")).status_code == 404
    other = await house.tenant("Other")
    await other.connect_plivo()
    assert (await tenant.request("POST", "/v1/credentials/plivo/verify")).status_code == 404


PLIVO = PlivoCredentials("MA/../x", "a-token")
WHATSAPP = WhatsAppCredentials("12345", "a-token", "secret", "verify")
TOOLS, LLM = ToolCredentials("http://shop.test", "a-token"), LlmCredentials("http://llm.test/v1", "m", "a-key")


class Answers:
    """A provider that answers with one status, or not at all, and notes what was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.error: httpx.HTTPError | None = None
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if self.error is not None:
            raise self.error
        return httpx.Response(self.status)


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest_asyncio.fixture
async def checks(answers: Answers) -> AsyncIterator[ProviderChecks]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(answers)) as client:
        yield ProviderChecks("http://plivo.test/", "http://graph.test", client, client)


@pytest.mark.parametrize(
    ("credentials", "status", "state"),
    [
        (PLIVO, 200, "verified"),
        (PLIVO, 401, "failed"),
        (PLIVO, 404, "failed"),
        (PLIVO, 500, "unverified"),
        (PLIVO, 429, "unverified"),
        (WHATSAPP, 200, "verified"),
        (WHATSAPP, 400, "failed"),
        (WHATSAPP, 503, "unverified"),
        (TOOLS, 404, "verified"),
        (TOOLS, 401, "failed"),
        (TOOLS, 502, "unverified"),
        (LLM, 200, "verified"),
        (LLM, 403, "failed"),
        (LLM, 404, "unverified"),
    ],
)
async def test_what_each_answer_means(
    checks: ProviderChecks, answers: Answers, credentials: Credentials, status: int, state: str
) -> None:
    answers.status = status
    check = await checks.ask(credentials)
    assert check.state is CheckState(state) and check.reason
    (asked,) = answers.asked
    assert asked.method == "GET" and asked.headers["authorization"]
    assert "/../" not in asked.url.raw_path.decode(), "an id stays one part of the path"


@pytest.mark.parametrize("error", [httpx.ReadTimeout("late"), httpx.ConnectError("away")])
@pytest.mark.parametrize("credentials", [PLIVO, WHATSAPP, TOOLS, LLM])
async def test_a_provider_that_is_away_leaves_the_matter_open(
    checks: ProviderChecks, answers: Answers, credentials: Credentials, error: httpx.HTTPError
) -> None:
    answers.error = error
    assert (await checks.ask(credentials)).state is CheckState.UNVERIFIED


async def test_a_secret_that_no_header_can_carry_is_refused_and_never_an_error(house: House) -> None:
    tenant = await house.tenant()
    for secret in ("schlüssel-von-uns", "two\r\nlines-of-it", "a secret with gaps"):
        answer = await tenant.request("PUT", "/v1/credentials/plivo", json={"auth_id": "MAXX", "auth_token": secret})
        assert answer.status_code == 422 and answer.json()["errors"][0]["pointer"] == "/body/auth_token"
    stored = WhatsAppCredentials("106540352242922", "schlüssel-von-uns", "s" * 20, "v" * 20)
    check = await house.services.provider_checks.ask(stored)
    assert check.state is CheckState.FAILED and "put the right one" in check.reason
