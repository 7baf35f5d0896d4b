"""A transfer: the person finds everything beforehand, hears a whisper, and a caller whom nobody answers is not lost."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.calls.actions import CallActions, CallSoFar
from app.calls.ports import Direction, NumberRoute
from app.calls.service import CallService
from app.compliance.models import ConsentChannel, Decision, Purpose
from app.conversations.models import Author, TranscriptLine
from app.dialogue.agents import NOBODY, AgentSetup, Caller
from app.dialogue.engine import DialogueEngine
from app.dialogue.turn import Action, ActionKind, AgentProfile, DialogueState, WhatsAppStanding
from app.errors import MessagingError
from app.kit.clock import SystemClock
from tests.dialogue.conftest import Shop, meant
from tests.house import CUSTOMER, House, TenantDoor, house, packs
from tests.packs import shipped_packs

__all__ = ["house", "packs"]
pytestmark = pytest.mark.integration
PERSON = "+911140000000"


class Agents:
    def __init__(self, profile: AgentProfile) -> None:
        self.profile = profile

    def expect(self, setup: AgentSetup) -> None: ...

    async def setup(self, tenant_id: str, agent_id: str, caller: Caller = NOBODY) -> AgentSetup:
        return AgentSetup(self.profile, Shop(), keep_audio=False)

    async def language_for(self, *_: Any) -> str:
        return self.profile.default_language


class Signals:
    async def publish(self, tenant_id: str, message: Any) -> None: ...


async def transferred(
    house: House, tenant: TenantDoor, tmp_path: Path, whatsapp: WhatsAppStanding = WhatsAppStanding.UNASKED
) -> tuple[CallService, str]:
    """A call that was handed to a person by phone; its session has ended."""
    profile = AgentProfile(
        tenant.tenant_id,
        "agent_1",
        "Sundar Stores",
        ("en-IN", "hi-IN"),
        "en-IN",
        handoff="phone",
        transfer_number=PERSON,
        whatsapp=whatsapp,
    )
    engine = DialogueEngine(shipped_packs())
    rooms = house.services
    actions = CallActions(rooms.handoff, rooms.suppressions, rooms.conversations, rooms.consents)
    thinker = SimpleNamespace(dialogue=engine, prepare_opening=lambda _: None)
    service = CallService(
        database=rooms.database,
        clock=SystemClock(),
        ears=None,  # type: ignore[arg-type]
        thinker=thinker,  # type: ignore[arg-type]
        agents=Agents(profile),
        actions=actions,
        vault=rooms.vault,
        signals=Signals(),  # type: ignore[arg-type]
        recordings_dir=tmp_path,
        max_call_seconds=600,
        account_of=None,  # type: ignore[arg-type]
    )
    route = NumberRoute(tenant.tenant_id, "agent_1", "+918047000001", "MA", "token")
    record = await service.ring(
        route,
        carrier_call_id="uuid-1",
        from_number=CUSTOMER,
        to_number=route.number,
        direction=Direction.INBOUND,
    )
    _, state = await engine.open(profile, "en-IN", record.call_id)
    _, state = await engine.handle_turn(state, meant("refund_status", digits="4512"), profile, Shop())
    reply, state = await engine.handle_turn(state, meant("report_fraud", text="someone took my money"), profile, Shop())
    lines = (TranscriptLine(Author.CUSTOMER, "someone took my money", "en-IN", 900),)
    call = CallSoFar(record.call_id, CUSTOMER, "en-IN", profile, lines, "someone took my money", 900, state)
    await actions.perform(call, reply.actions[0])
    await actions.remember(call, "transferred")
    return service, record.call_id


async def test_the_person_finds_everything_before_they_are_joined(house: House, tmp_path: Path) -> None:
    tenant = await house.tenant()
    service, call_id = await transferred(house, tenant, tmp_path)
    (conversation,) = (await tenant.ok("GET", "/v1/conversations"))["data"]
    assert conversation["owner"] == "person"
    (kept,) = (await tenant.ok("GET", f"/v1/conversations/{conversation['id']}"))["calls"]
    assert kept["call_id"] == call_id and kept["intent"] == "report_fraud" and kept["language"] == "en-IN"
    assert kept["fetched"][0]["data"]["amount"] == 1200
    assert kept["escalation"]["trigger"] == "fraud" and kept["escalation"]["heard"] == "someone took my money"
    assert kept["escalation"]["evidence"]["intent"] == "report_fraud" and kept["sentiment"] == 0
    assert kept["transcript"][0]["text"] == "someone took my money"
    whisper = await service.whisper("uuid-1")
    assert whisper is not None and whisper.language == "en-IN"
    assert whisper.text == (
        "A customer is calling about a transaction they did not make. Order number four five one two. "
        "They report a fraud."
    )


async def test_a_caller_who_agreed_and_whom_nobody_answers_gets_a_message(house: House, tmp_path: Path) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    await house.services.consents.record(
        tenant.tenant_id,
        CUSTOMER,
        ConsentChannel.WHATSAPP,
        Purpose.SERVICE,
        Decision.GRANTED,
        evidence={"words": "yes"},
    )
    service, _ = await transferred(house, tenant, tmp_path, WhatsAppStanding.AGREED)
    assert await service.on_transfer_ended("uuid-1", reached=True) is None
    said = await service.on_transfer_ended("uuid-1", reached=False)
    assert said is not None and "I could not connect the call" in said.text and "on WhatsApp" in said.text
    await house.work()
    assert len(house.graph.state.requests) == 1


async def test_a_caller_who_never_agreed_gets_none(house: House, tmp_path: Path) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    service, _ = await transferred(house, tenant, tmp_path)
    said = await service.on_transfer_ended("uuid-1", reached=False)
    assert said is not None and "I have noted your request for our team" in said.text
    await house.work()
    assert house.graph.state.requests == []


async def test_without_whatsapp_the_matter_is_noted(house: House, tmp_path: Path) -> None:
    tenant = await house.tenant()
    service, _ = await transferred(house, tenant, tmp_path)
    said = await service.on_transfer_ended("uuid-1", reached=False)
    assert said is not None and "I have noted your request for our team" in said.text


async def test_an_unknown_call_has_nothing_to_say(house: House, tmp_path: Path) -> None:
    tenant = await house.tenant()
    service, _ = await transferred(house, tenant, tmp_path)
    assert await service.whisper("uuid-9") is None
    assert await service.on_transfer_ended("uuid-9", reached=False) is None


@pytest.mark.parametrize("kind", [ActionKind.CALLBACK, ActionKind.TICKET])
async def test_a_callback_is_promised_only_to_a_number_that_is_known(house: House, kind: ActionKind) -> None:
    tenant = await house.tenant()
    rooms = house.services
    actions = CallActions(rooms.handoff, rooms.suppressions, rooms.conversations, rooms.consents)
    profile = AgentProfile(tenant.tenant_id, "agent_1", "Sundar Stores", ("en-IN",), "en-IN")
    state = DialogueState("en-IN", ("en-IN",))
    withheld = CallSoFar("call_1", "anonymous", "en-IN", profile, (), "call me later", 10, state)
    with pytest.raises(MessagingError) as refused:
        await actions.perform(withheld, Action(kind, "asked"))
    assert refused.value.code == "number_withheld"
    known = replace(withheld, caller_number=CUSTOMER)
    kept = await actions.perform(known, Action(kind, "asked"))
    (conversation,) = (await tenant.ok("GET", "/v1/conversations"))["data"]
    assert conversation["id"] == kept["conversation_id"] and conversation["owner"] == "person"
