"""Calls out over REST and at the moment of dialling: the gate twice, one line a person, every end, every refusal."""

import asyncio
from datetime import timedelta

import pytest

from app.agents.lifecycle import AgentState
from app.audit.log import AuditLog
from app.errors import CarrierError
from tests.house import OPERATOR_KEY, House
from tests.outbound.conftest import NUMBER, PERSON, Line

pytestmark = pytest.mark.integration


def problem_codes(body: dict[str, list[dict[str, str]]]) -> list[str]:
    return [error["detail"].split(" ")[1].rstrip(":") for error in body["errors"]]


async def test_an_allowed_call_is_queued_once_dialled_once_and_audited(line: Line, house: House) -> None:
    answers = await asyncio.gather(
        *(
            line.door.request("POST", "/v1/calls", json=line.body(), headers={"Idempotency-Key": "the-same-key"})
            for _ in range(3)
        )
    )
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1 and {answer.status_code for answer in answers} <= {201, 409}
    (call_id,) = made
    assert [job.name for job in house.jobs.jobs] == ["outbound.dial"]
    await asyncio.gather(*(line.dial(call_id) for _ in range(3)))
    ((account, order),) = line.exchange.dialled
    assert (order.call_id, order.from_number, order.to_number) == (call_id, NUMBER, PERSON)
    assert account.auth_token == "the-callers-own-token"
    assert (await line.show(call_id))["status"] == "dialling"
    entries = await AuditLog(house.services.database, line.watch).entries(line.door.tenant_id, limit=500)
    about = [entry for entry in entries if entry.target == call_id]
    assert [entry.action for entry in about] == [
        "outbound_call.allowed",
        "outbound_call.allowed",
        "outbound_call.dialled",
    ]
    assert [entry.data["stage"] for entry in about[:2]] == ["asked", "dialling"]
    assert about[0].data["rules_version"] and about[0].data["evidence"]["consents"]


async def test_a_call_needs_an_idempotency_key_and_values_that_fit(line: Line) -> None:
    assert (await line.door.request("POST", "/v1/calls", json=line.body())).status_code == 422
    for changes, place in (
        ({"language": "ta-IN"}, "/body/language"),
        ({"about": {"ta-IN": "உங்க ஆர்டர்"}}, "/body/language"),
        ({"language": "en-IN", "about": {"hi-IN": "आपके ऑर्डर"}}, "/body/about"),
        ({"scheduled_at": (line.watch.now() + timedelta(days=31)).isoformat()}, "/body/scheduled_at"),
        ({"to_number": "98123"}, "/body/to_number"),
        ({"scheduled_at": "0001-01-01T00:00:00+05:30"}, "/body/scheduled_at"),
        ({"scheduled_at": "9999-12-31T23:59:59-05:30"}, "/body/scheduled_at"),
        ({"about": {}}, "/body/about"),
        ({"about": {"hi-IN": "{entity}"}}, "/body/about/hi-IN"),
        ({"purpose": "fun"}, "/body/purpose"),
        ({"retries": 9}, "/body/retries"),
        ({"surprise": 1}, "/body/surprise"),
    ):
        answer = await line.post(**changes)
        assert answer.status_code == 422, (changes, answer.text)
        assert place in [error["pointer"] for error in answer.json()["errors"]], answer.text
    assert (await line.post(agent_id="agent_nobodys")).status_code == 404
    assert line.exchange.dialled == []


async def test_every_reason_comes_back_at_once_and_nothing_is_queued(line: Line, house: House) -> None:
    line.watch.at = line.watch.at.replace(hour=22)
    await line.door.ok("POST", "/v1/suppressions", json={"phone": PERSON, "reason": "asked by letter"})
    await line.door.ok("PUT", "/v1/kill-switch", json={"mode": "stop", "reason": "wrong prices"})
    answer = await line.post(purpose="promotional", wait_for_window=True)
    assert answer.status_code == 403 and answer.json()["code"] == "call_refused"
    found = set(problem_codes(answer.json()))
    assert found >= {"kill_switch", "suppressed", "consent_withdrawn", "scrub_missing", "wrong_number_series"}
    assert found >= {"registration_missing", "outside_hours"}
    assert (await line.door.ok("GET", "/v1/outbound-calls"))["data"] == []
    assert not house.jobs.jobs
    metrics = line.rooms.service.metrics.refusals
    assert metrics.labels("outside_hours", "asked")._value.get() == 1
    check = await line.door.ok("POST", "/v1/call-checks", json=line.body(purpose="promotional"))
    assert not check["allowed"] and {reason["code"] for reason in check["reasons"]} == found


async def test_the_operators_list_holds_for_every_tenant(line: Line, house: House) -> None:
    body = {"phone": PERSON, "reason": "a regulator's letter"}
    assert (await line.door.request("POST", "/v1/platform-suppressions", json=body)).status_code == 401
    headers = {"Authorization": f"Bearer {OPERATOR_KEY}"}
    answer = await house.client.post("/v1/platform-suppressions", json=body, headers=headers)
    assert answer.status_code == 201
    refused = await line.post()
    assert refused.status_code == 403 and "VS-06 suppressed" in refused.text


async def test_a_scrub_lets_a_promotion_through_until_it_is_stale(line: Line) -> None:
    number = "+911401234567"
    await line.door.ok("POST", "/v1/phone-numbers", json={"number": number, "agent_id": line.agent_id})
    await line.consent("marketing")
    scrub = {
        "source": "Airtel DLT",
        "reference": "scrub-1",
        "scrubbed_at": line.watch.now().isoformat(),
        "results": [{"phone": PERSON, "preference": "clear"}],
    }
    answer = await line.door.request("POST", "/v1/dnd-scrubs", json=scrub)
    assert answer.status_code == 422, "the clock of the API is a day behind: a scrub of the future is not believed"
    await line.rooms.service._evidence._scrubs.store(line.door.tenant_id, "key_1", "test", _scrubs(scrub))
    promotion = {
        "purpose": "promotional",
        "from_number": number,
        "registrations": {"oap_notification_ref": "1", "dlt_entity_id": "2", "dlt_template_id": "3"},
    }
    assert (await line.post(**promotion)).status_code == 201
    line.watch.at += timedelta(hours=25)
    answer = await line.post(**promotion)
    assert answer.status_code == 403 and problem_codes(answer.json()) == ["scrub_stale"]


def _scrubs(body: object) -> list[object]:
    from app.compliance.calling_schemas import ScrubImport

    return list(ScrubImport.model_validate(body).scrubs())


async def test_at_night_a_call_is_refused_with_the_time_or_waits_for_the_morning(line: Line) -> None:
    line.watch.at = line.watch.at.replace(hour=22)
    refused = await line.post()
    assert refused.status_code == 409 and refused.json()["code"] == "call_not_now"
    assert problem_codes(refused.json()) == ["outside_hours"]
    waiting = await line.queued(wait_for_window=True)
    morning = (line.watch.at + timedelta(hours=11)).replace(hour=9)
    assert (await line.show(waiting))["due_at"].startswith(
        f"{morning.astimezone(line.watch.now().tzinfo):%Y-%m-%dT%H:%M}"
    )
    assert (await line.dial(waiting))["status"] == "queued" and line.exchange.dialled == []
    line.watch.at = morning
    assert (await line.dial(waiting))["status"] == "dialling"
    assert len(line.exchange.dialled) == 1


async def test_what_changed_since_it_was_asked_cancels_or_moves_the_dial(line: Line) -> None:
    due = line.watch.now() + timedelta(hours=2)
    stopped, moved = (
        await line.queued(scheduled_at=due.isoformat()),
        await line.queued(scheduled_at=due.isoformat(), wait_for_window=True, to_number="+919812300001")
        if await line.consent(phone="+919812300001") is None
        else "",
    )
    await line.door.ok("POST", "/v1/suppressions", json={"phone": PERSON, "reason": "asked meanwhile"})
    line.watch.at = line.watch.at.replace(hour=21, minute=30)
    shown = await line.dial(stopped)
    assert (shown["status"], shown["end_reason"]) == ("cancelled", "suppressed")
    assert "suppressed" in [refusal["code"] for refusal in shown["refusals"]]
    shown = await line.dial(moved)
    assert shown["status"] == "queued" and [refusal["code"] for refusal in shown["refusals"]] == ["outside_hours"]
    assert line.exchange.dialled == []


async def test_a_person_has_one_call_at_a_time_and_a_tenant_its_lines(line: Line) -> None:
    first, second = await line.queued(), await line.queued()
    assert (await line.dial(first))["status"] == "dialling"
    assert (await line.dial(second))["status"] == "queued"
    ids = []
    for index in range(3):
        phone = f"+91981230000{index}"
        await line.consent(phone=phone)
        ids.append(await line.queued(to_number=phone))
    assert [(await line.dial(call_id))["status"] for call_id in ids] == ["dialling", "queued", "queued"], "two a second"
    assert len(line.exchange.dialled) == 2
    line.watch.at += timedelta(seconds=5)
    assert (await line.dial(ids[1]))["status"] == "dialling"


async def test_nobody_answers_and_it_is_tried_again_as_often_as_asked(line: Line) -> None:
    call_id = await line.queued(retries=1, retry_minutes=60)
    tenant_id, ended = line.door.tenant_id, line.rooms.dialling.on_ended
    await line.dial(call_id)
    await line.rooms.dialling.on_ringing(tenant_id, call_id)
    assert (await line.show(call_id))["status"] == "ringing"
    await ended(tenant_id, call_id, {"CallStatus": "no-answer", "HangupCause": "NO_ANSWER"}, answered=False)
    shown = await line.show(call_id)
    assert shown["status"] == "queued" and len(shown["attempts_at"]) == 1
    assert (await line.dial(call_id))["status"] == "queued", "not before its time"
    line.watch.at += timedelta(minutes=60)
    await line.dial(call_id)
    await ended(tenant_id, call_id, {"CallStatus": "busy", "HangupCause": "USER_BUSY"}, answered=False)
    await ended(tenant_id, call_id, {"CallStatus": "busy", "HangupCause": "USER_BUSY"}, answered=False)
    shown = await line.show(call_id)
    assert (shown["status"], shown["end_reason"], len(shown["attempts_at"])) == ("busy", "USER_BUSY", 2)


@pytest.mark.parametrize("agreed", [True, False])
async def test_who_was_not_reached_is_written_to_once_if_they_agreed_to_that(
    line: Line, house: House, agreed: bool
) -> None:
    await line.door.connect_whatsapp()
    if agreed:
        await line.consent(channel="whatsapp")
    call_id = await line.queued(retries=1, retry_minutes=60)
    for minutes in (60, 0):
        await line.dial(call_id)
        for _ in range(2):
            ending = {"CallStatus": "no-answer", "HangupCause": "NO_ANSWER"}
            await line.rooms.dialling.on_ended(line.door.tenant_id, call_id, ending, answered=False)
        line.watch.at += timedelta(minutes=minutes)
    entries = await AuditLog(house.services.database, line.watch).entries(line.door.tenant_id, limit=500)
    followed = [entry.data for entry in entries if entry.action == "handoff.continued"]
    if not agreed:
        assert followed == []
        return
    assert [(data["call_id"], data["template"]) for data in followed] == [(call_id, "missed_call")]
    [row] = await house.services.whatsapp_store.get_many(line.door.tenant_id, [followed[0]["outbox_id"]])
    assert ("Sundar Stores", "आपके ऑर्डर") in [version.values for version in row.versions]


async def test_three_calls_a_day_are_enough(line: Line) -> None:
    for _ in range(3):
        call_id = await line.queued()
        await line.dial(call_id)
        await line.rooms.dialling.on_ended(line.door.tenant_id, call_id, {"CallStatus": "no-answer"}, answered=False)
        line.watch.at += timedelta(minutes=10)
    refused = await line.post()
    assert refused.status_code == 409 and problem_codes(refused.json()) == ["too_often"]


async def test_a_carrier_that_refuses_is_asked_again_one_that_is_silent_is_not(line: Line) -> None:
    busy, unknown = CarrierError("429", code="carrier_refused"), CarrierError("?", code="carrier_outcome_unknown")
    unknown.retryable = False
    line.exchange.failures = [busy]
    call_id = await line.queued()
    assert (await line.dial(call_id))["status"] == "queued"
    line.watch.at += timedelta(minutes=1)
    line.exchange.failures = [unknown]
    assert (await line.dial(call_id))["status"] == "dialling", "it may be ringing: never a second dial"
    line.watch.at += timedelta(minutes=10)
    await line.rooms.dialling.sweep()
    shown = await line.show(call_id)
    assert (shown["status"], shown["end_reason"]) == ("failed", "lost")


async def test_the_sweep_finds_what_is_due_when_its_job_was_lost(line: Line, house: House) -> None:
    due = line.watch.now() + timedelta(hours=3)
    call_id = await line.queued(scheduled_at=due.isoformat())
    assert house.jobs.jobs == []
    await line.rooms.dialling.sweep()
    assert house.jobs.jobs == []
    line.watch.at += timedelta(hours=3)
    await line.rooms.dialling.sweep()
    assert [job.payload["call_id"] for job in house.jobs.jobs] == [call_id]


async def test_a_queued_call_can_be_taken_back_and_others_cannot_see_it(line: Line, house: House) -> None:
    call_id = await line.queued()
    other = await house.tenant("Other")
    assert (await other.request("DELETE", f"/v1/calls/{call_id}")).status_code == 404
    assert (await other.request("GET", f"/v1/outbound-calls/{call_id}")).status_code == 404
    assert (await line.door.request("DELETE", f"/v1/calls/{call_id}")).status_code == 204
    assert (await line.dial(call_id))["status"] == "cancelled" and line.exchange.dialled == []
    assert (await line.door.request("DELETE", f"/v1/calls/{call_id}")).status_code == 409
    placed = await line.queued()
    await line.dial(placed)
    assert (await line.door.request("DELETE", f"/v1/calls/{placed}")).status_code == 409


async def test_only_a_call_that_was_dialled_is_answered(line: Line) -> None:
    call_id = await line.queued(variables={"order_id": "4512"})
    dialling, tenant_id = line.rooms.dialling, line.door.tenant_id
    assert await dialling.answering(tenant_id, call_id, PERSON) is None, "queued, not dialled"
    await line.dial(call_id)
    assert await dialling.answering(tenant_id, call_id, "+919812300009") is None
    assert await dialling.answering("tenant_other", call_id, PERSON) is None
    brief = await dialling.answering(tenant_id, call_id, PERSON)
    assert brief is not None and brief.language == "hi-IN" and brief.variables == {"order_id": "4512"}
    assert (await line.show(call_id))["status"] == "in_progress"
    await dialling.on_ended(tenant_id, call_id, {"CallStatus": "completed"}, answered=True)
    assert (await line.show(call_id))["status"] == "completed"


@pytest.mark.parametrize("asked_by", ["customer", "key_1"])
async def test_a_wish_to_be_called_is_dialled_once_and_only_with_consent(
    line: Line, house: House, asked_by: str
) -> None:
    rooms, phone, tenant_id = house.services, "+919812300077", line.door.tenant_id
    contact = await rooms.conversations.contact_for(tenant_id, phone)
    conversation = await rooms.conversations.open_for(contact, language="en-IN", agent_id=line.agent_id)
    wish = await rooms.inbox.callbacks.ask(conversation, phone, at=None, reason="the order", asked_by=asked_by)
    assert await line.rooms.callbacks.run() == 1
    assert await line.rooms.callbacks.run() == 0
    (kept,) = await rooms.inbox.callbacks.of_conversation(tenant_id, conversation.conversation_id)
    assert kept.callback_id == wish.callback_id
    if asked_by != "customer":
        assert (kept.state.value, kept.failure, kept.call_id) == ("failed", "no_consent", None)
        return
    assert kept.state.value == "done" and kept.call_id is not None
    assert (await line.dial(kept.call_id))["status"] == "dialling"
    brief = await line.rooms.dialling.brief(tenant_id, kept.call_id)
    assert brief is not None and brief.language == "en-IN" and brief.about["en-IN"]


async def test_an_agent_that_is_not_live_calls_nobody_but_its_testers(line: Line, house: House) -> None:
    lifecycle, tenant_id = house.services.lifecycle, line.door.tenant_id
    await lifecycle.put(tenant_id, "key_1", line.agent_id, AgentState.PAUSED)
    refused = await line.post()
    assert refused.status_code == 403 and problem_codes(refused.json()) == ["agent_not_live"]
    await lifecycle.expect_test(tenant_id, "key_1", line.agent_id, PERSON)
    assert (await line.post()).status_code == 201


async def test_a_number_serves_only_the_calls_that_its_tenant_keeps_it_for(line: Line) -> None:
    [number] = (await line.door.ok("GET", "/v1/phone-numbers"))["data"]
    place = f"/v1/phone-numbers/{number['id']}"
    await line.door.ok("PATCH", place, json={"purposes": ["recovery"]})
    refused = await line.post()
    assert refused.status_code == 403 and problem_codes(refused.json()) == ["wrong_number_purpose"]
    assert "keeps" in refused.text and "recovery" in refused.text
    await line.door.ok("PATCH", place, json={"purposes": []})
    assert "calls that come in" in (await line.post()).text
    await line.door.ok("PATCH", place, json={"purposes": ["recovery", "service"]})
    assert (await line.post()).status_code == 201


async def test_a_tenants_limits_hold_for_calls_out(line: Line) -> None:
    limits, tenant_id = line.door.house.services.tenant_limits, line.door.tenant_id
    await limits.put(tenant_id, {"minutes_a_month": 0})
    assert problem_codes((await line.post()).json()) == ["monthly_limit"]
    await limits.put(tenant_id, {"minutes_a_month": None, "outbound_calls_a_day": 0})
    assert problem_codes((await line.post()).json()) == ["daily_limit"]
    await limits.put(tenant_id, {"outbound_calls_a_day": 5, "calls_at_once": 0})
    waiting = await line.queued()
    assert (await line.dial(waiting))["status"] == "queued" and line.exchange.dialled == []
    await limits.put(tenant_id, {"calls_at_once": 1})
    line.watch.at += timedelta(minutes=1)
    assert (await line.dial(waiting))["status"] == "dialling"
