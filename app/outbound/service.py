"""Places calls: asked for over REST, through the gate when asked for and again at the moment of dialling."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from app.agents.phone_numbers import PhoneNumberService
from app.agents.service import AgentService
from app.audit.log import AuditLog
from app.compliance.calling_rules import CallingRules, CallPurpose
from app.compliance.gate import GateDecision, Reason, decide
from app.errors import AppError, Conflict, FieldError, Forbidden, NotFound, Unprocessable
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.jobs import MAX_DELAY_SECONDS, Jobs
from app.outbound.evidence import CallEvidence, Wish
from app.outbound.metrics import OutboundMetrics
from app.outbound.models import OutboundCall, OutboundStatus
from app.outbound.repository import OutboundRepository

DIAL: Final = "outbound.dial"
FURTHEST: Final = timedelta(days=30)
_log = structlog.get_logger("outbound")


@dataclass(frozen=True, slots=True)
class CallRequest:
    """What a tenant asks for; see `OutboundCall`. `from_number` None: the agent's own."""

    to_number: str
    agent_id: str
    purpose: CallPurpose
    about: Mapping[str, str]
    from_number: str | None = None
    language: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    scheduled_at: datetime | None = None
    wait_for_window: bool = False
    detect_machine: bool = True
    voicemail_number: str | None = None
    retries: int = 0
    retry_minutes: int = 30
    time_zone: str | None = None
    registrations: Mapping[str, str] = field(default_factory=dict)


class OutboundService:
    """Takes, shows and cancels calls; `app.outbound.dialling` dials them."""

    def __init__(
        self,
        *,
        calls: OutboundRepository,
        evidence: CallEvidence,
        rules: CallingRules,
        agents: AgentService,
        numbers: PhoneNumberService,
        audit: AuditLog,
        jobs: Jobs,
        metrics: OutboundMetrics,
        clock: Clock,
    ) -> None:
        self.calls = calls
        self.metrics = metrics
        self._evidence = evidence
        self._rules = rules
        self._agents = agents
        self._numbers = numbers
        self._audit = audit
        self._jobs = jobs
        self._clock = clock

    async def place(self, tenant_id: str, actor: str, request: CallRequest) -> OutboundCall:
        """Lets a call through the gate and queues it.

        Args:
            tenant_id: Whose.
            actor: The key that asks.
            request: The call.

        Raises:
            NotFound: The agent is not this tenant's.
            Unprocessable: The values do not fit together.
            Conflict: Refused now, allowed later (`call_not_now`).
            Forbidden: Refused (`call_refused`); every reason stands in `errors`.
        """
        call = await self._made(tenant_id, actor, request)
        decision = await self.decide(call, call.due_at, stage="asked")
        await self.audit_decision(actor, call, decision, "asked")
        if not decision.allowed:
            if decision.next_allowed_at is None or not call.wait_for_window:
                raise refusal(decision)
            call = _moved(call, decision.next_allowed_at)
        await self.calls.add(call)
        await self.enqueue(call)
        return call

    async def check(self, tenant_id: str, actor: str, request: CallRequest) -> GateDecision:
        """Asks the gate without placing anything; see `place`."""
        call = await self._made(tenant_id, actor, request)
        decision = await self.decide(call, call.due_at, stage="checked")
        await self.audit_decision(actor, call, decision, "checked")
        return decision

    async def get(self, tenant_id: str, call_id: str) -> OutboundCall:
        """Returns one.

        Raises:
            NotFound: Not this tenant's.
        """
        call = await self.calls.get(tenant_id, call_id)
        if call is None:
            raise NotFound(f"no outbound call {call_id}")
        return call

    async def cancel(self, tenant_id: str, actor: str, call_id: str) -> None:
        """Takes a queued call back.

        Raises:
            NotFound: Not this tenant's.
            Conflict: It is being dialled, or is over.
        """
        changes = {"status": OutboundStatus.CANCELLED.value, "ended_at": self._clock.now(), "end_reason": "api"}
        if await self.calls.change(tenant_id, call_id, (OutboundStatus.QUEUED,), changes) is None:
            call = await self.get(tenant_id, call_id)
            raise Conflict(f"call {call_id} is {call.status.value}, not queued", code="call_not_queued")
        await self._audit.record(tenant_id, actor, "outbound_call.cancelled", call_id)

    async def decide(self, call: OutboundCall, at: datetime, *, stage: str) -> GateDecision:
        """Asks the gate about a call at an instant, and counts what it refuses.

        Raises:
            Unavailable: A store does not answer.
        """
        wish = Wish(call.agent_id, call.purpose, call.from_number, call.to_number, call.time_zone, call.registrations)
        decision = decide(self._rules, await self._evidence.of(call.tenant_id, wish, self._clock.now()), at)
        for reason in decision.reasons:
            self.metrics.refusals.labels(reason.code, stage).inc()
        return decision

    async def audit_decision(self, actor: str, call: OutboundCall, decision: GateDecision, stage: str) -> None:
        """Leaves a line of the audit log: what was decided, under which rules, on what evidence."""
        action = "outbound_call.allowed" if decision.allowed else "outbound_call.refused"
        await self._audit.record(call.tenant_id, actor, action, call.call_id, {"stage": stage, **decision.to_json()})

    async def enqueue(self, call: OutboundCall) -> None:
        """Leaves a job for a call that is due within the hour; the sweep sees to the others, and to lost jobs."""
        wait = (call.due_at - self._clock.now()).total_seconds()
        if wait > MAX_DELAY_SECONDS / 2:
            return
        try:
            payload = {"tenant_id": call.tenant_id, "call_id": call.call_id}
            await self._jobs.enqueue(DIAL, payload, delay_seconds=max(0.0, wait))
        except AppError as error:
            _log.warning("outbound.job_not_left", call_id=call.call_id, code=error.code)

    async def _made(self, tenant_id: str, actor: str, request: CallRequest) -> OutboundCall:
        agent = await self._agents.get(tenant_id, request.agent_id)
        language = request.language or next((tag for tag in agent.languages if tag in request.about), "")
        now = self._clock.now()
        due = (request.scheduled_at or now).astimezone(UTC)
        faults = []
        if language not in agent.languages:
            spoken = ", ".join(agent.languages)
            faults.append(FieldError("/body/language", f"must be a language of the agent: {spoken}"))
        elif language not in request.about:
            faults.append(FieldError("/body/about", f"must say in {language} what the call is about"))
        if request.voicemail_number is not None and not request.detect_machine:
            faults.append(FieldError("/body/voicemail_number", "needs detect_machine: else no machine is noticed"))
        if due - now > FURTHEST:
            faults.append(FieldError("/body/scheduled_at", "must be within 30 days"))
        number = request.from_number or await self._numbers.number_of_agent(tenant_id, agent.agent_id)
        if number is None:
            faults.append(FieldError("/body/from_number", "must be given: no number rings at this agent"))
        if faults or number is None:
            raise Unprocessable("the call's values do not fit together", errors=faults)
        return OutboundCall(
            call_id=new_id("call"),
            tenant_id=tenant_id,
            agent_id=agent.agent_id,
            purpose=request.purpose,
            from_number=number,
            to_number=request.to_number,
            language=language,
            about=request.about,
            variables=request.variables,
            status=OutboundStatus.QUEUED,
            due_at=max(due, now),
            created_at=now,
            created_by=actor,
            wait_for_window=request.wait_for_window,
            detect_machine=request.detect_machine,
            voicemail_number=request.voicemail_number,
            retries=request.retries,
            retry_minutes=request.retry_minutes,
            time_zone=request.time_zone,
            registrations=request.registrations,
        )


def _moved(call: OutboundCall, due_at: datetime) -> OutboundCall:
    values = {name: getattr(call, name) for name in OutboundCall.__dataclass_fields__}
    return OutboundCall(**{**values, "due_at": due_at})


def refusal(decision: GateDecision) -> AppError:
    """Returns the error that a refused request gets: 409 if waiting would do, else 403."""
    errors = [
        FieldError("/body/to_number", f"{reason.rule} {reason.code}: {reason.detail}; allowed: {reason.instead}")
        for reason in decision.reasons
    ]
    if decision.next_allowed_at is not None:
        detail = f"the call may not be placed then, but from {decision.next_allowed_at:%Y-%m-%dT%H:%M:%SZ} on"
        return Conflict(detail, code="call_not_now", errors=errors)
    return Forbidden("the call may not be placed", code="call_refused", errors=errors)


def reasons_json(reasons: Sequence[Reason]) -> list[dict[str, Any]]:
    """Returns reasons as they are stored and shown."""
    return [asdict(reason) for reason in reasons]
