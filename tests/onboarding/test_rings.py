"""A test call that the agent places: only to a phone that was proven, only through the gate, by drafts too."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.agents.lifecycle import PROVEN_FOR, AgentState
from app.calls.models import Call, CallStatus
from app.calls.repository import CallRepository
from app.kit.ids import new_id
from app.kit.sealed import SealedText
from tests.house import House
from tests.outbound.conftest import NUMBER, PERSON, Line, house, line, packs, watch
from tests.outbound.test_outbound import problem_codes

__all__ = ["house", "line", "packs", "watch"]

pytestmark = pytest.mark.integration
TESTER, STRANGER = "+919812345699", "+919812345655"


def at_noon(line: Line, *, days: int = 0, hour: int = 12) -> None:
    """Puts the clocks of the gate and of everything else to an hour in India, days after the first one."""
    clock = line.door.house.clock
    line.watch.at = (line.began + timedelta(days=days)).replace(hour=hour)
    clock.ahead = timedelta(0)
    clock.ahead = line.watch.at - clock.now()


@pytest.fixture(autouse=True)
def noon(line: Line) -> None:
    line.began = line.watch.at
    at_noon(line)


async def ask(line: Line, number: str = TESTER, **changes: Any) -> httpx.Response:
    headers = {"Idempotency-Key": new_id("key")}
    body = {"to_number": number, **changes}
    return await line.door.request("POST", f"/v1/agents/{line.agent_id}/test-rings", json=body, headers=headers)


async def expected(line: Line, number: str = TESTER) -> None:
    await line.door.ok("POST", f"/v1/agents/{line.agent_id}/test-calls", json={"from_number": number})


async def rang(line: Line, number: str = TESTER, *, answered: bool = True, ago: timedelta = timedelta(0)) -> None:
    """Stores a call that came in, as the carrier's webhooks leave it."""
    services = line.door.house.services
    at = services.clock.now() - ago
    calls = CallRepository(services.database.tenant(line.door.tenant_id), SealedText(services.vault), services.audit)
    await calls.add(
        Call(
            new_id("call"),
            line.door.tenant_id,
            line.agent_id,
            new_id("uuid"),
            "inbound",
            number,
            NUMBER,
            CallStatus.COMPLETED if answered else CallStatus.NO_ANSWER,
            at,
            answered_at=at if answered else None,
        )
    )


async def proven(line: Line) -> None:
    await expected(line)
    await rang(line)


async def test_a_proven_tester_is_rung_by_a_draft_through_the_gate_and_audited(line: Line, house: House) -> None:
    await house.services.lifecycle.put(line.door.tenant_id, "key_1", line.agent_id, AgentState.PAUSED)
    await proven(line)
    answer = await ask(line)
    assert answer.status_code == 201, answer.text
    call = answer.json()
    assert (call["to_number"], call["from_number"], call["purpose"]) == (TESTER, NUMBER, "service")
    assert (await line.dial(call["id"]))["status"] == "dialling"
    ((_, order),) = line.exchange.dialled
    assert (order.to_number, order.from_number) == (TESTER, NUMBER)
    consents = (await line.door.ok("GET", "/v1/consents", params={"phone": TESTER}))["data"]
    assert [row["evidence"]["source"] for row in consents] == ["test_call"] and consents[0]["expires_at"]
    audit = (await line.door.ok("GET", "/v1/audit-entries?limit=100"))["data"]
    acts = [entry["action"] for entry in audit]
    assert acts.count("outbound_call.allowed") == 2 and "outbound_call.dialled" in acts
    assert "consent.granted" in acts and acts.count("agent.test_call_expected") == 2
    rows = await house.services.database.system("a test").collection("agent_states").find({})
    assert TESTER not in str(rows)


async def test_it_is_placed_at_the_carrier_as_the_carrier_wants_it(line: Line) -> None:
    await line.door.connect_plivo()
    line.rooms.dialling._dialler = line.rooms.dialler
    await proven(line)
    call_id = (await ask(line)).json()["id"]
    placed = await line.dial(call_id)
    assert placed["status"] == "dialling" and len(placed["attempts_at"]) == 1


async def test_nobody_is_rung_who_did_not_ring_a_test_call(line: Line) -> None:
    for make in (
        lambda: rang(line, ago=timedelta(minutes=1)),
        lambda: expected(line),
        lambda: rang(line, answered=False),
        lambda: rang(line, STRANGER),
    ):
        await make()
        refused = await ask(line)
        assert (refused.status_code, refused.json()["code"]) == (409, "phone_not_proven")
        assert "test-calls" in refused.json()["errors"][0]["detail"]
    assert line.exchange.dialled == [] and (await line.door.ok("GET", "/v1/outbound-calls"))["data"] == []
    await rang(line)
    assert (await ask(line)).status_code == 201
    assert (await ask(line, STRANGER)).status_code == 409, "a customer who rang in between is no tester"


async def test_a_proof_that_was_used_lasts_thirty_days(line: Line) -> None:
    await proven(line)
    at_noon(line, days=1)
    await expected(line)
    assert (await ask(line)).status_code == 409, "a new test call is expected, and none came yet"
    await rang(line)
    assert (await ask(line)).status_code == 201
    at_noon(line, days=29)
    assert (await ask(line)).status_code == 201
    at_noon(line, days=1 + PROVEN_FOR.days, hour=13)
    assert (await ask(line)).status_code == 409


async def test_hours_opt_outs_and_the_kill_switch_hold_for_test_calls_too(line: Line) -> None:
    await proven(line)
    at_noon(line, hour=22)
    night = await ask(line)
    assert (night.status_code, problem_codes(night.json())) == (409, ["outside_hours"])
    at_noon(line, days=1)
    await line.door.ok("PUT", "/v1/kill-switch", json={"mode": "stop", "reason": "wrong prices"})
    assert "kill_switch" in problem_codes((await ask(line)).json())
    await line.door.ok("PUT", "/v1/kill-switch", json={"mode": "off", "reason": "right prices"})
    await line.consent(phone=TESTER, decision="withdrawn")
    withdrawn = await ask(line)
    assert (withdrawn.status_code, problem_codes(withdrawn.json())) == (403, ["consent_withdrawn"])
    await line.door.ok("POST", "/v1/suppressions", json={"phone": TESTER, "reason": "asked by letter"})
    assert "suppressed" in problem_codes((await ask(line)).json())
    assert line.exchange.dialled == []


async def test_what_is_wrong_is_named_and_another_tenants_agent_is_not_there(line: Line, house: House) -> None:
    await proven(line)
    for wrong in ({"language": "ta-IN"}, {"to_number": "98123"}, {"surprise": 1}):
        assert (await ask(line, **wrong)).status_code == 422
    without = await line.door.request("POST", f"/v1/agents/{line.agent_id}/test-rings", json={"to_number": TESTER})
    assert without.status_code == 422
    other = await house.tenant("Meera")
    headers = {"Idempotency-Key": "a-strangers-key"}
    foreign = await other.request(
        "POST", f"/v1/agents/{line.agent_id}/test-rings", json={"to_number": PERSON}, headers=headers
    )
    assert foreign.status_code == 404
