"""Templates in the hand of a person: filled for the customer, refused without consent, shown at once, sent once."""

from typing import Any

import pytest

from app.compliance.models import ConsentChannel, Decision, Purpose
from app.compliance.suppression import EVERY_CHANNEL
from app.conversations.models import CallContext, Conversation
from tests.house import CUSTOMER, House, TenantDoor

pytestmark = pytest.mark.integration


async def called(house: House, tenant: TenantDoor, language: str = "hi-IN") -> Conversation:
    book = house.services.conversations
    conversation = await book.open_for(await book.contact_for(tenant.tenant_id, CUSTOMER), language=language)
    context = CallContext("call_1", language, "human_agent", intent="order_status", slots={"order_id": "4512"})
    await book.attach_call(conversation, context)
    return conversation


async def agree(house: House, tenant: TenantDoor) -> None:
    evidence = {"words": "WhatsApp par bhej dijiye"}
    names = (tenant.tenant_id, CUSTOMER, ConsentChannel.WHATSAPP, Purpose.SERVICE, Decision.GRANTED)
    await house.services.consents.record(*names, evidence=evidence)


def place(conversation: Conversation) -> str:
    return f"/v1/conversations/{conversation.conversation_id}/templates"


def follow_up(offered: list[dict[str, Any]], language: str = "hi-IN") -> dict[str, Any]:
    [choice] = [entry for entry in offered if (entry["name"], entry["language"]) == ("follow_up", language)]
    return {key: choice[key] for key in ("name", "language", "values")}


async def test_offers_templates_in_the_customers_language_first_with_what_is_known(house: House) -> None:
    tenant = await house.tenant()
    conversation = await called(house, tenant)
    assert await tenant.ok("GET", place(conversation)) == [], "nothing is approved for who has no account"
    await tenant.connect_whatsapp()
    offered = await tenant.ok("GET", place(conversation))
    languages = [entry["language"] for entry in offered]
    assert languages[0] == "hi-IN" and "en-IN" in languages
    assert languages == sorted(languages, key=languages.index), "one language after the other"
    english = next(e for e in offered if (e["name"], e["language"]) == ("follow_up", "en-IN"))
    assert english["values"][0] == "Sundar Stores" and "4512" in english["values"][1]
    assert "Sundar Stores" in english["preview"] and "4512" in english["preview"] and "{{" not in english["preview"]
    news = next(e for e in offered if e["name"] == "order_update")
    assert news["values"] == ["", ""] and "[order_id]" in news["preview"]


async def test_without_consent_nothing_leaves_and_with_it_one_message_does(house: House) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    asha = await tenant.member("Asha")
    conversation = await called(house, tenant)
    body = follow_up(await asha.ok("GET", place(conversation)))
    headers = {"Idempotency-Key": "first-attempt"}
    refused = await asha.request("POST", place(conversation), json=body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "no_consent")
    await agree(house, tenant)
    for _ in range(2):
        sent = await asha.ok("POST", place(conversation), json=body, headers={"Idempotency-Key": "second-attempt"})
    assert (sent["author"], sent["author_id"], sent["delivery"]["state"]) == ("person", asha.member_id, "queued")
    view = await asha.ok("GET", f"/v1/conversations/{conversation.conversation_id}")
    assert (view["owner"], view["assignee_id"]) == ("person", asha.member_id), "sending takes over, as writing does"
    await house.work()
    [bubble] = house.graph.state.phones[CUSTOMER.lstrip("+")]
    assert (bubble.template, bubble.language) == ("follow_up", "hi") and "4512" in bubble.text
    messages = (await asha.ok("GET", f"/v1/conversations/{conversation.conversation_id}/messages"))["data"]
    assert [m["text"] for m in messages if m["direction"] == "outbound"] == [bubble.text]


async def test_refuses_what_is_not_offered_what_does_not_fit_and_whom_nothing_may_reach(house: House) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    conversation = await called(house, tenant)
    await agree(house, tenant)
    good = follow_up(await tenant.ok("GET", place(conversation)))
    number = 0

    async def problem(**changes: Any) -> tuple[int, str]:
        nonlocal number
        number += 1
        headers = {"Idempotency-Key": f"attempt-{number:04}"}
        answer = await tenant.request("POST", place(conversation), json=good | changes, headers=headers)
        return answer.status_code, answer.json()["code"]

    assert await problem(name="invented") == (422, "template_unknown")
    assert await problem(values=["Sundar Stores"]) == (422, "template_values")
    assert await problem(values=["a", "b", "c"]) == (422, "template_values")
    assert await problem(values=["a", "  "]) == (422, "template_values")
    auditor = await tenant.member("Esha")
    assert (await auditor.request("GET", "/v1/conversations/conv_unknown/templates")).status_code == 404
    evidence = {"words": "STOP"}
    await house.services.suppressions.opt_out(tenant.tenant_id, CUSTOMER, EVERY_CHANNEL, evidence)
    assert (await problem())[0] == 409
    await tenant.ok("POST", f"/v1/conversations/{conversation.conversation_id}/resolve")
    assert await problem() == (409, "conversation_closed")
    await house.work()
    assert house.graph.state.requests == []
