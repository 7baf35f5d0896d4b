"""A caller asks for WhatsApp: evidence, context, approved template in the caller's language, through a real socket."""

import asyncio
from dataclasses import replace

import pytest

from app.compliance.models import ConsentChannel, Decision, Purpose
from app.compliance.suppression import EVERY_CHANNEL
from app.conversations.models import Author, CallContext, HandoffResult, HandoffStatus, TranscriptLine
from tests.house import CUSTOMER, House, TenantDoor, with_short_timeout
from tests.standins.graph import Fault

pytestmark = pytest.mark.integration
CALL = CallContext(
    call_id="call_01",
    language="hi-IN",
    reason="human_agent",
    intent="order_status",
    slots={"order_id": "4512"},
    transcript=(
        TranscriptLine(Author.BOT, "नमस्ते", "hi-IN", 0),
        TranscriptLine(Author.CUSTOMER, "व्हाट्सऐप पर भेजो", "hi-IN", 4200),
    ),
    request_text="व्हाट्सऐप पर भेजो",
    request_at_ms=4200,
)


async def shown(house: House, phone: str = CUSTOMER) -> list[dict[str, str]]:
    answer = await house.client.get(f"{house.url}/_phone/{phone.removeprefix('+')}")
    messages: list[dict[str, str]] = answer.json()["messages"]
    return messages


async def request(house: House, tenant: TenantDoor, call: CallContext = CALL, phone: str = CUSTOMER) -> HandoffResult:
    return await house.services.handoff.request(
        tenant.tenant_id, phone, call, entity_name="Sundar Stores", languages=("en-IN",)
    )


async def test_reaches_the_phone_in_the_callers_language_and_the_agent_sees_the_call(house: House) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    result = await request(house, tenant)
    assert result.status is HandoffStatus.QUEUED and result.on_its_way
    row = await house.services.whatsapp_store.get(tenant.tenant_id, result.outbox_id or "")
    assert row is not None and row.state == "queued", "the row stands before anything is sent"
    assert await shown(house) == []

    async def delivered() -> bool:
        row = await house.services.whatsapp_store.get(tenant.tenant_id, result.outbox_id or "")
        return row is not None and row.state == "delivered"

    await house.until(delivered)
    [bubble] = await shown(house)
    assert bubble["template"] == "call_handoff" and bubble["language"] == "hi"
    assert "4512" in bubble["text"] and "Sundar Stores" in bubble["text"]

    view = await tenant.ok("GET", f"/v1/conversations/{result.conversation_id}")
    assert view["owner"] == "person" and view["language"] == "hi-IN" and view["handoff_reason"] == "human_agent"
    [call] = view["calls"]
    assert call["slots"] == {"order_id": "4512"} and call["intent"] == "order_status"
    assert call["transcript"][1] == {
        "author": "customer",
        "text": "व्हाट्सऐप पर भेजो",
        "language": "hi-IN",
        "at_ms": 4200,
    }
    assert view["whatsapp_window"] == {"open": False, "expires_at": None, "free_entry_point": None}
    messages = await tenant.ok("GET", f"/v1/conversations/{result.conversation_id}/messages")
    assert [(m["direction"], m["language"], m["delivery"]["state"]) for m in messages["data"]] == [
        ("outbound", "hi-IN", "delivered")
    ]
    consent = await house.services.consents.latest(tenant.tenant_id, CUSTOMER, ConsentChannel.WHATSAPP, Purpose.SERVICE)
    assert consent is not None and consent.decision is Decision.GRANTED
    assert consent.evidence["words"] == "व्हाट्सऐप पर भेजो" and consent.evidence["at_ms"] == 4200
    assert (
        await house.services.consents.latest(tenant.tenant_id, CUSTOMER, ConsentChannel.WHATSAPP, Purpose.MARKETING)
        is None
    )


async def test_falls_back_to_the_next_language_and_records_it(house: House) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    house.graph.shelf.decide("call_handoff", "hi", "REJECTED")
    result = await request(house, tenant)
    await house.work()
    [bubble] = await shown(house)
    assert bubble["language"] == "en"
    row = await house.services.whatsapp_store.get(tenant.tenant_id, result.outbox_id or "")
    assert row is not None and row.language == "en-IN" and row.text == bubble["text"]


async def test_is_sent_once_per_call_however_often_it_is_asked(house: House) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    first, second = await request(house, tenant), await request(house, tenant)
    assert first.outbox_id == second.outbox_id
    await house.work()
    await house.services.whatsapp_dispatcher.dispatch(tenant.tenant_id, first.outbox_id or "")
    assert len(await shown(house)) == 1
    view = await tenant.ok("GET", f"/v1/conversations/{first.conversation_id}")
    assert len(view["calls"]) == 1


async def test_waits_for_metas_answer_when_asked_to(house: House) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(
            house.services.handoff.request(tenant.tenant_id, CUSTOMER, CALL, entity_name="S", wait_seconds=5)
        )

        async def answered() -> bool:
            return asked.done()

        await house.until(answered)
    assert asked.result().status is HandoffStatus.SENT and asked.result().language == "hi-IN"


async def test_an_answer_that_never_comes_is_unknown_until_a_status_tells(house: House) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    services = with_short_timeout(house)
    house.graph.faults.append(Fault(hang_seconds=1.0))
    result = await request(house, tenant)
    await house.work()
    row = await services.whatsapp_store.get(tenant.tenant_id, result.outbox_id or "")
    assert row is not None and row.state == "unknown"
    await house.services.whatsapp_dispatcher.dispatch(tenant.tenant_id, result.outbox_id or "")
    assert len(house.graph.state.requests) == 1, "no blind repeat"

    async def delivered() -> bool:
        row = await services.whatsapp_store.get(tenant.tenant_id, result.outbox_id or "")
        return row is not None and row.state == "delivered" and row.wamid is not None

    await house.until(delivered)
    messages = await tenant.ok("GET", f"/v1/conversations/{result.conversation_id}/messages")
    assert [message["delivery"]["state"] for message in messages["data"]] == ["delivered"]
    await services.graph.aclose()


async def test_a_passing_refusal_is_tried_again_and_a_lasting_one_is_not(house: House) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    house.graph.faults.extend([Fault(code=131016), Fault(code=131026)])
    result = await request(house, tenant)
    await house.work()
    assert len(house.graph.state.requests) == 2
    row = await house.services.whatsapp_store.get(tenant.tenant_id, result.outbox_id or "")
    assert row is not None and row.state == "failed" and row.failure == "not_on_whatsapp" and row.error_code == 131026
    again = await request(house, tenant)
    assert again.status is HandoffStatus.NO_WHATSAPP


async def test_no_number_no_consent_and_opt_out_send_nothing(house: House) -> None:
    tenant = await house.tenant()
    assert (await request(house, tenant)).status is HandoffStatus.NO_WHATSAPP
    await tenant.connect_whatsapp()
    assert (await request(house, tenant, phone="anonymous")).status is HandoffStatus.NO_WHATSAPP
    assert (await request(house, tenant, replace(CALL, request_text=" "))).status is HandoffStatus.NO_CONSENT
    await house.services.suppressions.opt_out(tenant.tenant_id, CUSTOMER, EVERY_CHANNEL, {"call_id": "call_00"})
    assert (await request(house, tenant)).status is HandoffStatus.NO_CONSENT
    assert house.jobs.jobs == [] and house.graph.state.requests == []


async def test_an_opt_out_between_queue_and_dispatch_stops_the_message(house: House) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    result = await request(house, tenant)
    await house.services.suppressions.opt_out(tenant.tenant_id, CUSTOMER, EVERY_CHANNEL, {"call_id": "call_02"})
    await house.work()
    row = await house.services.whatsapp_store.get(tenant.tenant_id, result.outbox_id or "")
    assert row is not None and (row.state, row.failure) == ("failed", "opted_out")
    assert house.graph.state.requests == []


async def test_what_was_said_is_sealed_in_the_store(house: House) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    result = await request(house, tenant)
    await house.work()
    database = house.services.database.tenant(tenant.tenant_id)
    stored = [
        document
        for name in ("messages", "call_snapshots", "conversations", "whatsapp_outbox")
        for document in await database.collection(name).find({})
    ]
    assert len(stored) == 4
    for words in ("व्हाट्सऐप", "Sundar Stores", "4512"):
        assert words not in str(stored)
    await house.services.vault.forget(tenant.tenant_id)
    forgotten = await tenant.request("GET", f"/v1/conversations/{result.conversation_id}/messages")
    assert forgotten.status_code == 404 and forgotten.json()["code"] == "data_key_gone"
