"""The tenant's systems as one caller's conversation sees them: `Tools`, with every rule about who may do what."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from app.agents.models import Agent
from app.dialogue.agents import Caller
from app.dialogue.turn import ToolResult
from app.dialogue.verification import Factor, FactorCheck
from app.errors import AppError
from app.integrations.approvals import Approvals
from app.integrations.callers import CallerChecks
from app.integrations.http_calls import Endpoint, Outcome
from app.integrations.ledger import Write, WriteOrder, WriteState, write_key
from app.integrations.metrics import ToolMetrics
from app.integrations.reads import Reads
from app.integrations.tool_contracts import CALLER_PHONE, CUSTOMER_ID, IDENTIFY_CALLER
from app.integrations.writes import Writes

_SECRET: Final = "verification"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ToolDesk:
    """What the tools of all callers share."""

    reads: Reads
    writes: Writes
    checks: CallerChecks
    approvals: Approvals
    metrics: ToolMetrics


class CallerTools:
    """Implements `app.dialogue.turn.Tools` for one caller of one agent.

    Reads are shared and may be thrown away. Writes need a key, run once, and outlive a caller who hangs up. Tools of
    the agent's verification policy answer verified callers only, whatever the dialogue believes.
    """

    def __init__(self, desk: ToolDesk, agent: Agent, endpoints: Mapping[str, Endpoint], caller: Caller) -> None:
        self._desk = desk
        self._agent = agent
        self._endpoints = endpoints
        self._caller = caller

    def offers(self, name: str) -> bool:
        """Returns whether the agent has that tool."""
        return name in self._endpoints or name in self._agent.tools

    def expect(self) -> None:
        """Begins to ask who calls; the first turn finds it answered."""
        endpoint = self._endpoints.get(IDENTIFY_CALLER)
        if endpoint is not None and self._caller.number:
            self._desk.reads.own(self._identity(endpoint))

    async def call(self, name: str, arguments: Mapping[str, str], *, key: str | None = None) -> ToolResult:
        """Calls a tool; see `Tools`. A failing system gives `ok=False`, an unknown id gives `found=False`."""
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            known = name in self._agent.tools
            return _failed("the tenant has not said where its systems are" if known else f"the agent has no {name!r}")
        if endpoint.contract.write and key is None:
            return _failed("a write needs a key")
        try:
            if not await self._may(name):
                return ToolResult(ok=False, found=False, needs_verification=True, error="the caller is not verified")
            typed = endpoint.contract.arguments({**arguments, **await self._filled_in(endpoint)})
            if name == IDENTIFY_CALLER:
                return await self._known(endpoint)
            if key is not None and endpoint.contract.write:
                return await self._write(endpoint, typed, key)
            return self._result(*await self._desk.reads.read(self._agent.tenant_id, endpoint, typed), endpoint)
        except AppError as error:
            _log.warning("tool.not_called", tool=name, code=error.code, reason=error.detail)
            return _failed(error.detail)

    async def verify(self, factor: Factor, value: str) -> FactorCheck:
        """Compares what the caller gave; see `Tools`."""
        policy, endpoint = self._agent.verification, self._endpoints.get(IDENTIFY_CALLER)
        if policy is None or endpoint is None:
            return FactorCheck.UNAVAILABLE
        try:
            outcome = await self._identity(endpoint)
            if not outcome.ok:
                return FactorCheck.UNAVAILABLE
            checked = await self._desk.checks.compare(
                self._agent.tenant_id, self._caller, policy, factor, value, outcome.data
            )
        except AppError as error:
            _log.warning("tool.not_verified", code=error.code)
            return FactorCheck.UNAVAILABLE
        _log.info("tool.verified", tenant_id=self._agent.tenant_id, factor=factor.value, outcome=checked.value)
        return checked

    async def _may(self, name: str) -> bool:
        policy = self._agent.verification
        return policy is None or name not in policy.tools or await self._verified()

    async def _verified(self) -> bool:
        policy = self._agent.verification
        if policy is None:
            return False
        passed = await self._desk.checks.passed(self._agent.tenant_id, self._caller)
        return passed.issuperset(policy.factors)

    async def _filled_in(self, endpoint: Endpoint) -> dict[str, str]:
        """Returns what the port knows better than the dialogue: who calls."""
        takes, values = endpoint.contract.takes, {}
        if CALLER_PHONE in takes:
            values[CALLER_PHONE] = self._caller.number
        if CUSTOMER_ID in takes:
            identify = self._endpoints.get(IDENTIFY_CALLER)
            known = identify is not None and await self._verified()
            outcome = await self._identity(identify) if identify is not None and known else Outcome()
            values[CUSTOMER_ID] = str((outcome.data or {}).get(CUSTOMER_ID, ""))
        return values

    async def _identity(self, endpoint: Endpoint) -> Outcome:
        if not self._caller.number:
            return Outcome()
        typed = endpoint.contract.arguments({CALLER_PHONE: self._caller.number})
        outcome, _ = await self._desk.reads.read(self._agent.tenant_id, endpoint, typed)
        return outcome

    async def _known(self, endpoint: Endpoint) -> ToolResult:
        """Says whether the number is known; whose it is, only once the caller has proved to be that person."""
        outcome = await self._identity(endpoint)
        data: dict[str, Any] = {}
        if outcome.data is not None and await self._verified():
            data = {name: value for name, value in outcome.data.items() if name != _SECRET}
        return ToolResult(
            ok=outcome.ok,
            data=data,
            found=outcome.data is not None,
            elapsed_ms=outcome.elapsed_ms,
            error=outcome.error,
            attempts=outcome.attempts,
        )

    async def _write(self, endpoint: Endpoint, typed: Mapping[str, Any], key: str) -> ToolResult:
        agent, caller = self._agent, self._caller
        order = WriteOrder(
            tenant_id=agent.tenant_id,
            agent_id=agent.agent_id,
            reference=caller.reference,
            tool=endpoint.contract.name,
            arguments=typed,
            key=write_key(agent.tenant_id, caller.reference, key),
            caller=caller.number,
        )
        if endpoint.restricted:
            approval = await self._desk.approvals.request(order)
            return ToolResult(ok=True, data={"approval_id": approval.approval_id}, awaiting_approval=True)
        running: asyncio.Task[Write] = self._desk.reads.own(
            self._desk.writes.run(order, endpoint, actor="caller", heard=True)
        )
        try:
            return _written(await asyncio.shield(running))
        except asyncio.CancelledError:
            self._desk.reads.own(self._leave_word(running))
            raise

    async def _leave_word(self, running: "asyncio.Task[Write]") -> None:
        """The caller is gone before the outcome: it is told on WhatsApp."""
        try:
            await self._desk.writes.tell(await self._desk.writes.unheard(await running))
        except AppError as error:
            _log.warning("tool.word_not_left", code=error.code)

    def _result(self, outcome: Outcome, cached: bool, endpoint: Endpoint) -> ToolResult:
        if cached:
            label = self._desk.metrics.label(endpoint.contract.name, own=endpoint.contract.own)
            self._desk.metrics.called(label, "cached")
        return ToolResult(
            ok=outcome.ok,
            data=outcome.data or {},
            found=outcome.data is not None,
            elapsed_ms=0.0 if cached else outcome.elapsed_ms,
            error=outcome.error,
            attempts=outcome.attempts,
            cached=cached,
        )


def _written(write: Write) -> ToolResult:
    done = write.state is WriteState.DONE
    return ToolResult(
        ok=done,
        data=write.data,
        found=done and write.found,
        error=write.error,
        unsettled=not write.state.is_final,
        attempts=write.attempts,
    )


def _failed(reason: str) -> ToolResult:
    return ToolResult(ok=False, found=False, error=reason, attempts=0)
