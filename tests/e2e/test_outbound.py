"""One call that we place, with real audio: through the gate, opened with every disclosure, stopped by a word."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio

from app.compliance.calling_rules import CallPurpose, load_rules
from app.demo.calls import scripts_of
from app.demo.stack import DemoStack
from app.simulate.carrier import SimulatedCall

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

OPENING = ["entity", "ai", "recording", "purpose", "how_to_stop", "person_available"]


@pytest_asyncio.fixture(loop_scope="session")
async def http(stack: DemoStack) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {stack.tenant.api_key}"}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=30, trust_env=False) as client:
        yield client


async def ok(http: httpx.AsyncClient, method: str, path: str, **options: Any) -> Any:
    answer = await http.request(method, path, **options)
    assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json()


def somebody_awake() -> dict[str, str]:
    """Returns whom the rules let be called at this hour: somebody in India, else somewhere in America."""
    now, tail = datetime.now(UTC), f"{uuid.uuid4().int % 10**7:07d}"
    for prefix, country in (("+91981", "IN"), ("+1212", "US")):
        (rules,) = [entry for entry in load_rules().countries if entry.code == country]
        hours = rules.purposes[CallPurpose.SERVICE].hours
        for zone in rules.zones:
            here = now.astimezone(ZoneInfo(zone))
            if hours.opens <= here.time() < hours.closes and here.hour < hours.closes.hour - 1 + (here.minute < 50):
                return {"to_number": prefix + tail, "time_zone": zone}
    pytest.skip("at this minute nobody may be called")


def consent_of(phone: str) -> dict[str, str]:
    return {
        "phone": phone,
        "channel": "call",
        "purpose": "service",
        "decision": "granted",
        "source": "web",
        "artefact_sha256": "cd" * 32,
        "given_at": datetime.now(UTC).isoformat(),
    }


async def until(condition: Any, seconds: float = 90.0) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := await condition()):  # noqa: ASYNC110
            await asyncio.sleep(0.25)
    return found


async def test_a_call_out_opens_with_every_disclosure_and_stops_when_told(
    stack: DemoStack, http: httpx.AsyncClient
) -> None:
    who = somebody_awake()
    line = stack.tenant.numbers["en-IN"]
    numbers = (await ok(http, "GET", "/v1/phone-numbers"))["data"]
    (agent_id,) = [entry["agent_id"] for entry in numbers if entry["number"] == line]
    if who["to_number"].startswith("+1"):
        line = f"+1646{who['to_number'][-7:]}"
        await ok(http, "POST", "/v1/phone-numbers", json={"number": line, "agent_id": agent_id})
    body = {**who, "agent_id": agent_id, "purpose": "service", "about": {"en-IN": "your order"}, "from_number": line}
    refused = await http.post("/v1/calls", json=body, headers={"Idempotency-Key": str(uuid.uuid4())})
    assert refused.status_code == 403 and "no_consent" in refused.text
    await ok(http, "POST", "/v1/consents", json=consent_of(who["to_number"]))
    placed = await ok(http, "POST", "/v1/calls", json=body, headers={"Idempotency-Key": str(uuid.uuid4())})

    async def picked_up() -> SimulatedCall | None:
        return next(
            (c for c in stack.plivo.calls.values() if c.parties.to_number == who["to_number"][1:] and c.live), None
        )

    async def opened() -> bool:
        answer = await http.get(f"/v1/calls/{placed['id']}/transcript")
        turns = answer.json()["data"] if answer.is_success else []
        heard = [turn["disclosure"] for turn in turns if turn["disclosure"] and turn["full_text"] is None]
        return heard == OPENING

    call = await until(picked_up)
    await until(opened)
    (script,) = scripts_of(["stop-contact"])
    words = next(spoken for spoken in script.steps if spoken is not None)
    await asyncio.sleep(3)
    call.speak(words.mulaw)
    async with asyncio.timeout(60):
        await call.wait_ended()
    assert call.faults == [] and any(frame.loud for frame in call.heard)

    async def over() -> Any:
        shown = await ok(http, "GET", f"/v1/outbound-calls/{placed['id']}")
        return shown if shown["status"] == "completed" else None

    assert len((await until(over))["attempts_at"]) == 1
    record = await ok(http, "GET", f"/v1/calls/{placed['id']}")
    assert (record["direction"], record["to_number"], record["machine"]) == ("outbound", who["to_number"], "human")
    kept = await ok(http, "GET", "/v1/suppressions", params={"phone": who["to_number"]})
    assert {entry["channel"] for entry in kept["data"]} >= {"call"}
    again = await http.post("/v1/calls", json=body, headers={"Idempotency-Key": str(uuid.uuid4())})
    assert again.status_code == 403 and "suppressed" in again.text


@pytest.mark.slow
async def test_an_answering_machine_hears_the_approved_message(stack: DemoStack, http: httpx.AsyncClient) -> None:
    who, line = somebody_awake(), stack.tenant.numbers["en-IN"]
    numbers = (await ok(http, "GET", "/v1/phone-numbers"))["data"]
    (agent_id,) = [entry["agent_id"] for entry in numbers if entry["number"] == line]
    if who["to_number"].startswith("+1"):
        line = f"+1646{who['to_number'][-7:]}"
        await ok(http, "POST", "/v1/phone-numbers", json={"number": line, "agent_id": agent_id})
    await ok(http, "POST", "/v1/consents", json=consent_of(who["to_number"]))

    async def machine(call: SimulatedCall) -> str:
        return "machine"

    before, stack.plivo.pickup = stack.plivo.pickup, machine
    try:
        about = {"en-IN": "your order"}
        body = {**who, "agent_id": agent_id, "purpose": "service", "about": about, "from_number": line}
        body["voicemail_number"] = "+918047000001"
        placed = await ok(http, "POST", "/v1/calls", json=body, headers={"Idempotency-Key": str(uuid.uuid4())})

        async def over() -> Any:
            shown = await ok(http, "GET", f"/v1/outbound-calls/{placed['id']}")
            return shown if shown["status"] == "completed" else None

        await until(over)
    finally:
        stack.plivo.pickup = before
    record = await ok(http, "GET", f"/v1/calls/{placed['id']}")
    turns = (await ok(http, "GET", f"/v1/calls/{placed['id']}/transcript"))["data"]
    left = [turn["disclosure"] for turn in turns if turn["disclosure"] and turn["full_text"] is None]
    assert record["machine"] == "machine" and record["end_reason"] == "voicemail"
    assert left[-4:] == ["entity", "ai", "missed_you", "callback_number"]
    assert "your order" not in " ".join(turn["text"] for turn in turns[-4:])
