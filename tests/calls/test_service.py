"""Calls in the embedded store: rung, recorded, ended, read back over REST, and kept from other tenants."""

import asyncio
import wave
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.audit.log import AuditLog
from app.auth.access import AccessLog
from app.auth.guard import current_subject
from app.auth.models import SCOPES, AuthSubject
from app.calls import endpoints
from app.calls.briefing import briefed
from app.calls.events import CallEvent, CallEventKind
from app.calls.live import LiveSessions
from app.calls.models import CallStatus
from app.calls.ports import CarrierAccount, Direction, NumberRoute, OutboundBrief, StreamClaim, UnansweredCall
from app.calls.recorder import CallRecorder
from app.calls.repository import INDEXES, CallRepository
from app.calls.service import CallService
from app.calls.session import CallContext
from app.calls.sweep import CallSweep
from app.compliance.killswitch import KillMode, KillSwitches
from app.dialogue.agents import NOBODY, AgentSetup, Caller
from app.dialogue.turn import AgentProfile
from app.errors import Conflict, Forbidden, NotFound, Unavailable
from app.kit import problem
from app.kit.clock import SystemClock
from app.kit.crypto import MasterKey
from app.kit.mongo import Database
from app.kit.vault import Vault
from app.speech.audio import FRAME_BYTES, silence

pytestmark = pytest.mark.integration

ROUTE = NumberRoute("tenant_a", "agent_a", "+918047000001", "MA", "token")
OTHER = NumberRoute("tenant_b", "agent_b", "+918047000002", "MA", "token")


class Thinker:
    def prepare_opening(self, profile: AgentProfile) -> None: ...


class Agents:
    def __init__(self) -> None:
        self.expected: list[Caller] = []
        self.caller = Caller()

    def expect(self, setup: AgentSetup) -> None:
        self.expected.append(self.caller)

    async def setup(self, tenant_id: str, agent_id: str, caller: Caller = NOBODY) -> AgentSetup:
        self.caller = caller
        profile = AgentProfile(tenant_id, agent_id, "Nila Stores", ("en-IN",), "en-IN")
        return AgentSetup(profile, None, keep_audio=True)  # type: ignore[arg-type]

    async def language_for(self, *_: Any) -> str:
        return "en-IN"


class Signals:
    def __init__(self) -> None:
        self.sent: list[Any] = []

    async def publish(self, tenant_id: str, message: Any) -> None:
        self.sent.append((tenant_id, message["type"]))


class FullEars:
    def open(self, listener: Any) -> Any:
        raise Unavailable("all speech slots are in use", code="no_speech_slot")


async def account_of(tenant_id: str) -> CarrierAccount | None:
    return CarrierAccount("MA", f"token of {tenant_id}")


@pytest.fixture
async def calls(database: Database, tmp_path: Path) -> AsyncIterator[CallService]:
    await database.ensure_indexes(INDEXES)
    yield CallService(
        database=database,
        clock=SystemClock(),
        ears=FullEars(),  # type: ignore[arg-type]
        thinker=Thinker(),  # type: ignore[arg-type]
        agents=Agents(),
        actions=None,  # type: ignore[arg-type]
        vault=Vault(database, MasterKey("a master key of the tests")),
        signals=Signals(),  # type: ignore[arg-type]
        recordings_dir=tmp_path,
        max_call_seconds=600,
        account_of=account_of,
    )


async def ring(calls: CallService, carrier_call_id: str = "uuid-1", route: NumberRoute = ROUTE) -> str:
    record = await calls.ring(
        route,
        carrier_call_id=carrier_call_id,
        from_number="+919812345678",
        to_number=route.number,
        direction=Direction.INBOUND,
    )
    return record.call_id


def client_of(calls: CallService, tenant_id: str, scopes: frozenset[str] = SCOPES) -> httpx.AsyncClient:
    app = FastAPI()
    problem.install(app)
    app.include_router(endpoints.router, prefix="/v1")
    app.state.calls = calls
    clock = SystemClock()
    app.state.services = SimpleNamespace(access=AccessLog(AuditLog(calls._database, clock), clock))
    app.dependency_overrides[current_subject] = lambda: AuthSubject(tenant_id, "key_1", scopes)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def test_a_call_rings_once_however_often_the_carrier_says_so(calls: CallService) -> None:
    first, again = await asyncio.gather(ring(calls), ring(calls))
    assert first == again
    expected: list[Caller] = calls._agents.expected  # type: ignore[attr-defined]
    assert {caller.number for caller in expected} == {"+919812345678"}, "who rings is asked for at once"
    account = await calls.account_for("uuid-1")
    assert account is not None and account.auth_token == "token of tenant_a"
    assert await calls.account_for("unknown") is None


async def test_a_carriers_call_belongs_to_one_tenant(calls: CallService) -> None:
    await ring(calls)
    with pytest.raises(Conflict):
        await ring(calls, route=OTHER)


async def test_a_call_that_is_over_does_not_ring_again(calls: CallService) -> None:
    call_id = await ring(calls)
    await calls.on_hangup("uuid-1", {"CallStatus": "busy", "HangupCause": "USER_BUSY"})
    call = await calls.calls_of("tenant_a").get(call_id)
    assert call is not None
    assert (call.status, call.hangup_cause) == (CallStatus.BUSY, "USER_BUSY")
    with pytest.raises(Conflict, match="is over"):
        await ring(calls)


async def test_no_free_speech_slot_refuses_the_socket_and_keeps_nothing(calls: CallService) -> None:
    call_id = await ring(calls)
    claim = StreamClaim(call_id, "tenant_a", "uuid-1")
    with pytest.raises(Unavailable) as refusal:
        await calls.live.attach(claim)
    assert refusal.value.code == "no_speech_slot"
    assert calls.live.count == 0
    with pytest.raises(NotFound):
        await calls.live.attach(StreamClaim(call_id, "tenant_a", "uuid-1", resumed=True))


async def test_another_tenant_finds_nothing(calls: CallService) -> None:
    call_id = await ring(calls)
    async with client_of(calls, "tenant_a") as own, client_of(calls, "tenant_b") as other:
        assert (await own.get(f"/v1/calls/{call_id}")).json()["from_number"] == "+919812345678"
        assert [call["id"] for call in (await own.get("/v1/calls")).json()["data"]] == [call_id]
        assert (await other.get("/v1/calls")).json()["data"] == []
        for path in ("", "/transcript", "/events", "/recording"):
            found = await other.get(f"/v1/calls/{call_id}{path}")
            assert found.status_code == 404, path
        assert (await other.post(f"/v1/calls/{call_id}/end")).status_code == 404
        assert (await own.post(f"/v1/calls/{call_id}/end")).json()["code"] == "call_over"
    async with client_of(calls, "tenant_a", frozenset({"agents:read"})) as weak:
        assert (await weak.get("/v1/calls")).status_code == 403


async def test_events_become_a_transcript(calls: CallService) -> None:
    call_id = await ring(calls)
    repository = calls.calls_of("tenant_a")
    heard = {"text": "one two three", "heard_text": "one two", "heard_ms": 800, "complete": False, "language": "en-IN"}
    said = {"text": "stop", "by": "voice", "ended_at_ms": 900, "language": "en-IN", "intent": "stop_contact"}
    events = [
        CallEvent(CallEventKind.STARTED, 0, {"stream_id": "s"}),
        CallEvent(CallEventKind.AGENT_TURN, 850, heard),
        CallEvent(CallEventKind.CALLER_TURN, 1_300, said),
    ]
    for number, event in enumerate(events, 1):
        await repository.add_event(call_id, number, event)
        await repository.add_event(call_id, number, event)
    async with client_of(calls, "tenant_a") as own:
        turns = (await own.get(f"/v1/calls/{call_id}/transcript")).json()["data"]
        assert [(turn["role"], turn["text"], turn["at_ms"]) for turn in turns] == [
            ("agent", "one two", 850),
            ("caller", "stop", 900),
        ]
        assert turns[0]["full_text"] == "one two three"
        assert len((await own.get(f"/v1/calls/{call_id}/events")).json()["data"]) == 3


async def test_what_was_said_is_stored_sealed_and_gone_with_the_tenants_key(calls: CallService) -> None:
    call_id = await ring(calls)
    said = CallEvent(CallEventKind.CALLER_TURN, 10, {"text": "my secret number", "ended_at_ms": 10})
    await calls.calls_of("tenant_a").add_event(call_id, 1, said)
    (stored,) = await calls._database.tenant("tenant_a").collection("call_events").find({"call_id": call_id})
    assert "secret" not in repr(stored)
    async with client_of(calls, "tenant_a") as client:
        shown = (await client.get(f"/v1/calls/{call_id}/transcript")).json()
        assert shown["data"][0]["text"] == "my secret number"
        await calls._vault.forget("tenant_a")
        gone = await client.get(f"/v1/calls/{call_id}/transcript")
        assert (gone.status_code, gone.json()["code"]) == (404, "data_key_gone")


async def test_a_recording_is_sealed_and_reads_back_in_two_channels(calls: CallService, tmp_path: Path) -> None:
    call_id = await ring(calls)
    recorder = CallRecorder(calls.calls_of("tenant_a").add_event, keep_audio=True)  # type: ignore[arg-type]
    for _ in range(50):
        recorder.caller_audio(b"\x10" * FRAME_BYTES)
    recorder.agent_audio(b"\x20" * 1_600)
    recorder.agent_cleared()
    recorder.agent_audio(b"\x30" * 800)
    recorder.caller_audio(silence(40))
    content = recorder.recording()
    assert content is not None
    path = tmp_path / "tenant_a" / f"{call_id}.wav.sealed"
    path.parent.mkdir()
    path.write_bytes(await calls._vault.seal("tenant_a", content, call_id.encode()))
    assert b"WAVE" not in path.read_bytes()
    async with client_of(calls, "tenant_a") as own:
        answer = await own.get(f"/v1/calls/{call_id}/recording")
    assert answer.headers["content-type"] == "audio/wav" and answer.content == content
    with pytest.raises(wave.Error, match="unknown format: 7"):  # mu-law, which the standard library cannot read
        wave.open(BytesIO(answer.content))
    frames = answer.content[44:]
    assert frames[0::2].count(0x10) == 50 * FRAME_BYTES
    assert frames[1::2].count(0x20) == 0 and frames[1::2].count(0x30) == 800


async def test_an_objection_discards_what_was_recorded(calls: CallService) -> None:
    recorder = CallRecorder(lambda number, event: asyncio.sleep(0), keep_audio=True)
    recorder.caller_audio(silence(100))
    recorder.stop_recording()
    recorder.caller_audio(silence(100))
    recorder.agent_audio(silence(100))
    assert recorder.recording() is None


async def test_the_recorder_waits_for_a_store_that_is_away() -> None:
    written: list[int] = []

    async def write(number: int, event: CallEvent) -> None:
        if not written and len(failures) < 2:
            failures.append(number)
            raise Unavailable("the database does not answer")
        written.append(number)

    failures: list[int] = []
    recorder = CallRecorder(write, keep_audio=False)
    for at_ms in range(3):
        recorder.emit(CallEvent(CallEventKind.DTMF, at_ms))
    recorder.finish(asyncio.get_running_loop().time() + 5)
    await recorder.run()
    assert written == [1, 2, 3] and failures == [1, 1] and recorder.lost_events == 0


async def test_the_recorder_gives_up_in_time_on_a_store_that_stays_away() -> None:
    async def write(number: int, event: CallEvent) -> None:
        raise Unavailable("the database does not answer")

    recorder = CallRecorder(write, keep_audio=False)
    writing = asyncio.create_task(recorder.run())
    for at_ms in range(200):
        recorder.emit(CallEvent(CallEventKind.DTMF, at_ms))
    await asyncio.sleep(0.05)
    recorder.finish(asyncio.get_running_loop().time() + 0.2)
    async with asyncio.timeout(20):
        await writing
    assert recorder.lost_events == 0
    assert [number for number, _ in recorder.unwritten] == list(range(1, 201))


def soon() -> float:
    return asyncio.get_running_loop().time() + 5


class OverSession:
    """A session whose call is over, its record not yet written."""

    profile = AgentProfile("tenant_a", "agent_a", "Nila", ("en-IN",), "en-IN")
    context = CallContext("", "uuid-1", profile, "", "en-IN", 9)
    end_reason = "ended"
    is_over = True

    def so_far(self) -> None:
        return None


async def test_a_drain_ends_in_time_though_the_store_hangs() -> None:
    async def open_session(claim: StreamClaim) -> Any:
        return HangingSession()

    async def never_written(session: Any) -> None:
        await session.over.wait()
        await asyncio.sleep(3_600)

    class HangingSession(OverSession):
        is_over = False
        context = replace(OverSession.context, call_id="call_1")

        def __init__(self) -> None:
            self.over = asyncio.Event()

        def end(self, reason: str) -> None:
            self.over.set()

    live = LiveSessions(open_session, never_written)
    await live.attach(StreamClaim("call_1", "tenant_a", "uuid-1"))
    async with asyncio.timeout(20):
        await live.drain(0.0, 0.1)
    assert live.count == 0
    with pytest.raises(Unavailable):
        await live.attach(StreamClaim("call_2", "tenant_a", "uuid-2"))


async def test_a_recording_that_cannot_be_kept_does_not_leave_the_call_open(
    calls: CallService, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_id = await ring(calls)
    recorder = CallRecorder(calls.calls_of("tenant_a").add_event, keep_audio=True)  # type: ignore[arg-type]
    recorder.caller_audio(silence(40))

    async def full(*_: Any) -> bytes:
        raise OSError("no space left")

    monkeypatch.setattr(calls._vault, "seal", full)
    context = replace(OverSession.context, call_id=call_id)
    await calls.closing.keep(context, OverSession(), recorder, soon(), SystemClock().now())  # type: ignore[arg-type]
    call = await calls.calls_of("tenant_a").get(call_id)
    assert call is not None and (call.status, call.recording_bytes) == (CallStatus.COMPLETED, None)


async def test_the_end_of_a_call_waits_for_a_store_that_is_away(
    calls: CallService, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_id = await ring(calls)
    update, refusals = CallRepository.update, iter([True, True])

    async def away(self: CallRepository, *arguments: Any) -> None:
        if next(refusals, False):
            raise Unavailable("the store is away")
        await update(self, *arguments)

    monkeypatch.setattr(CallRepository, "update", away)
    recorder = CallRecorder(calls.calls_of("tenant_a").add_event, keep_audio=False)  # type: ignore[arg-type]
    context = replace(OverSession.context, call_id=call_id)
    await calls.closing.keep(context, OverSession(), recorder, soon(), SystemClock().now())  # type: ignore[arg-type]
    call = await calls.calls_of("tenant_a").get(call_id)
    assert call is not None and call.status is CallStatus.COMPLETED


@pytest.mark.parametrize("resumed", [False, True])
async def test_a_socket_is_not_attached_to_a_session_that_is_over(calls: CallService, resumed: bool) -> None:
    calls.live._sessions["call_1"] = OverSession()  # type: ignore[assignment]
    with pytest.raises(NotFound):
        await calls.live.attach(StreamClaim("call_1", "tenant_a", "uuid-1", resumed=resumed))


async def test_an_answering_machine_is_hung_up_on(calls: CallService) -> None:
    call_id, hung_up = await ring(calls), []

    class Live(OverSession):
        async def hang_up(self, reason: str) -> None:
            hung_up.append(reason)

    calls.live._sessions[call_id] = Live()  # type: ignore[assignment]
    await calls.on_machine("uuid-1", "human")
    assert hung_up == []
    await calls.on_machine("uuid-1", "machine")
    assert hung_up == ["answering_machine"]


@pytest.mark.parametrize(("number", "done"), [("+918047000001", ["+918047000001"]), (None, ["answering_machine"])])
async def test_a_machine_hears_a_message_only_where_the_call_has_one(
    calls: CallService, number: str | None, done: list[str]
) -> None:
    calls._outbound = placed = Placed()
    placed.known = replace(placed.known, voicemail_number=number)
    await answer_placed(calls)
    did: list[str] = []

    class Live(OverSession):
        def leave_message(self, number: str) -> bool:
            did.append(number)
            return True

        async def hang_up(self, reason: str) -> None:
            did.append(reason)

    calls.live._sessions["call_placed"] = Live()  # type: ignore[assignment]
    await calls.on_machine("uuid-out", "machine")
    assert did == done


async def test_a_call_that_nobody_ended_is_closed_by_the_sweep(calls: CallService) -> None:
    old, recent = await ring(calls, "uuid-old"), await ring(calls, "uuid-recent")
    await calls.calls_of("tenant_a").update(old, {"created_at": SystemClock().now() - timedelta(hours=2)})
    sweep = CallSweep(calls._database, SystemClock(), max_call_seconds=600)
    assert await sweep.run() == 1
    assert await sweep.run() == 0
    closed, open_ = await calls.calls_of("tenant_a").get(old), await calls.calls_of("tenant_a").get(recent)
    assert closed is not None and (closed.status, closed.end_reason) == (CallStatus.FAILED, "lost")
    assert open_ is not None and open_.status is CallStatus.RINGING


async def test_a_tenant_without_a_carrier_account_is_not_signed_for_by_another(
    calls: CallService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ring(calls)

    async def none(tenant_id: str) -> None:
        return None

    monkeypatch.setattr(calls, "_account_of", none)
    with pytest.raises(Forbidden):
        await calls.account_for("uuid-1")
    assert await calls.account_for("uuid-unknown") is None


async def test_a_stopped_agent_takes_no_new_call(calls: CallService) -> None:
    switches = KillSwitches(calls._database, AuditLog(calls._database, SystemClock()), SystemClock())
    calls._kill_switches = switches
    await switches.set(KillMode.STOP, actor="key_1", reason="wrong prices", tenant_id="tenant_a", agent_id="agent_a")
    with pytest.raises(Forbidden):
        await ring(calls)
    await switches.set(KillMode.OFF, actor="key_1", reason="mended", tenant_id="tenant_a", agent_id="agent_a")
    assert await ring(calls)


class Placed:
    """Knows one call that we dialled, and notes what it is told."""

    def __init__(self) -> None:
        self.known = OutboundBrief(
            "call_placed", "agent_b", ROUTE.number, "en-IN", {"en-IN": "your order"}, {"order_id": "4512"}
        )
        self.told: list[tuple[str, bool | None]] = []

    async def answering(self, tenant_id: str, call_id: str, to_number: str) -> OutboundBrief | None:
        fits = (tenant_id, call_id, to_number) == ("tenant_a", "call_placed", "+919812345678")
        return self.known if fits else None

    async def brief(self, tenant_id: str, call_id: str) -> OutboundBrief | None:
        return self.known if (tenant_id, call_id) == ("tenant_a", "call_placed") else None

    async def unanswered(self, tenant_id: str, call_id: str) -> UnansweredCall | None:
        at = datetime(2026, 3, 1, tzinfo=UTC)
        call = UnansweredCall(call_id, "agent_b", ROUTE.number, "+919812345678", "queued", at, None, None)
        return call if (tenant_id, call_id) == ("tenant_a", "call_placed") else None

    async def on_ringing(self, tenant_id: str, call_id: str) -> None:
        self.told.append((call_id, None))

    async def on_ended(self, tenant_id: str, call_id: str, fields: Mapping[str, str], *, answered: bool) -> None:
        self.told.append((call_id, answered))


async def answer_placed(calls: CallService, placed_as: str | None = "call_placed", to: str = "+919812345678") -> str:
    record = await calls.ring(
        ROUTE,
        carrier_call_id="uuid-out",
        from_number=ROUTE.number,
        to_number=to,
        direction=Direction.OUTBOUND,
        placed_as=placed_as,
    )
    return record.call_id


async def test_a_call_that_we_placed_is_the_one_that_is_answered(calls: CallService) -> None:
    calls._outbound = placed = Placed()
    for wrong in ({"placed_as": None}, {"placed_as": "call_other"}, {"to": "+919812300000"}):
        with pytest.raises(Forbidden, match="placed no such call"):
            await answer_placed(calls, **wrong)
    assert await answer_placed(calls) == await answer_placed(calls) == "call_placed"
    call = await calls.calls_of("tenant_a").get("call_placed")
    assert call is not None and (call.agent_id, call.contact_number) == ("agent_b", "+919812345678")
    await calls.on_hangup("uuid-out", {"CallStatus": "completed"})
    assert placed.told == [("call_placed", True)]


async def test_a_call_out_is_shown_before_anybody_answers_it(calls: CallService) -> None:
    async with client_of(calls, "tenant_a") as client, client_of(calls, "tenant_b") as other:
        assert (await client.get("/v1/calls/call_placed")).status_code == 404, "without calls out there are none"
        calls._outbound = Placed()
        waiting = (await client.get("/v1/calls/call_placed")).json()
        assert (waiting["status"], waiting["direction"]) == ("queued", "outbound")
        assert (waiting["carrier_call_id"], waiting["answered_at"]) == (None, None)
        assert (await other.get("/v1/calls/call_placed")).status_code == 404
        assert (await client.get("/v1/calls/call_other")).status_code == 404
        await answer_placed(calls)
        answered = (await client.get("/v1/calls/call_placed")).json()
        assert (answered["status"], answered["carrier_call_id"]) == ("ringing", "uuid-out")


async def test_what_nobody_answers_is_told_only_by_the_number_that_dialled(calls: CallService) -> None:
    calls._outbound = placed = Placed()
    await calls.on_unanswered(OTHER, "call_placed", {"event": "hangup", "CallStatus": "busy"})
    await calls.on_unanswered(ROUTE, "call_other", {"event": "hangup", "CallStatus": "busy"})
    assert placed.told == []
    await calls.on_unanswered(ROUTE, "call_placed", {"event": "ring"})
    await calls.on_unanswered(ROUTE, "call_placed", {"event": "hangup", "CallStatus": "busy"})
    assert placed.told == [("call_placed", None), ("call_placed", False)]


def test_the_agent_opens_in_the_calls_language_and_knows_why_it_rings() -> None:
    profile = AgentProfile("tenant_a", "agent_b", "Nila Stores", ("hi-IN", "en-IN"), "hi-IN")
    told = briefed(profile, Placed().known)
    assert (told.default_language, told.about, told.given) == (
        "en-IN",
        {"en-IN": "your order"},
        {"order_id": "4512"},
    )
    assert briefed(profile, None) is profile
    with pytest.raises(NotFound):
        briefed(replace(profile, languages=("hi-IN",)), Placed().known)
