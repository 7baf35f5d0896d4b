"""Sending again what failed: a new attempt, linked to the first, under the rules of that moment, once however often."""

from datetime import timedelta
from typing import Any

import pytest

from app.conversations.ports import OutboxState
from tests.house import CUSTOMER, PHONE_NUMBER_ID, House, TenantDoor
from tests.standins.graph import Fault

pytestmark = pytest.mark.integration
WA_ID = CUSTOMER.removeprefix("+")


async def failed(house: House) -> tuple[TenantDoor, str, dict[str, Any]]:
    """Returns a tenant, a conversation, and a person's text that Meta refused for good."""
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    house.graph.customer_writes(PHONE_NUMBER_ID, WA_ID, "hello")

    async def answered() -> bool:
        return len(house.graph.state.phones[WA_ID]) == 2

    await house.until(answered)
    [conversation] = (await tenant.ok("GET", "/v1/conversations"))["data"]
    house.graph.faults.append(Fault(131026))
    place = f"/v1/conversations/{conversation['id']}/messages"
    message = await tenant.ok("POST", place, json={"text": "your bill"}, headers={"Idempotency-Key": "first-try"})
    await house.work()
    return tenant, place, message


async def again(tenant: TenantDoor, place: str, message: dict[str, Any], key: str) -> Any:
    return await tenant.request("POST", f"{place}/{message['id']}/retries", headers={"Idempotency-Key": key})


async def test_behaviour_14_an_explicit_retry_is_a_new_attempt_linked_to_the_first(house: House) -> None:
    tenant, place, message = await failed(house)
    answers = [await again(tenant, place, message, key) for key in ("retry-one", "retry-one", "retry-two")]
    assert [answer.status_code for answer in answers] == [202] * 3
    assert len({answer.json()["id"] for answer in answers}) == 1, "asked thrice, sent again once"
    await house.work()
    phone = [bubble.text for bubble in house.graph.state.phones[WA_ID] if bubble.from_business]
    assert phone == ["heard: hello", "your bill"]
    listed = (await tenant.ok("GET", place))["data"]
    second, first = (entry for entry in listed if entry["text"] == "your bill")
    assert first["delivery"]["state"] == "failed" and first["delivery"]["retry_of"] is None
    assert second["id"] != first["id"] and second["delivery"]["state"] in {"sent", "delivered"}
    assert second["delivery"]["retry_of"].startswith("out_")
    assert "message.retried" in [entry.action for entry in await house.services.audit.entries(tenant.tenant_id)]


async def test_behaviour_14_a_retry_obeys_the_rules_of_its_own_moment(house: House) -> None:
    tenant, place, message = await failed(house)
    house.clock.ahead = timedelta(hours=25)
    refused = await again(tenant, place, message, "retry-one")
    assert (refused.status_code, refused.json()["code"]) == (409, "window_closed")


async def test_behaviour_14_only_what_failed_or_is_unknown_is_sent_again(house: House) -> None:
    tenant, place, message = await failed(house)
    inbound = (await tenant.ok("GET", place))["data"][-1]
    assert (await again(tenant, place, inbound, "retry-one")).status_code == 404
    sent = (await again(tenant, place, message, "retry-two")).json()
    refused = await again(tenant, place, sent, "retry-three")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_failed")
    rows = await house.services.database.tenant(tenant.tenant_id).collection("whatsapp_outbox").find({})
    [queued] = [row["_id"] for row in rows if row["retry_of"] is not None]
    await house.services.whatsapp_store.claim(tenant.tenant_id, queued)
    await house.services.whatsapp_store.advance(tenant.tenant_id, queued, OutboxState.UNKNOWN)
    assert (await again(tenant, place, sent, "retry-four")).status_code == 202


async def test_behaviour_14_a_file_that_failed_is_sent_again_with_its_words(house: House) -> None:
    tenant, place, _ = await failed(house)
    conversation = place.split("/")[3]
    file = ("bill.pdf", b"%PDF-1.7 bill", "application/pdf")
    stored = await tenant.request("POST", "/v1/attachments", files={"file": file})
    house.graph.faults.append(Fault(131026))
    body = {"attachment_id": stored.json()["id"], "caption": "your bill"}
    headers = {"Idempotency-Key": "file-one"}
    first = await tenant.ok("POST", f"/v1/conversations/{conversation}/files", json=body, headers=headers)
    await house.work()
    assert [bubble.kind for bubble in house.graph.state.phones[WA_ID] if bubble.kind == "document"] == []
    answers = [await again(tenant, place, first, key) for key in ("retry-one", "retry-two")]
    assert [answer.status_code for answer in answers] == [202, 202]
    await house.work()
    [bubble] = [bubble for bubble in house.graph.state.phones[WA_ID] if bubble.kind == "document"]
    assert "your bill" in bubble.text
    listed = (await tenant.ok("GET", place))["data"]
    second = next(entry for entry in listed if entry["id"] == answers[0].json()["id"])
    assert second["delivery"]["retry_of"] and second["media"]["attachment_id"] == stored.json()["id"]
