"""Calls from the first ring to the last record: the carrier's webhooks on one side, live sessions on the other."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import structlog

from app.calls.actions import Actions
from app.calls.live import LiveSessions
from app.calls.models import FINAL_STATUS, Call, CallStatus
from app.calls.ports import CallRecord, CarrierAccount, Direction, NumberRoute, StreamClaim
from app.calls.recorder import CallRecorder
from app.calls.repository import CallRepository, find_by_carrier_id
from app.calls.session import CallContext, CallSession
from app.calls.thinking import Thinker
from app.dialogue.agents import AgentDirectory
from app.errors import AppError, CarrierError, Conflict, NotFound
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.logging import bind_context
from app.kit.mongo import Database
from app.kit.signals import Signals
from app.kit.vault import Vault
from app.speech.ear import Ears

_MACHINE_FIELD: Final = "machine"
_END_ATTEMPTS: Final = 4
_END_RETRY_SECONDS: Final = 0.5
_log = structlog.get_logger("calls")


class CallService:
    """Implements `CallRegistry`; opens and runs sessions for `LiveSessions`."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ears: Ears,
        thinker: Thinker,
        agents: AgentDirectory,
        actions: Actions,
        vault: Vault,
        signals: Signals,
        recordings_dir: Path,
        max_call_seconds: int,
        account_of: Callable[[str], Awaitable[CarrierAccount | None]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._ears = ears
        self._thinker = thinker
        self._agents = agents
        self._actions = actions
        self._vault = vault
        self._signals = signals
        self._recordings_dir = recordings_dir
        self._max_call_seconds = max_call_seconds
        self._account_of = account_of
        self._recorders: dict[str, CallRecorder] = {}
        self.live = LiveSessions(self._open_session, self._run_session)

    def calls_of(self, tenant_id: str) -> CallRepository:
        """Returns the calls of one tenant."""
        return CallRepository(self._database.tenant(tenant_id))

    # the carrier's webhooks

    async def ring(
        self,
        route: NumberRoute,
        *,
        carrier_call_id: str,
        from_number: str,
        to_number: str,
        direction: Direction,
        request_id: str | None = None,
    ) -> CallRecord:
        """Creates the call, or returns the one that exists; see `CallRegistry`.

        Raises:
            Conflict: The call is over, or another tenant's.
            NotFound: The number's agent does not exist.
        """
        call = Call(
            id=new_id("call"),
            tenant_id=route.tenant_id,
            agent_id=route.agent_id,
            carrier_call_id=carrier_call_id,
            direction=direction,
            from_number=from_number,
            to_number=to_number,
            status=CallStatus.RINGING,
            created_at=self._clock.now(),
        )
        setup = await self._agents.setup(call.tenant_id, call.agent_id)
        try:
            await self.calls_of(route.tenant_id).add(call)
        except Conflict:
            known = await find_by_carrier_id(self._database, carrier_call_id)
            if known is None or known.tenant_id != route.tenant_id:
                raise
            if known.status.is_final:
                raise Conflict(f"call {known.id} is over", code="call_over") from None
            call = known
        _log.info("calls.ring", tenant_id=call.tenant_id, call_id=call.id)
        self._thinker.prepare_opening(setup.profile)
        return CallRecord(call.id, call.tenant_id, call.agent_id)

    async def account_for(self, carrier_call_id: str) -> CarrierAccount | None:
        """Returns the carrier account of the call's tenant, or None if the call is unknown."""
        call = await find_by_carrier_id(self._database, carrier_call_id)
        return None if call is None else await self._account_of(call.tenant_id)

    async def on_status(self, carrier_call_id: str, fields: Mapping[str, str]) -> None:
        """Notes a step of the call."""
        call = await find_by_carrier_id(self._database, carrier_call_id)
        if call is not None:
            _log.info("calls.status", tenant_id=call.tenant_id, call_id=call.id, step=fields.get("event", ""))

    async def on_hangup(self, carrier_call_id: str, fields: Mapping[str, str]) -> None:
        """Ends the live session, if there is one, and notes how the call ended."""
        call = await find_by_carrier_id(self._database, carrier_call_id)
        if call is None:
            return
        self.live.end(call.id, "caller_hung_up")
        status = FINAL_STATUS.get(fields.get("CallStatus", "completed"), CallStatus.COMPLETED)
        await self.calls_of(call.tenant_id).update(
            call.id,
            {
                "status": status,
                "hangup_cause": fields.get("HangupCause") or fields.get("HangupCauseName"),
                "ended_at": call.ended_at or self._clock.now(),
            },
        )
        await self._signal(call.tenant_id, call.id, "ended")

    async def on_machine(self, carrier_call_id: str, result: str) -> None:
        """Notes that a machine answered, and ends its session: nobody is there to talk to."""
        call = await find_by_carrier_id(self._database, carrier_call_id)
        if call is not None:
            await self.calls_of(call.tenant_id).update(call.id, {_MACHINE_FIELD: result})
            session = self.live.get(call.id)
            if result == "machine" and session is not None:
                try:
                    await session.hang_up("answering_machine")
                except CarrierError as error:
                    _log.warning("calls.hang_up_failed", call_id=call.id, code=error.code)

    async def on_recording(self, carrier_call_id: str, url: str, fields: Mapping[str, str]) -> None:
        """Notes where the carrier keeps its own recording."""
        call = await find_by_carrier_id(self._database, carrier_call_id)
        if call is not None:
            await self.calls_of(call.tenant_id).update(call.id, {"carrier_recording_url": url})

    # sessions

    async def _open_session(self, claim: StreamClaim) -> CallSession:
        call = await self.calls_of(claim.tenant_id).get(claim.call_id)
        if call is None or call.status.is_final:
            raise NotFound(f"no call {claim.call_id} to attach to")
        setup = await self._agents.setup(call.tenant_id, call.agent_id)
        language = await self._agents.language_for(call.tenant_id, call.contact_number, setup.profile)
        context = CallContext(
            call_id=call.id,
            carrier_call_id=call.carrier_call_id,
            profile=setup.profile,
            caller_number=call.contact_number,
            language=language,
            max_seconds=self._max_call_seconds,
        )
        repository = self.calls_of(call.tenant_id)
        recorder = CallRecorder(
            lambda number, event: repository.add_event(call.id, number, event), keep_audio=setup.keep_audio
        )
        session = CallSession(context, self._ears, self._thinker, setup.tools, self._actions, recorder)
        self._recorders[call.id] = recorder
        return session

    async def _run_session(self, session: CallSession) -> None:
        context = session.context
        recorder = self._recorders[context.call_id]
        bind_context(tenant_id=context.profile.tenant_id, call_id=context.call_id)
        noting = asyncio.create_task(self._note_answered(context))
        writing = asyncio.create_task(recorder.run())
        try:
            await session.run()
        finally:
            recorder.finish()
            await asyncio.gather(noting, writing, return_exceptions=True)
            del self._recorders[context.call_id]
            await self._keep(context, session, recorder)

    async def _note_answered(self, context: CallContext) -> None:
        tenant_id = context.profile.tenant_id
        fields = {"status": CallStatus.IN_PROGRESS, "answered_at": self._clock.now()}
        try:
            await self.calls_of(tenant_id).update(context.call_id, fields)
            await self._signal(tenant_id, context.call_id, "answered")
        except AppError as error:
            _log.error("calls.answer_not_noted", code=error.code)

    async def _keep(self, context: CallContext, session: CallSession, recorder: CallRecorder) -> None:
        fields: dict[str, Any] = {
            "status": CallStatus.COMPLETED,
            "ended_at": self._clock.now(),
            "end_reason": session.end_reason or "shutdown",
        }
        try:
            if (call := session.so_far()) is not None:
                await self._actions.remember(call, fields["end_reason"])
        except AppError as error:
            _log.error("calls.not_remembered", code=error.code)
        try:
            fields["recording_bytes"] = await self._keep_recording(context, recorder)
        except (AppError, OSError) as error:
            _log.error("calls.recording_lost", call_id=context.call_id, error=type(error).__name__)
        await self._note_ended(context, fields)

    async def _keep_recording(self, context: CallContext, recorder: CallRecorder) -> int | None:
        tenant_id = context.profile.tenant_id
        recording = await asyncio.to_thread(recorder.recording)
        if recording is None:
            return None
        sealed = await self._vault.seal(tenant_id, recording, context.call_id.encode())
        await asyncio.to_thread(_write_atomically, self._recording_path(tenant_id, context.call_id), sealed)
        return len(recording)

    async def _note_ended(self, context: CallContext, fields: Mapping[str, Any]) -> None:
        tenant_id = context.profile.tenant_id
        for attempt in range(1, _END_ATTEMPTS + 1):
            try:
                await self.calls_of(tenant_id).update(context.call_id, fields)
                break
            except AppError as error:
                if attempt == _END_ATTEMPTS or not error.retryable:
                    raise
                await asyncio.sleep(_END_RETRY_SECONDS * attempt)
        await self._signal(tenant_id, context.call_id, "ended")

    async def hang_up(self, call: Call) -> bool:
        """Hangs a call up that is live in this process; returns whether it was."""
        session = self.live.get(call.id)
        if session is None:
            return False
        await session.hang_up("api")
        return True

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

    def _recording_path(self, tenant_id: str, call_id: str) -> Path:
        return self._recordings_dir / tenant_id / f"{call_id}.wav.sealed"

    async def _signal(self, tenant_id: str, call_id: str, what: str) -> None:
        await self._signals.publish(tenant_id, {"type": f"call.{what}", "call_id": call_id})


def _write_atomically(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_bytes(content)
    draft.replace(path)
