"""What a tenant says of a number: at whom it rings, in which languages, and which calls out may show it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app.agents.models import Agent, PhoneNumber
from app.calls.briefing import caller_of
from app.calls.models import Call, CallStatus
from app.compliance.calling_rules import CallPurpose
from app.conversations.standing import WhatsAppStandings
from app.dialogue.agents import Caller
from app.integrations.directory import ConfiguredAgents
from app.kit.clock import SystemClock
from tests.house import House, TenantDoor

pytestmark = pytest.mark.integration
SERVICE, PROMOTIONAL, MOBILE = "+911600123456", "+911401234567", "+919812300000"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


async def numbered(tenant: TenantDoor, number: str = SERVICE, **more: Any) -> dict[str, Any]:
    agent = await tenant.agent()
    body = {"number": number, "agent_id": agent["id"], **more}
    made: dict[str, Any] = await tenant.ok("POST", "/v1/phone-numbers", json=body)
    return made


async def test_a_number_shows_its_series_purposes_and_languages(house: House) -> None:
    tenant = await house.tenant()
    made = await numbered(tenant, purposes=["service", "service"], languages=["en-IN", "en-IN"])
    assert (made["series"], made["purposes"], made["languages"]) == ("1600", ["service"], ["en-IN"])
    plain = await numbered(tenant, "+918047000001")
    assert (plain["series"], plain["purposes"], plain["languages"]) == ("fixed", None, [])
    abroad = await numbered(tenant, "+442079460000")
    assert abroad["series"] is None
    shown = await tenant.ok("GET", f"/v1/phone-numbers/{made['id']}")
    assert shown == made == (await tenant.ok("GET", "/v1/phone-numbers"))["data"][-1]


@pytest.mark.parametrize(
    ("number", "more", "pointer", "said"),
    [
        (MOBILE, {"purposes": ["service"]}, "/body/purposes/0", "is of series mobile"),
        (SERVICE, {"purposes": ["service", "promotional"]}, "/body/purposes/1", "series 140"),
        (PROMOTIONAL, {"purposes": ["recovery"]}, "/body/purposes/0", "1600 or fixed"),
        ("+442079460000", {"purposes": ["service"]}, "/body/purposes/0", "have none"),
        ("+12025550123", {"purposes": ["government"]}, "/body/purposes/0", "have none"),
        (SERVICE, {"languages": ["hi-IN", "te-IN"]}, "/body/languages/1", "does not speak te-IN"),
        (SERVICE, {"purposes": ["gossip"]}, "/body/purposes/0", "Input should be"),
    ],
)
async def test_what_the_rules_or_the_agent_do_not_allow_is_refused_in_place(
    house: House, number: str, more: dict[str, Any], pointer: str, said: str
) -> None:
    tenant = await house.tenant()
    agent = await tenant.agent()
    body = {"number": number, "agent_id": agent["id"], **more}
    answer = await tenant.request("POST", "/v1/phone-numbers", json=body)
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    assert error["pointer"] == pointer and said in error["detail"]
    assert (await tenant.ok("GET", "/v1/phone-numbers"))["data"] == []


async def test_a_number_is_changed_by_who_saw_it_as_it_is(house: House) -> None:
    tenant = await house.tenant()
    made = await numbered(tenant)
    place = f"/v1/phone-numbers/{made['id']}"
    seen = (await tenant.request("GET", place)).headers["etag"]
    changes = [{"purposes": []}, {"purposes": ["service"]}, {"languages": ["en-IN"]}, {"languages": ["hi-IN"]}]
    answers = await asyncio.gather(
        *(tenant.request("PATCH", place, json=body, headers={"If-Match": seen}) for body in changes)
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
    won = next(answer for answer in answers if answer.status_code == 200)
    again = await tenant.request("GET", place)
    assert again.json() == won.json() and again.headers["etag"] == won.headers["etag"] != seen
    plain = await tenant.request("PATCH", place, json={"purposes": None, "languages": []})
    assert plain.status_code == 200 and plain.json()["purposes"] is None


async def test_a_number_that_moves_keeps_only_languages_of_its_agent(house: House) -> None:
    tenant = await house.tenant()
    made = await numbered(tenant, languages=["hi-IN"])
    english = await tenant.agent(languages=["en-IN"], default_language="en-IN")
    place = f"/v1/phone-numbers/{made['id']}"
    assert (await tenant.request("PATCH", place, json={"agent_id": english["id"]})).status_code == 422
    moved = await tenant.ok("PATCH", place, json={"agent_id": english["id"], "languages": ["en-IN"]})
    assert (moved["agent_id"], moved["languages"]) == (english["id"], ["en-IN"])
    told = [(entry["action"], entry["data"]) for entry in (await tenant.ok("GET", "/v1/audit-entries"))["data"]]
    assert ("phone_number.moved", {"fields": ["agent_id", "languages"], "agent_id": english["id"]}) in told


async def test_numbers_of_before_are_read_and_changed(house: House) -> None:
    tenant = await house.tenant()
    made = await numbered(tenant)
    rows = house.services.database.tenant(tenant.tenant_id).collection("phone_numbers")
    kept = {"_id": made["id"], "number": SERVICE, "agent_id": made["agent_id"]}
    await rows.replace_one({"_id": made["id"]}, {**kept, "created_at": NOW})
    place = f"/v1/phone-numbers/{made['id']}"
    assert (await tenant.ok("GET", place))["purposes"] is None
    assert (await tenant.ok("PATCH", place, json={"purposes": ["service"]}))["purposes"] == ["service"]


class NoOwnMind:
    """A tenant that taught its agent nothing of its own."""

    async def of(self, tenant_id: str, agent_id: str) -> tuple[None, None]:
        return None, None


async def test_who_rings_is_spoken_to_in_the_numbers_languages(house: House) -> None:
    tenant, services = await house.tenant(), house.services
    made = await numbered(tenant, languages=["en-IN"])
    minds: Any = NoOwnMind()
    directory = ConfiguredAgents(
        services.agents,
        services.tools,
        services.conversations,
        services.packs,
        services.flows,
        services.opinions,
        minds,
        services.phone_numbers,
        WhatsAppStandings(services.consents, services.suppressions, services.whatsapp_outbox, SystemClock()),
    )

    async def spoken(dialled: str) -> tuple[str, ...]:
        caller = Caller("+919812345678", "call_1", dialled=dialled)
        return (await directory.setup(tenant.tenant_id, made["agent_id"], caller)).profile.languages

    assert await spoken(SERVICE) == ("en-IN",)
    assert await spoken("") == await spoken("+918099999999") == ("hi-IN", "en-IN")
    call = Call("call_1", tenant.tenant_id, "a", "c", "inbound", "+919812345678", SERVICE, CallStatus.RINGING, NOW)
    assert caller_of(call).dialled == SERVICE and caller_of(replace(call, direction="outbound")).dialled == ""


def test_an_agent_speaks_a_numbers_languages_while_it_has_any_of_them() -> None:
    agent = Agent("agent_1", "tenant_1", "S", "S", ("hi-IN", "ta-IN", "en-IN"), "hi-IN", NOW, NOW)

    def on(*languages: str) -> tuple[tuple[str, ...], str]:
        rung = PhoneNumber("num_1", "tenant_1", SERVICE, "agent_1", NOW, NOW, (CallPurpose.SERVICE,), languages)
        profile = rung.spoken(agent.profile())
        return profile.languages, profile.default_language

    assert on("ta-IN", "en-IN") == (("ta-IN", "en-IN"), "ta-IN")
    assert on("te-IN", "en-IN") == (("en-IN",), "en-IN")
    assert on("te-IN") == on() == (("hi-IN", "ta-IN", "en-IN"), "hi-IN")
