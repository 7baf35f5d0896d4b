"""Dials what is due as lines are free and follows each call to its end; the gate is asked before every dial."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from app.audit.log import AuditLog
from app.calls.ports import CarrierAccount, OutboundBrief, UnansweredCall
from app.errors import AppError, CarrierError
from app.kit.clock import Clock
from app.outbound.models import ACTIVE, OutboundCall, OutboundStatus
from app.outbound.ports import Dialler, DialOrder
from app.outbound.service import OutboundService, reasons_json

SWEEP: Final = "outbound.sweep"
SWEEP_SECONDS: Final = 30
RING_SECONDS: Final = 40
_RATE: Final = timedelta(seconds=1)
_LINE_WAIT: Final = timedelta(seconds=10)
_CALLEE_WAIT: Final = timedelta(minutes=2)
_FAULT_WAIT: Final = timedelta(seconds=30)
_LOST_AFTER: Final = timedelta(seconds=RING_SECONDS + 120)
_MOST_FAULTS: Final = 3
_BATCH: Final = 200
_log = structlog.get_logger("outbound")

# Source: Plivo's CallStatus values on hangup.
_ENDED: Final[Mapping[str, OutboundStatus]] = {
    "busy": OutboundStatus.BUSY,
    "rejected": OutboundStatus.BUSY,
    "no-answer": OutboundStatus.NO_ANSWER,
    "timeout": OutboundStatus.NO_ANSWER,
    "cancel": OutboundStatus.NO_ANSWER,
    "failed": OutboundStatus.FAILED,
}
_TRIED_AGAIN: Final = (OutboundStatus.BUSY, OutboundStatus.NO_ANSWER)


@dataclass(frozen=True, slots=True)
class Lines:
    """How many calls out a tenant may hold at once, and place in a second."""

    at_once: int
    per_second: int


class Dialling:
    """The jobs, and `OutboundCalls` for the carrier's webhooks."""

    def __init__(
        self,
        *,
        service: OutboundService,
        dialler: Dialler,
        account_of: Callable[[str], Awaitable[CarrierAccount | None]],
        is_on_call: Callable[[str, str], Awaitable[bool]],
        full: Callable[[str], Awaitable[str | None]],
        missed: Callable[[OutboundCall], Awaitable[None]],
        audit: AuditLog,
        lines: Lines,
        max_call_seconds: int,
        clock: Clock,
    ) -> None:
        """Takes what it needs.

        Args:
            service: The calls and the gate.
            dialler: The carrier.
            account_of: A tenant's account there.
            is_on_call: Whether a tenant's live calls include one with a number.
            full: Why a tenant may have no further call before one ends; None: it may.
            missed: Told of a call that nobody answered, and that is not dialled again.
            audit: The log.
            lines: A tenant's limits.
            max_call_seconds: The longest call.
            clock: Time.
        """
        self._service = service
        self._calls = service.calls
        self._dialler = dialler
        self._account_of = account_of
        self._is_on_call = is_on_call
        self._full = full
        self._missed = missed
        self._audit = audit
        self._lines = lines
        self._longest = timedelta(seconds=max_call_seconds) + _LOST_AFTER
        self._clock = clock

    async def dial(self, tenant_id: str, call_id: str) -> None:
        """Dials one call if it is due, allowed and a line is free; a job, run again without harm.

        Raises:
            Unavailable: A store does not answer; nothing was dialled.
        """
        now = self._clock.now()
        known = await self._calls.get(tenant_id, call_id)
        if known is None or known.status is not OutboundStatus.QUEUED or known.due_at > now + _RATE:
            return
        claim = {"status": OutboundStatus.DIALLING.value, "claimed_at": now, "on_line": False}
        call = await self._calls.change(tenant_id, call_id, (OutboundStatus.QUEUED,), claim)
        if call is None:
            return
        try:
            if await self._let_through(call, now) and await self._has_line(call, now):
                await self._place(call)
        except AppError:
            if not await self._is_placed(call):
                await self._queue_again(call, now + _FAULT_WAIT)
            raise

    async def sweep(self) -> int:
        """Leaves a job for every call that is due, and ends those whose end was never told; returns how many."""
        now = self._clock.now()
        due = await self._calls.due(now + timedelta(seconds=SWEEP_SECONDS), _BATCH)
        for tenant_id, call_id in due:
            call = await self._calls.get(tenant_id, call_id)
            if call is not None:
                await self._service.enqueue(call)
        stuck = await self._calls.stuck(now - _LOST_AFTER, now - self._longest, _BATCH)
        for tenant_id, call_id in stuck:
            call = await self._calls.get(tenant_id, call_id)
            if call is not None:
                await self._end(call, OutboundStatus.FAILED, "lost")
        return len(due) + len(stuck)

    # the carrier's webhooks, through `CallService`

    async def answering(self, tenant_id: str, call_id: str, to_number: str) -> OutboundBrief | None:
        """Notes that a person picked up; None where we dialled no such call. See `OutboundCalls`."""
        known = await self._calls.get(tenant_id, call_id)
        if known is None or known.to_number != to_number:
            return None
        changes = {"status": OutboundStatus.IN_PROGRESS.value}
        call = await self._calls.change(tenant_id, call_id, ACTIVE, changes)
        return None if call is None else _brief(call)

    async def brief(self, tenant_id: str, call_id: str) -> OutboundBrief | None:
        """Returns what the agent must know of a call; see `OutboundCalls`."""
        call = await self._calls.get(tenant_id, call_id)
        return None if call is None else _brief(call)

    async def unanswered(self, tenant_id: str, call_id: str) -> UnansweredCall | None:
        """Returns a call that nobody has answered; see `OutboundCalls`."""
        call = await self._calls.get(tenant_id, call_id)
        if call is None:
            return None
        return UnansweredCall(
            call.call_id,
            call.agent_id,
            call.from_number,
            call.to_number,
            call.status.value,
            call.created_at,
            call.ended_at,
            call.end_reason,
        )

    async def on_ringing(self, tenant_id: str, call_id: str) -> None:
        """Notes that it rings; see `OutboundCalls`."""
        await self._calls.change(
            tenant_id, call_id, (OutboundStatus.DIALLING,), {"status": OutboundStatus.RINGING.value}
        )

    async def on_ended(self, tenant_id: str, call_id: str, fields: Mapping[str, str], *, answered: bool) -> None:
        """Notes the end; a call that nobody took is dialled again if that was asked for. See `OutboundCalls`."""
        call = await self._calls.get(tenant_id, call_id)
        if call is None or call.status not in ACTIVE:
            return
        status = OutboundStatus.COMPLETED
        if not answered:
            status = _ENDED.get(fields.get("CallStatus", "").lower(), OutboundStatus.NO_ANSWER)
        if status in _TRIED_AGAIN and len(call.attempts_at) <= call.retries:
            self._service.metrics.attempts.labels(status.value).inc()
            await self._queue_again(call, self._clock.now() + timedelta(minutes=call.retry_minutes))
            return
        if await self._end(call, status, fields.get("HangupCause") or None) and status in _TRIED_AGAIN:
            await self._missed(call)

    # one dial

    async def _let_through(self, call: OutboundCall, now: datetime) -> bool:
        decision = await self._service.decide(call, now, stage="dialling")
        await self._service.audit_decision("system", call, decision, "dialling")
        if decision.allowed:
            return True
        refusals = reasons_json(decision.reasons)
        if call.wait_for_window and decision.next_allowed_at is not None:
            await self._queue_again(call, decision.next_allowed_at, refusals=refusals)
        else:
            await self._end(call, OutboundStatus.CANCELLED, decision.reasons[0].code, refusals=refusals)
        return False

    async def _has_line(self, call: OutboundCall, now: datetime) -> bool:
        """Whether the tenant may dial now and the person is not on another call; else the call waits its turn."""
        before = [
            row
            for row in await self._calls.holding_lines(call.tenant_id)
            if row["_id"] != call.call_id and (row.get("on_line") or row["_id"] < call.call_id)
        ]
        wait = None
        if any(row["to_number"] == call.to_number for row in before):
            wait = _CALLEE_WAIT
        elif await self._is_on_call(call.tenant_id, call.to_number):
            wait = _CALLEE_WAIT
        elif len(before) >= self._lines.at_once or await self._full(call.tenant_id) is not None:
            wait = _LINE_WAIT
        elif await self._calls.placed_since(call.tenant_id, now - _RATE) >= self._lines.per_second:
            wait = _RATE
        if wait is not None:
            await self._queue_again(call, now + wait)
        return wait is None

    async def _place(self, call: OutboundCall) -> None:
        account = await self._account_of(call.tenant_id)
        if account is None:
            await self._end(call, OutboundStatus.CANCELLED, "carrier_account_missing")
            return
        now = self._clock.now()
        placed = {"on_line": True, "dialled_at": now, "claimed_at": now}
        if await self._calls.change(call.tenant_id, call.call_id, (OutboundStatus.DIALLING,), placed, now) is None:
            return
        order = DialOrder(call.call_id, call.from_number, call.to_number, RING_SECONDS, call.detect_machine)
        try:
            request_id = await self._dialler.dial(account, order)
        except CarrierError as error:
            await self._not_placed(call, error)
            return
        await self._calls.change(call.tenant_id, call.call_id, tuple(OutboundStatus), {"request_id": request_id})
        data = {"to": call.to_number, "request_id": request_id, "attempt": len(call.attempts_at) + 1}
        await self._audit.record(call.tenant_id, "system", "outbound_call.dialled", call.call_id, data)

    async def _not_placed(self, call: OutboundCall, error: CarrierError) -> None:
        """Waits for the webhooks where the outcome is unknown, dials later where the carrier says so, else gives up."""
        _log.warning("outbound.not_placed", tenant_id=call.tenant_id, call_id=call.call_id, code=error.code)
        if error.code == "carrier_outcome_unknown":
            return
        if error.retryable and call.faults + 1 < _MOST_FAULTS:
            await self._queue_again(call, self._clock.now() + _FAULT_WAIT, faults=call.faults + 1)
        else:
            await self._end(call, OutboundStatus.FAILED, error.code)

    async def _is_placed(self, call: OutboundCall) -> bool:
        rows = await self._calls.holding_lines(call.tenant_id)
        return any(row["_id"] == call.call_id and row.get("on_line") for row in rows)

    async def _queue_again(self, call: OutboundCall, due_at: datetime, **changes: Any) -> None:
        changes |= {"status": OutboundStatus.QUEUED.value, "due_at": due_at, "on_line": False}
        queued = await self._calls.change(call.tenant_id, call.call_id, ACTIVE, changes)
        if queued is not None:
            await self._service.enqueue(queued)

    async def _end(self, call: OutboundCall, status: OutboundStatus, reason: str | None, **changes: Any) -> bool:
        """Notes the end; returns False where it had ended before."""
        changes |= {"status": status.value, "ended_at": self._clock.now(), "end_reason": reason, "on_line": False}
        if await self._calls.change(call.tenant_id, call.call_id, ACTIVE, changes) is None:
            return False
        self._service.metrics.attempts.labels(status.value).inc()
        data = {"status": status.value, "reason": reason}
        await self._audit.record(call.tenant_id, "system", "outbound_call.ended", call.call_id, data)
        return True


def _brief(call: OutboundCall) -> OutboundBrief:
    return OutboundBrief(
        call_id=call.call_id,
        agent_id=call.agent_id,
        from_number=call.from_number,
        language=call.language,
        about=call.about,
        variables=call.variables,
        purpose=call.purpose.value,
        voicemail_number=call.voicemail_number,
    )
