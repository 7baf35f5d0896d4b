"""Builds the sessions of calls from what is stored about them, lives them, and has their ends written down."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

import structlog

from app.calls.actions import Actions
from app.calls.briefing import briefed, caller_of
from app.calls.closing import CLOSING_SECONDS, CallClosing
from app.calls.events import CallEvent
from app.calls.models import CallStatus
from app.calls.observing import CallMetrics, CallObserver
from app.calls.ports import Direction, OutboundCalls, StreamClaim
from app.calls.recorder import CallRecorder
from app.calls.repository import CallRepository
from app.calls.session import CallContext, CallSession
from app.calls.thinking import Thinker
from app.compliance.killswitch import KillMode, KillSwitchWatch
from app.dialogue.agents import AgentDirectory
from app.errors import AppError, NotFound
from app.kit.clock import Clock
from app.kit.logging import bind_context
from app.kit.signals import Signals
from app.kit.tracing import within
from app.speech.ear import Ears
from app.webhooks.models import EventType
from app.webhooks.service import Webhooks

_log = structlog.get_logger("calls")


class Sessions:
    """What `LiveSessions` opens and runs.

    Args:
        calls_of: The calls of a tenant.
        ears: Where speech slots are.
        thinker: The present mind.
        agents: Who answers.
        actions: What a call does outside itself.
        signals: Tells listeners.
        webhooks: Tells tenants' servers; None tells nobody.
        outbound: The calls that we placed.
        watch: The kill switches, as last read.
        closing: Writes ends down.
        metrics: Figures.
        clock: Time.
        max_call_seconds: The longest call.
    """

    def __init__(
        self,
        *,
        calls_of: Callable[[str], CallRepository],
        ears: Ears,
        thinker: Callable[[], Thinker],
        agents: AgentDirectory,
        actions: Actions,
        signals: Signals,
        webhooks: Webhooks | None,
        outbound: OutboundCalls | None,
        watch: KillSwitchWatch | None,
        closing: CallClosing,
        metrics: CallMetrics,
        clock: Clock,
        max_call_seconds: int,
    ) -> None:
        self._calls_of = calls_of
        self._ears = ears
        self._thinker = thinker
        self._agents = agents
        self._actions = actions
        self._signals = signals
        self._webhooks = webhooks
        self._outbound = outbound
        self._watch = watch
        self._closing = closing
        self._metrics = metrics
        self._clock = clock
        self._max_call_seconds = max_call_seconds
        self._recorders: WeakKeyDictionary[CallSession, CallRecorder] = WeakKeyDictionary()
        self._observers: WeakKeyDictionary[CallSession, CallObserver] = WeakKeyDictionary()

    async def open(self, claim: StreamClaim) -> CallSession:
        """Builds the session of a call that rings.

        Raises:
            NotFound: There is no such call, or it is over.
            Unavailable: No speech slot is free.
        """
        call = await self._calls_of(claim.tenant_id).get(claim.call_id)
        if call is None or call.status.is_final:
            raise NotFound(f"no call {claim.call_id} to attach to")
        setup = await self._agents.setup(call.tenant_id, call.agent_id, caller_of(call))
        brief = None
        if call.direction == Direction.OUTBOUND and self._outbound is not None:
            brief = await self._outbound.brief(call.tenant_id, call.id)
        profile = briefed(setup.profile, brief)
        language = profile.default_language
        if brief is None:
            language = await self._agents.language_for(call.tenant_id, call.contact_number, profile)
        context = CallContext(
            call_id=call.id,
            carrier_call_id=call.carrier_call_id,
            profile=profile,
            caller_number=call.contact_number,
            language=language,
            max_seconds=self._max_call_seconds,
            insight=setup.insight,
        )
        repository = self._calls_of(call.tenant_id)

        async def write(number: int, event: CallEvent) -> None:
            await repository.add_event(call.id, number, event)
            told = {"type": "call.event", "call_id": call.id, "number": number, "kind": event.kind}
            await self._signals.publish(call.tenant_id, told)

        observer = CallObserver(self._metrics, call.tenant_id, call.agent_id, call.id)
        recorder = CallRecorder(write, keep_audio=setup.keep_audio, watch=observer.take)

        def switched() -> KillMode:
            return self._watch.mode(call.tenant_id, call.agent_id) if self._watch is not None else KillMode.OFF

        session = CallSession(context, self._ears, self._thinker(), setup.tools, self._actions, recorder, switched)
        self._recorders[session], self._observers[session] = recorder, observer
        return session

    async def run(self, session: CallSession) -> None:
        """Lives a session and writes its end down."""
        context = session.context
        recorder = self._recorders[session]
        bind_context(tenant_id=context.profile.tenant_id, call_id=context.call_id)
        answered_at = self._clock.now()
        noting = asyncio.create_task(self._note_answered(context, answered_at))
        writing = asyncio.create_task(recorder.run())
        try:
            with within(self._observers[session].span):
                await session.run()
        finally:
            by = asyncio.get_running_loop().time() + CLOSING_SECONDS
            recorder.finish(by)
            await asyncio.gather(noting, writing, return_exceptions=True)
            await self._closing.keep(context, session, recorder, by, answered_at)

    async def _note_answered(self, context: CallContext, answered_at: datetime) -> None:
        tenant_id = context.profile.tenant_id
        fields = {"status": CallStatus.IN_PROGRESS, "answered_at": answered_at}
        try:
            await self._calls_of(tenant_id).update(context.call_id, fields)
            await self._signals.publish(tenant_id, {"type": "call.answered", "call_id": context.call_id})
            await self._tell(EventType.CALL_ANSWERED, context)
        except AppError as error:
            _log.error("calls.answer_not_noted", code=error.code)

    async def _tell(self, event: EventType, context: CallContext, **more: Any) -> None:
        if self._webhooks is not None:
            profile = context.profile
            data = {"call_id": context.call_id, "agent_id": profile.agent_id, "contact": context.caller_number}
            await self._webhooks.publish(profile.tenant_id, event, {**data, **more})
