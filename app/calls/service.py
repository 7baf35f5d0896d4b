"""Calls from the first ring to the last record: the carrier's webhooks on one side, live sessions on the other."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import structlog

from app.audit.log import AuditLog
from app.calls.actions import Actions
from app.calls.briefing import briefed, caller_of
from app.calls.closing import CallClosing
from app.calls.live import LiveSessions
from app.calls.models import FINAL_STATUS, Call, CallStatus
from app.calls.observing import CallMetrics
from app.calls.ports import (
    Announcement,
    CallRecord,
    CarrierAccount,
    Direction,
    NumberRoute,
    OutboundBrief,
    OutboundCalls,
    UnansweredCall,
)
from app.calls.repository import CallRepository, find_by_carrier_id
from app.calls.sessions import Sessions
from app.calls.thinking import Thinker
from app.calls.transfers import Transfers
from app.compliance.killswitch import KillMode, KillSwitches, KillSwitchWatch
from app.dialogue.agents import AgentDirectory
from app.errors import CarrierError, Conflict, Forbidden
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Database
from app.kit.sealed import SealedText
from app.kit.signals import Signals
from app.kit.vault import Vault
from app.speech.ear import Ears
from app.webhooks.service import Webhooks

_MACHINE_FIELD: Final = "machine"
_log = structlog.get_logger("calls")


class CallService:
    """Implements `CallRegistry`; hands their sessions to `LiveSessions`."""

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
        webhooks: Webhooks | None = None,
        kill_switches: KillSwitches | None = None,
        audit: AuditLog | None = None,
        outbound: OutboundCalls | None = None,
        metrics: CallMetrics | None = None,
        most_of_a_tenant: int | None = None,
    ) -> None:
        self._audit = audit
        self._database = database
        self._clock = clock
        self._thinker = thinker
        self._agents = agents
        self._vault = vault
        self._sealed = SealedText(vault)
        self._signals = signals
        self._account_of = account_of
        self._kill_switches = kill_switches
        self._outbound = outbound
        self.watch = KillSwitchWatch(kill_switches) if kill_switches is not None else None
        metrics = metrics or CallMetrics()
        self.closing = CallClosing(
            calls_of=self.calls_of,
            actions=actions,
            vault=vault,
            signals=signals,
            webhooks=webhooks,
            recordings_dir=recordings_dir,
            clock=clock,
            metrics=metrics,
        )
        self._transfers = Transfers(database, self.calls_of, agents, actions, lambda: self._thinker)
        sessions = Sessions(
            calls_of=self.calls_of,
            ears=ears,
            thinker=lambda: self._thinker,
            agents=agents,
            actions=actions,
            signals=signals,
            webhooks=webhooks,
            outbound=outbound,
            watch=self.watch,
            closing=self.closing,
            metrics=metrics,
            clock=clock,
            max_call_seconds=max_call_seconds,
        )
        self.live = LiveSessions(sessions.open, sessions.run, most_of_a_tenant)

    def think_with(self, thinker: Thinker) -> None:
        """Gives the calls that ring from now on another mind."""
        self._thinker = thinker

    def calls_of(self, tenant_id: str) -> CallRepository:
        """Returns the calls of one tenant."""
        return CallRepository(self._database.tenant(tenant_id), self._sealed, self._audit)

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
        placed_as: str | None = None,
    ) -> CallRecord:
        """Creates the call, or returns the one that exists; see `CallRegistry`.

        Raises:
            Conflict: The call is over, or another tenant's.
            Forbidden: The agent's kill switch says `stop`, or we placed no such call.
            NotFound: The number's agent does not exist.
        """
        await self._check_switch(route)
        brief = None
        if direction is Direction.OUTBOUND:
            brief = await self._placed(route.tenant_id, placed_as, from_number, to_number)
        call = Call(
            id=brief.call_id if brief is not None else new_id("call"),
            tenant_id=route.tenant_id,
            agent_id=brief.agent_id if brief is not None else route.agent_id,
            carrier_call_id=carrier_call_id,
            direction=direction,
            from_number=from_number,
            to_number=to_number,
            status=CallStatus.RINGING,
            created_at=self._clock.now(),
        )
        setup = await self._agents.setup(call.tenant_id, call.agent_id, caller_of(call))
        profile = briefed(setup.profile, brief)
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
        self._thinker.prepare_opening(profile)
        self._agents.expect(setup)
        return CallRecord(call.id, call.tenant_id, call.agent_id)

    async def _placed(self, tenant_id: str, placed_as: str | None, from_number: str, to_number: str) -> OutboundBrief:
        brief = None
        if self._outbound is not None and placed_as is not None:
            brief = await self._outbound.answering(tenant_id, placed_as, to_number)
        if brief is None or brief.from_number != from_number:
            raise Forbidden("we placed no such call", code="call_not_placed")
        return brief

    async def _check_switch(self, route: NumberRoute) -> None:
        if self._kill_switches is None:
            return
        if await self._kill_switches.mode(route.tenant_id, route.agent_id) is KillMode.STOP:
            raise Forbidden("the agent takes no calls: its kill switch is set", code="kill_switch")

    async def unanswered(self, tenant_id: str, call_id: str) -> UnansweredCall | None:
        """Returns a call that we place and that nobody has answered, or None."""
        return None if self._outbound is None else await self._outbound.unanswered(tenant_id, call_id)

    async def account_for(self, carrier_call_id: str) -> CarrierAccount | None:
        """Returns the carrier account of the call's tenant, or None if the call is unknown.

        Raises:
            Forbidden: The call's tenant has no account any more: nobody can sign for it.
        """
        call = await find_by_carrier_id(self._database, carrier_call_id)
        if call is None:
            return None
        if (account := await self._account_of(call.tenant_id)) is None:
            raise Forbidden("the call's tenant has no carrier account", code="bad_signature")
        return account

    async def on_status(self, carrier_call_id: str, fields: Mapping[str, str]) -> None:
        """Notes a step of the call."""
        call = await find_by_carrier_id(self._database, carrier_call_id)
        if call is not None:
            _log.info("calls.status", tenant_id=call.tenant_id, call_id=call.id, step=fields.get("event", ""))

    async def whisper(self, carrier_call_id: str) -> Announcement | None:
        """Returns what the person hears before the caller is joined to them; see `CallRegistry`."""
        return await self._transfers.whisper(carrier_call_id)

    async def on_transfer_ended(self, carrier_call_id: str, *, reached: bool) -> Announcement | None:
        """Takes the end of a transfer; see `CallRegistry`."""
        return await self._transfers.on_ended(carrier_call_id, reached=reached)

    async def on_hangup(self, carrier_call_id: str, fields: Mapping[str, str]) -> None:
        """Ends the live session, if there is one, and notes how the call ended."""
        call = await find_by_carrier_id(self._database, carrier_call_id)
        if call is None:
            return
        self.live.end(call.id, "caller_hung_up")
        if call.direction == Direction.OUTBOUND and self._outbound is not None:
            await self._outbound.on_ended(call.tenant_id, call.id, fields, answered=True)
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

    async def on_unanswered(self, route: NumberRoute, placed_as: str, fields: Mapping[str, str]) -> None:
        """Takes a step of a call that we placed and nobody has answered; see `CallRegistry`."""
        if self._outbound is None:
            return
        brief = await self._outbound.brief(route.tenant_id, placed_as)
        if brief is None or brief.from_number != route.number:
            return
        if fields.get("event") == "ring":
            await self._outbound.on_ringing(route.tenant_id, placed_as)
        else:
            await self._outbound.on_ended(route.tenant_id, placed_as, fields, answered=False)

    async def on_machine(self, carrier_call_id: str, result: str) -> None:
        """Notes that a machine answered; its session leaves a message, if the call has one, and ends."""
        call = await find_by_carrier_id(self._database, carrier_call_id)
        if call is None:
            return
        await self.calls_of(call.tenant_id).update(call.id, {_MACHINE_FIELD: result})
        session = self.live.get(call.id)
        if result != "machine" or session is None:
            return
        brief = await self._outbound.brief(call.tenant_id, call.id) if self._outbound is not None else None
        try:
            if brief is None or brief.voicemail_number is None or not session.leave_message(brief.voicemail_number):
                await session.hang_up("answering_machine")
        except CarrierError as error:
            _log.warning("calls.hang_up_failed", call_id=call.id, code=error.code)

    async def on_recording(self, carrier_call_id: str, url: str, fields: Mapping[str, str]) -> None:
        """Notes where the carrier keeps its own recording."""
        call = await find_by_carrier_id(self._database, carrier_call_id)
        if call is not None:
            await self.calls_of(call.tenant_id).update(call.id, {"carrier_recording_url": url})

    async def hang_up(self, call: Call) -> bool:
        """Hangs a call up that is live in this process; returns whether it was."""
        session = self.live.get(call.id)
        if session is None:
            return False
        await session.hang_up("api")
        return True

    async def _signal(self, tenant_id: str, call_id: str, what: str, **more: Any) -> None:
        await self._signals.publish(tenant_id, {"type": f"call.{what}", "call_id": call_id, **more})
