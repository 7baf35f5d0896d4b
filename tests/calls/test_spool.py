"""Ends of calls that the store did not take: sealed on disk, stored once when it is back, never another tenant's."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.calls.closing import CallClosing
from app.calls.events import CallEvent, CallEventKind
from app.calls.models import Call, CallStatus
from app.calls.observing import CallMetrics
from app.calls.ports import Direction
from app.calls.recorder import CallRecorder
from app.calls.repository import CallRepository
from app.calls.session import CallContext
from app.calls.spool import CallSpool, LeftOver
from app.dialogue.turn import AgentProfile
from app.errors import Unavailable
from app.kit.clock import SystemClock
from app.kit.crypto import MasterKey
from app.kit.mongo import Database
from app.kit.sealed import SealedText
from app.kit.vault import Vault

pytestmark = pytest.mark.integration

PROFILE = AgentProfile("tenant_a", "agent_a", "Nila", ("en-IN",), "en-IN")
CONTEXT = CallContext("call_1", "uuid-1", PROFILE, "+919812345678", "en-IN", 9)


class AwayRepository(CallRepository):
    """Calls in a store that may be away."""

    away = False

    async def add_event(self, call_id: str, number: int, event: CallEvent) -> None:
        if self.away:
            raise Unavailable("the database does not answer")
        await super().add_event(call_id, number, event)

    async def update(self, call_id: str, fields: Mapping[str, Any]) -> None:
        if self.away:
            raise Unavailable("the database does not answer")
        await super().update(call_id, fields)


@dataclass
class Told:
    """Stands for signals and webhooks: keeps what it is told."""

    heard: list[Any] = field(default_factory=list)

    async def publish(self, tenant_id: str, *what: Any) -> None:
        self.heard.append((tenant_id, *what))


class Ended:
    end_reason = "caller_hung_up"

    def so_far(self) -> None:
        return None


@dataclass
class House:
    database: Database
    vault: Vault
    repository: AwayRepository
    directory: Path
    signals: Told
    webhooks: Told

    def closing(self) -> CallClosing:
        return CallClosing(
            calls_of=lambda tenant_id: self.repository,
            actions=None,  # type: ignore[arg-type]
            vault=self.vault,
            signals=self.signals,  # type: ignore[arg-type]
            webhooks=self.webhooks,  # type: ignore[arg-type]
            recordings_dir=self.directory / "recordings",
            clock=SystemClock(),
            metrics=CallMetrics(),
        )

    def files(self) -> list[Path]:
        return sorted((self.directory / "spool").rglob("*.*"))


@pytest.fixture
async def home(database: Database, tmp_path: Path) -> House:
    vault = Vault(database, MasterKey("a master key of the tests"))
    repository = AwayRepository(database.tenant("tenant_a"), SealedText(vault))
    call = Call(
        id="call_1",
        tenant_id="tenant_a",
        agent_id="agent_a",
        carrier_call_id="uuid-1",
        direction=Direction.INBOUND,
        from_number="+919812345678",
        to_number="+918047000001",
        status=CallStatus.RINGING,
        created_at=SystemClock().now(),
    )
    await repository.add(call)
    await vault.seal("tenant_a", b"the key is known", b"x")
    return House(database, vault, repository, tmp_path, Told(), Told())


async def end_without_store(home: House, closing: CallClosing) -> None:
    recorder = CallRecorder(lambda number, event: home.repository.add_event("call_1", number, event), keep_audio=False)
    home.repository.away = True
    writing = asyncio.create_task(recorder.run())
    for at_ms in range(5):
        recorder.emit(CallEvent(CallEventKind.CALLER_TURN, at_ms, {"text": "my secret words"}))
    now = asyncio.get_running_loop().time()
    recorder.finish(now + 0.1)
    await writing
    await closing.keep(CONTEXT, Ended(), recorder, now + 0.1, SystemClock().now())  # type: ignore[arg-type]


async def test_what_the_store_did_not_take_is_on_disk_sealed_and_stored_once_when_it_is_back(home: House) -> None:
    closing = home.closing()
    await end_without_store(home, closing)
    (file,) = home.files()
    assert file.parent.name == "tenant_a" and b"secret" not in file.read_bytes()
    with pytest.raises(Unavailable):
        await closing.replay()
    assert home.webhooks.heard == []
    home.repository.away = False
    assert await closing.replay() == 1
    assert home.files() == []
    assert [event["number"] for event in await home.repository.events("call_1")] == [1, 2, 3, 4, 5]
    call = await home.repository.get("call_1")
    assert call is not None and call.answered_at is not None and call.ended_at is not None
    assert (call.status, call.end_reason, call.lost_events) == (CallStatus.COMPLETED, "caller_hung_up", 0)
    ((tenant_id, event, told),) = home.webhooks.heard
    assert (tenant_id, event, told["call_id"]) == ("tenant_a", "call.ended", "call_1")
    assert await closing.replay() == 0


async def test_a_start_replays_what_an_earlier_process_left(home: House) -> None:
    await end_without_store(home, home.closing())
    home.repository.away = False
    done = asyncio.Event()

    async def heard(tenant_id: str, *what: Any) -> None:
        done.set()

    home.webhooks.publish = heard  # type: ignore[method-assign]
    running = asyncio.create_task(home.closing().run())
    async with asyncio.timeout(30):
        await done.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(await home.repository.events("call_1")) == 5


async def test_a_file_of_another_tenant_or_call_is_set_aside_not_stored(home: House) -> None:
    closing = home.closing()
    await end_without_store(home, closing)
    home.repository.away = False
    (file,) = home.files()
    stolen = file.with_name("call_2.sealed")
    file.rename(stolen)
    assert await closing.replay() == 0
    assert [left.name for left in home.files()] == ["call_2.unreadable"]
    assert await home.repository.events("call_1") == []


async def test_nothing_is_kept_of_a_forgotten_tenant(home: House) -> None:
    closing = home.closing()
    await end_without_store(home, closing)
    home.repository.away = False
    await home.vault.forget("tenant_a")
    assert await closing.replay() == 0
    assert home.files() == []


async def test_a_process_that_knows_the_key_seals_while_the_store_is_away(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Vault(home.database, MasterKey("a master key of the tests"), cache_seconds=0.0)
    await vault.seal("tenant_a", b"once", b"x")

    async def away(*_: Any, **__: Any) -> bytes:
        raise Unavailable("the database does not answer")

    monkeypatch.setattr(vault, "_stored_key", away)
    spool = CallSpool(home.directory / "spool", vault)
    await spool.put(LeftOver("tenant_a", "call_9", [], {"status": "completed"}))
    assert await spool.waiting() == [("tenant_a", "call_9")]
    with pytest.raises(Unavailable):
        await spool.read("tenant_a", "call_9")
    with pytest.raises(Unavailable):
        await vault.seal("tenant_b", b"never seen", b"x")
