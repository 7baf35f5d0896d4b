"""Replays over REST: past calls against flows and intents that would go live, their report, who may look."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from app import api
from app.calls.events import CallEvent, CallEventKind
from app.calls.models import Call, CallStatus
from app.calls.repository import CallRepository
from app.calls.transcripts import CallTranscripts
from app.intents.endpoints import router as intents_router
from app.intents.fitting import examples_of
from app.intents.minds import OwnMinds
from app.intents.models import Report
from app.intents.service import TRAIN, IntentService
from app.kit import problem
from app.kit.ids import new_id
from app.kit.sealed import SealedText
from app.languages.mind import LiveMind, Mind
from app.nlu.understander import Understander
from app.rehearsal.replay_endpoints import router
from app.rehearsal.replays import REPLAY, ReplayService
from tests.house import House, TenantDoor
from tests.intents.test_own_intents import GIFT, draft, own_flow
from tests.rehearsal.conftest import StoredAgents
from tests.standins.graph import served

pytestmark = pytest.mark.integration

CURIOUS = """name: cancel_order
kind: frame
intents: [cancel_order]
slots:
  - name: reason
    type: text
    free: true
    ask: [why_cancel]
done: person
farewell: noted
sentences:
  why_cancel:
    en-IN: ["Why do you want to cancel?"]
    hi-IN: ["क्यों कैंसिल करना है, बताइए?"]
  noted:
    en-IN: ["I have noted it."]
    hi-IN: ["मैंने लिख लिया है।"]
"""
ANSWERS = {"order_status": {"data": {"order_id": "4512", "status": "shipped"}}}


@dataclass
class Theatre:
    """A house whose agents' past calls can be played."""

    house: House
    replays: ReplayService
    intents: IntentService

    async def work(self) -> int:
        """Runs what waits."""
        return await self.house.jobs.drain({REPLAY: self.replays.run, TRAIN: self.intents.train})

    def calls(self, tenant: TenantDoor) -> CallRepository:
        rooms = self.house.services
        return CallRepository(rooms.database.tenant(tenant.tenant_id), SealedText(rooms.vault))

    async def call(self, tenant: TenantDoor, agent_id: str, *said: str | dict[str, Any]) -> str:
        """Stores a finished call in which these things were said."""
        call_id, now = new_id("call"), self.house.services.clock.now()
        ended = now + timedelta(minutes=1)
        call = Call(
            call_id, tenant.tenant_id, agent_id, f"uuid-{call_id}", "inbound", "+919812345678", "+918047000001",
            CallStatus.COMPLETED, now, now, ended, "caller_hung_up",
        )  # fmt: skip
        calls = self.calls(tenant)
        await calls.add(call)
        opening = CallEvent(CallEventKind.AGENT_TURN, 0, {"text": "Namaste", "language": "hi-IN"})
        await calls.add_event(call_id, 1, opening)
        for number, one in enumerate(said, 2):
            data = {"text": one, "by": "voice", "hidden": False} if isinstance(one, str) else one
            await calls.add_event(call_id, number, CallEvent(CallEventKind.CALLER_TURN, number * 1_000, data))
        return call_id


@pytest_asyncio.fixture
async def theatre(house: House, mind: Mind, models_dir: Path) -> AsyncIterator[Theatre]:
    rooms, live = house.services, LiveMind(mind)
    intents = IntentService(
        rooms.database,
        rooms.agents,
        rooms.flows,
        rooms.change_rules,
        live,
        models_dir,
        rooms.audit,
        house.jobs,
        rooms.clock,
    )
    minds = OwnMinds(intents, live, models_dir, rooms.clock)
    replays = ReplayService(
        rooms.database,
        CallTranscripts(rooms.database, SealedText(rooms.vault)),
        StoredAgents(house),
        intents,
        minds,
        rooms.flows,
        live,
        rooms.audit,
        house.jobs,
        rooms.clock,
    )
    app = FastAPI()
    problem.install(app)
    api.mount(app, router, intents_router)
    app.state.services, app.state.replays, app.state.intents = rooms, replays, intents
    async with served(app) as base, httpx.AsyncClient(base_url=base, timeout=60) as client:
        house.client = client
        yield Theatre(house, replays, intents)
    await minds.close()


async def flow_version(tenant: TenantDoor, text: str) -> dict[str, Any]:
    made = await tenant.ok("PUT", "/v1/flow-sets/own/draft", json={"files": {"cancel_order.yaml": text}})
    return {"flow_set": "own", "flow_version": made["version"]}


async def played(theatre: Theatre, tenant: TenantDoor, agent: str, candidate: dict[str, Any], **more: Any) -> Any:
    asked = await tenant.ok("POST", f"/v1/agents/{agent}/replays", json={"candidate": candidate, **more})
    assert asked["status"] == "queued" and asked["report"] is None
    await theatre.work()
    found = await tenant.ok("GET", f"/v1/agents/{agent}/replays/{asked['id']}")
    assert found["status"] == "done", found["failure"]
    return found


async def test_flows_that_change_a_call_are_told_by_call_and_turn(theatre: Theatre) -> None:
    tenant = await theatre.house.tenant()
    agent = (await tenant.agent(tools={"order_status": {}, "cancel_order": {}}))["id"]
    changed = await theatre.call(tenant, agent, "ऑर्डर कैंसिल करना है", "चार पाँच एक दो")
    await theatre.call(tenant, agent, "नमस्ते", "धन्यवाद")
    await theatre.call(
        tenant,
        agent,
        "मेरा ऑर्डर कहाँ है",
        {"text": "4512", "by": "keypad", "hidden": False},
        {"text": "***", "by": "voice", "hidden": True},
    )
    candidate = await flow_version(tenant, CURIOUS)
    found = await played(theatre, tenant, agent, candidate, answers=ANSWERS)
    report = found["report"]
    assert (report["calls"], report["turns"]) == (3, 7)
    [difference] = report["differences"]
    assert difference["call_id"] == changed and difference["turn"] == 2
    assert difference["verdict"] == "worse" and report["worse"] == 1 and not report["passed"]
    assert difference["text"] == "ऑर्डर कैंसिल करना है"
    assert difference["live"]["flow"] == "cancel_order" and difference["candidate"]["says"] == ["why_cancel"]
    assert difference["live"]["intent"] == difference["candidate"]["intent"] == "cancel_order"
    page = await tenant.ok("GET", f"/v1/agents/{agent}/replays")
    assert page["data"][0]["report"]["differences"][0]["text"] is None
    actions = [entry["action"] for entry in (await tenant.ok("GET", "/v1/audit-entries"))["data"]]
    assert {"replay.asked", "replay.transcripts_played", "replay.transcripts_read"} <= set(actions)


async def test_the_report_holds_no_word_and_what_was_erased_stays_erased(theatre: Theatre) -> None:
    tenant = await theatre.house.tenant()
    agent = (await tenant.agent(tools={"cancel_order": {}}))["id"]
    call = await theatre.call(tenant, agent, "ऑर्डर कैंसिल करना है")
    found = await played(theatre, tenant, agent, await flow_version(tenant, CURIOUS))
    store = theatre.house.services.database.tenant(tenant.tenant_id)
    [kept] = await store.collection("replays").find({}, limit=5)
    assert "कैंसिल" not in str(kept)
    await store.collection("call_events").delete_many({"call_id": call})
    again = await tenant.ok("GET", f"/v1/agents/{agent}/replays/{found['id']}")
    assert again["report"]["differences"][0]["text"] is None


async def test_without_calls_nothing_passes_and_nobody_else_looks(theatre: Theatre) -> None:
    tenant, other = await theatre.house.tenant(), await theatre.house.tenant("Lakshmi")
    agent = (await tenant.agent())["id"]
    candidate = await flow_version(tenant, CURIOUS)
    found = await played(theatre, tenant, agent, candidate)
    assert found["report"]["calls"] == 0 and not found["report"]["passed"]
    place = f"/v1/agents/{agent}/replays"
    for method, path in (("GET", place), ("GET", f"{place}/{found['id']}"), ("POST", place)):
        options = {"json": {"candidate": {"intents_version": 1}}} if method == "POST" else {}
        assert (await other.request(method, path, **options)).status_code == 404, path
    for wrong in ({}, {"flow_set": "own"}, {"flow_version": 2}, {"intents_version": 0}):
        assert (await tenant.request("POST", place, json={"candidate": wrong})).status_code == 422, wrong
    missing = await tenant.request("POST", place, json={"candidate": {"flow_set": "own", "flow_version": 9}})
    assert missing.status_code == 404


async def test_own_intents_wait_for_a_replay_where_the_agent_asks_for_one(
    theatre: Theatre, mind: Mind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The candidate's understander is the shared one here: what it would understand is measured in tests/intents."""
    passed = Report(True, (), 8, 8, {"gift_wrapping": (8, 8)}, (), (), 0.96, 0.96)
    monkeypatch.setattr("app.intents.service.fit_apart", lambda *_: passed)

    async def fetched(_: OwnMinds, version: Any) -> Understander:
        assert examples_of(mind.registry, version.intents)
        return mind.understander

    monkeypatch.setattr(OwnMinds, "fetched", fetched)
    tenant = await theatre.house.tenant()
    agent = (await tenant.agent(replay_first=True))["id"]
    await theatre.call(tenant, agent, "नमस्ते", "मेरा ऑर्डर कहाँ है", "धन्यवाद")
    number = await draft(tenant, agent, {"intents": [GIFT]})
    early = await tenant.request("POST", f"/v1/agents/{agent}/replays", json={"candidate": {"intents_version": number}})
    assert early.status_code == 409
    await theatre.work()
    await own_flow(tenant, agent)
    publish = f"/v1/agents/{agent}/intents/versions/{number}/publish"
    missing = await tenant.request("POST", publish)
    assert missing.status_code == 409 and missing.json()["code"] == "replay_missing"
    found = await played(theatre, tenant, agent, {"intents_version": number})
    assert found["report"]["passed"] and found["report"]["differences"] == []
    shown = await tenant.ok("GET", f"/v1/agents/{agent}/intents/versions/{number}")
    assert shown["replay"]["id"] == found["id"] and shown["replay"]["passed"]
    assert (await tenant.ok("POST", publish))["status"] == "live"
