"""Writes the end of a call down: what to remember, the recording, the record; while the store is away, to the spool."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog

from app.calls.actions import Actions, CallSoFar
from app.calls.models import Call, CallStatus
from app.calls.observing import CallMetrics
from app.calls.recorder import CallRecorder
from app.calls.repository import CallRepository
from app.calls.session import CallContext, CallSession
from app.calls.spool import CallSpool, LeftOver, write_atomically
from app.errors import AppError, NotFound
from app.kit.clock import Clock
from app.kit.retry import until_done
from app.kit.signals import Signals
from app.kit.vault import Vault
from app.webhooks.models import EventType
from app.webhooks.service import Webhooks

CLOSING_SECONDS: Final = 5.0
"""How long the record of an ended call may wait for the store: the process has ten seconds to stop."""
_LAST_NOTE_SECONDS: Final = 1.0
_AGAIN_SECONDS: Final = 2.0
_MOST_MEMORIES: Final = 1_000
_log = structlog.get_logger("calls")


class CallClosing:
    """Ends of calls, and the replay of those that the store did not take at once.

    Args:
        calls_of: The calls of a tenant.
        actions: Remembers what a conversation goes on with.
        vault: Seals recordings.
        signals: Tells listeners.
        webhooks: Tells tenants' servers; None tells nobody.
        recordings_dir: Where recordings are kept; the spool is the folder `spool` beside it.
        clock: Time.
        metrics: Counts what went to disk.
    """

    def __init__(
        self,
        *,
        calls_of: Callable[[str], CallRepository],
        actions: Actions,
        vault: Vault,
        signals: Signals,
        webhooks: Webhooks | None,
        recordings_dir: Path,
        clock: Clock,
        metrics: CallMetrics,
    ) -> None:
        self._calls_of = calls_of
        self._actions = actions
        self._vault = vault
        self._signals = signals
        self._webhooks = webhooks
        self._recordings_dir = recordings_dir
        self._clock = clock
        self._metrics = metrics
        self._spool = CallSpool(recordings_dir.parent / "spool", vault)
        self._memories: deque[tuple[CallSoFar, str]] = deque(maxlen=_MOST_MEMORIES)
        self._wake = asyncio.Event()
        self._wake.set()

    async def keep(
        self, context: CallContext, session: CallSession, recorder: CallRecorder, by: float, answered_at: datetime
    ) -> None:
        """Writes the end of a call down; each part waits for the store until `by`, in the running loop's time."""
        tenant_id, reason = context.profile.tenant_id, session.end_reason or "shutdown"
        call = session.so_far()
        if call is not None:
            await self._remember(call, reason, by)
        fields: dict[str, Any] = {
            "status": CallStatus.COMPLETED,
            "answered_at": answered_at,
            "ended_at": self._clock.now(),
            "end_reason": reason,
            "lost_events": recorder.lost_events,
        }
        try:
            fields["recording_bytes"] = await until_done(lambda: self._keep_recording(context, recorder), by=by)
        except (AppError, OSError) as error:
            _log.error("calls.recording_lost", call_id=context.call_id, error=type(error).__name__)
        told = _told(context, end_reason=reason, language=call.language if call else None)
        left = LeftOver(tenant_id, context.call_id, recorder.unwritten, fields, told)
        try:
            if left.events:
                raise _StillAway
            repository = self._calls_of(tenant_id)
            await until_done(lambda: repository.update(context.call_id, fields), by=by + _LAST_NOTE_SECONDS)
            await self._tell(tenant_id, context.call_id, told)
        except (_StillAway, AppError):
            await self._spool_away(left)

    async def _remember(self, call: CallSoFar, reason: str, by: float) -> None:
        try:
            await until_done(lambda: self._actions.remember(call, reason), by=by)
        except AppError as error:
            _log.error("calls.not_remembered", code=error.code, retried=error.retryable)
            if error.retryable:
                self._memories.append((call, reason))
                self._wake.set()

    async def _spool_away(self, left: LeftOver) -> None:
        try:
            await self._spool.put(left)
            self._metrics.spooled.inc()
            _log.warning("calls.spooled", tenant_id=left.tenant_id, call_id=left.call_id, events=len(left.events))
            self._wake.set()
        except (AppError, OSError) as error:
            self._metrics.lost_events.inc(len(left.events))
            _log.error("calls.events_lost", call_id=left.call_id, events=len(left.events), error=type(error).__name__)

    async def run(self) -> None:
        """Stores what waits in the spool whenever the store is there, at start-up too; runs until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.replay()
            except (AppError, OSError) as error:
                _log.warning("calls.replay_waits", error=type(error).__name__)
                self._wake.set()
                await asyncio.sleep(_AGAIN_SECONDS)

    async def replay(self) -> int:
        """Stores everything that waits; returns how many calls were completed.

        Raises:
            Unavailable: The store is away again; what is left stays.
        """
        stored = 0
        for tenant_id, call_id in await self._spool.waiting():
            left = await self._spool.read(tenant_id, call_id)
            if left is None:
                continue
            await self._store(left)
            await self._spool.remove(tenant_id, call_id)
            stored += 1
        while self._memories:
            call, reason = self._memories[0]
            try:
                await self._actions.remember(call, reason)
            except AppError as error:
                if error.retryable:
                    raise
                _log.error("calls.not_remembered", code=error.code, retried=False)
            self._memories.popleft()
        return stored

    async def _store(self, left: LeftOver) -> None:
        repository = self._calls_of(left.tenant_id)
        for number, event in left.events:
            await repository.add_event(left.call_id, number, event)
        await repository.update(left.call_id, left.fields)
        _log.info("calls.replayed", tenant_id=left.tenant_id, call_id=left.call_id, events=len(left.events))
        await self._tell(left.tenant_id, left.call_id, left.told)

    async def _tell(self, tenant_id: str, call_id: str, told: Mapping[str, Any] | None) -> None:
        await self._signals.publish(tenant_id, {"type": "call.ended", "call_id": call_id})
        if self._webhooks is not None and told is not None:
            await self._webhooks.publish(tenant_id, EventType.CALL_ENDED, told)

    # recordings

    async def recording(self, call: Call) -> bytes:
        """Returns a call's recording as a WAV file.

        Raises:
            NotFound: Nothing was recorded.
        """
        path = self._recording_path(call.tenant_id, call.id)
        try:
            sealed = await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError as error:
            raise NotFound(f"call {call.id} has no recording", code="no_recording") from error
        return await self._vault.open(call.tenant_id, sealed, call.id.encode())

    async def _keep_recording(self, context: CallContext, recorder: CallRecorder) -> int | None:
        tenant_id = context.profile.tenant_id
        recording = await asyncio.to_thread(recorder.recording)
        if recording is None:
            return None
        sealed = await self._vault.seal(tenant_id, recording, context.call_id.encode())
        await asyncio.to_thread(write_atomically, self._recording_path(tenant_id, context.call_id), sealed)
        return len(recording)

    def _recording_path(self, tenant_id: str, call_id: str) -> Path:
        return self._recordings_dir / tenant_id / f"{call_id}.wav.sealed"


class _StillAway(Exception):
    """Events of the call are not stored: its end is not written before them."""


def _told(context: CallContext, **more: Any) -> dict[str, Any]:
    profile = context.profile
    return {"call_id": context.call_id, "agent_id": profile.agent_id, "contact": context.caller_number, **more}
