"""Calls in the console: those that go on are named and can be read, the looks are written down, players are offered."""

from dataclasses import replace
from typing import Any

import pytest

from app.auth.roles import Role
from app.calls.events import CallEvent, CallEventKind
from app.calls.models import Call, CallStatus
from app.conversations.models import Conversation
from tests.console.conftest import Calls, Desk, read
from tests.house import CUSTOMER

pytestmark = pytest.mark.integration

CALL = "call_01k4n5c9t2v8x7q6m3b1a0zdef"


async def ringing(desk: Desk, **changes: Any) -> Call:
    """Stores a call that is going on, with its first words."""
    names = (CALL, desk.tenant.tenant_id, "agent_1", "carrier-1", "inbound", CUSTOMER, "+918047000001")
    call = replace(Call(*names, CallStatus.IN_PROGRESS, desk.house.clock.now()), **changes)
    store = Calls(desk.house).calls_of(desk.tenant.tenant_id)
    await store.add(call)
    said = {"text": "मेरा ऑर्डर 4512 कहाँ है?", "language": "hi-IN", "intent": "order_status", "by": "voice"}
    await store.add_event(call.id, 1, CallEvent(CallEventKind.CALLER_TURN, 1200, said))
    answer = {"text": "देखती हूँ।", "heard_text": "देखती हूँ।", "language": "hi-IN", "complete": True}
    await store.add_event(call.id, 2, CallEvent(CallEventKind.AGENT_TURN, 2400, answer))
    return call


async def test_a_call_that_goes_on_is_named_in_the_list_and_can_be_read(desk: Desk) -> None:
    asha = await desk.person("Asha")
    await ringing(desk)
    shown = read(await asha.get("/console/inbox"))
    assert shown.one("a", href=f"/console/calls/{CALL}") and "on the phone now" in shown.text
    for _ in range(2):
        page = read(await asha.fragment(f"/console/calls/{CALL}"))
    assert "मेरा ऑर्डर 4512 कहाँ है?" in page.text and "देखती हूँ।" in page.text and "order_status" in page.text
    assert page.one("div", id="pane")["hx-trigger"] == "stale"
    assert await desk.audited("call.transcript_read") == [asha.member_id]
    whole = read(await asha.get(f"/console/calls/{CALL}"))
    assert whole.one("div", id="pane")["data-call"] == CALL and whole.one("form", id="filters")


async def test_a_conversation_leads_to_the_call_of_its_customer_and_later_plays_it(desk: Desk) -> None:
    asha = await desk.person("Asha")
    conversation: Conversation = await desk.conversation()
    call = await ringing(desk, id=f"call_{CUSTOMER[-10:]}")
    place = f"/console/inbox/{conversation.conversation_id}"
    linked = read(await asha.get(place)).all("a", href=f"/console/calls/{call.id}")
    assert [a["class"] for a in linked] == ["row", "tag live"]
    store = Calls(desk.house).calls_of(desk.tenant.tenant_id)
    await store.update(call.id, {"status": CallStatus.COMPLETED.value, "recording_bytes": 9000})
    over = read(await asha.get(place))
    assert not [a for a in over.all("a") if a.get("href", "").startswith("/console/calls/")]
    assert over.one("audio", src=f"/v1/calls/{call.id}/recording")["preload"] == "none"


async def test_who_may_not_see_calls_sees_none(desk: Desk) -> None:
    await ringing(desk)
    spy = await desk.person("Zoya", Role.OWNER, await desk.house.tenant("Other"))
    assert (await spy.get(f"/console/calls/{CALL}")).status_code == 404
    assert "on the phone" not in read(await spy.get("/console/inbox")).text
