"""A caller's yes or no to WhatsApp becomes a line in the ledger with its evidence; only a yes lets anything leave."""

from typing import Any

import pytest

from app.calls.actions import CallActions, CallSoFar
from app.compliance.models import ConsentChannel, ConsentEntry, Decision, Purpose
from app.conversations.models import Author, TranscriptLine
from app.conversations.standing import WhatsAppStandings
from app.dialogue.draft import CONFIRM_WHATSAPP
from app.dialogue.turn import Action, ActionKind, AgentProfile, DialogueState, WhatsAppStanding
from app.errors import MessagingError
from app.kit.clock import SystemClock
from tests.house import CUSTOMER, House, TenantDoor, house, packs

__all__ = ["house", "packs"]

pytestmark = pytest.mark.integration
WORDING = "क्या सुन्दर स्टोर्स आपको व्हाट्सऐप मैसेज भेज सकते हैं?"
ANSWER = {"words": "जी हाँ", "by": "voice", "wording": WORDING, "language": "hi-IN"}
HANDOFF = Action(ActionKind.HANDOFF_WHATSAPP, "human_agent", {"intent": "human_agent"})


def call_of(tenant: TenantDoor, **state: Any) -> CallSoFar:
    profile = AgentProfile(tenant.tenant_id, "agent_1", "Sundar Stores", ("hi-IN", "en-IN"), "hi-IN")
    lines = (TranscriptLine(Author.CUSTOMER, "जी हाँ", "hi-IN", 5200),)
    stands = DialogueState("hi-IN", ("hi-IN", "en-IN"), **state)
    return CallSoFar("call_1", CUSTOMER, "hi-IN", profile, lines, "जी हाँ", 5200, stands)


def actions_of(house: House) -> CallActions:
    rooms = house.services
    return CallActions(rooms.handoff, rooms.suppressions, rooms.conversations, rooms.consents)


def standings_of(house: House) -> WhatsAppStandings:
    rooms = house.services
    return WhatsAppStandings(rooms.consents, rooms.suppressions, rooms.whatsapp_outbox, SystemClock())


async def kept(house: House, tenant: TenantDoor, purpose: Purpose = Purpose.SERVICE) -> ConsentEntry | None:
    return await house.services.consents.latest(tenant.tenant_id, CUSTOMER, ConsentChannel.WHATSAPP, purpose)


async def test_a_yes_is_kept_with_its_evidence_and_the_template_leaves(house: House) -> None:
    tenant, actions = await house.tenant(), actions_of(house)
    await tenant.connect_whatsapp()
    assert await standings_of(house).of(tenant.tenant_id, CUSTOMER) is WhatsAppStanding.UNASKED
    await actions.perform(call_of(tenant), Action(ActionKind.WHATSAPP_CONSENT, "agreed", ANSWER))
    entry = await kept(house, tenant)
    assert entry is not None and entry.decision is Decision.GRANTED
    assert (entry.language, entry.wording) == ("hi-IN", WORDING)
    assert entry.evidence == {"source": "ivr", "call_id": "call_1", "words": "जी हाँ", "by": "voice", "at_ms": 5200}
    assert await kept(house, tenant, Purpose.MARKETING) is None, "service is not marketing"
    assert await standings_of(house).of(tenant.tenant_id, CUSTOMER) is WhatsAppStanding.AGREED
    await actions.perform(call_of(tenant), HANDOFF)
    await house.work()
    assert len(house.graph.state.requests) == 1


async def test_without_a_yes_nothing_leaves_whatever_was_said_last(house: House) -> None:
    tenant, actions = await house.tenant(), actions_of(house)
    await tenant.connect_whatsapp()
    with pytest.raises(MessagingError) as refused:
        await actions.perform(call_of(tenant), HANDOFF)
    assert refused.value.code == "handoff_no_consent"
    assert await kept(house, tenant) is None, "words are no consent by being the last"
    await actions.perform(call_of(tenant), Action(ActionKind.WHATSAPP_CONSENT, "declined", ANSWER))
    entry = await kept(house, tenant)
    assert entry is not None and entry.decision is Decision.WITHDRAWN
    assert await standings_of(house).of(tenant.tenant_id, CUSTOMER) is WhatsAppStanding.DECLINED
    with pytest.raises(MessagingError):
        await actions.perform(call_of(tenant), HANDOFF)
    await house.work()
    assert house.graph.state.requests == []


async def test_who_hangs_up_before_answering_is_found_by_a_person(house: House) -> None:
    tenant, actions = await house.tenant(), actions_of(house)
    waiting = {"reason": "human_agent", "trigger": "explicit_request", "evidence": {}, "heard": "a person"}
    call = call_of(tenant, awaiting=CONFIRM_WHATSAPP, whatsapp="asked", handover=waiting)
    await actions.remember(call, "hung_up")
    (conversation,) = (await tenant.ok("GET", "/v1/conversations"))["data"]
    assert conversation["owner"] == "person" and await kept(house, tenant) is None


async def test_nobody_is_asked_who_cannot_be_written_to(house: House) -> None:
    tenant = await house.tenant()
    assert await standings_of(house).of(tenant.tenant_id, CUSTOMER) is WhatsAppStanding.CLOSED, "no WhatsApp number"
    await tenant.connect_whatsapp()
    assert await standings_of(house).of(tenant.tenant_id, "") is WhatsAppStanding.CLOSED, "a withheld number"
    await house.services.suppressions.opt_out(tenant.tenant_id, CUSTOMER, (ConsentChannel.WHATSAPP,), {"words": "stop"})
    assert await standings_of(house).of(tenant.tenant_id, CUSTOMER) is WhatsAppStanding.CLOSED


async def test_the_setting_of_an_agent_is_kept_and_shown(house: House) -> None:
    tenant = await house.tenant()
    body = {"name": "Line", "entity_name": "Sundar", "languages": ["hi-IN"], "default_language": "hi-IN"}
    made = await tenant.ok("POST", "/v1/agents", json={**body, "asks_whatsapp": True})
    assert made["asks_whatsapp"] is True
    agent = await house.services.agents.get(tenant.tenant_id, made["id"])
    assert agent.profile().asks_whatsapp
    patched = await tenant.ok("PATCH", f"/v1/agents/{made['id']}", json={"asks_whatsapp": False})
    assert patched["asks_whatsapp"] is False
