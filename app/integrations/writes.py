"""Writes in tenants' systems, each done once: stored before it leaves, audited after, tried again with the same key."""

from dataclasses import replace

import structlog

from app.agents.service import AgentService
from app.audit.log import AuditLog
from app.errors import AppError, NotFound
from app.integrations.endpoints_of import Endpoints
from app.integrations.http_calls import Endpoint, HttpCalls, Outcome
from app.integrations.ledger import Write, WriteLedger, WriteOrder, WriteState
from app.integrations.notices import Notices
from app.integrations.reads import Reads

_log = structlog.get_logger(__name__)


class Writes:
    """The one way to a write: from a call, after an approval, or again after a loss."""

    def __init__(
        self,
        ledger: WriteLedger,
        calls: HttpCalls,
        reads: Reads,
        agents: AgentService,
        endpoints: Endpoints,
        notices: Notices,
        audit: AuditLog,
    ) -> None:
        self._ledger = ledger
        self._calls = calls
        self._reads = reads
        self._agents = agents
        self._endpoints = endpoints
        self._notices = notices
        self._audit = audit

    async def run(self, order: WriteOrder, endpoint: Endpoint, *, actor: str, heard: bool) -> Write:
        """Does a write, or returns what became of it.

        Args:
            order: What.
            endpoint: Where.
            actor: Who wanted it, for the audit.
            heard: Whether the outcome reaches the caller in the same conversation.

        Raises:
            ToolError: The key was used for another write.
        """
        write, new = await self._ledger.begin(order)
        if not new:
            if write.state.is_final:
                return write
            claimed = await self._ledger.claim(write)
            if claimed is None:
                return write
            write = claimed
        return await self._send(write, endpoint, actor=actor, heard=heard)

    async def sweep(self) -> int:
        """Tries every write again whose outcome is not known and whose time has come; returns how many there were."""
        due = await self._ledger.due()
        for write in due:
            claimed = await self._ledger.claim(write)
            if claimed is not None:
                await self._again(claimed)
        return len(due)

    async def unheard(self, write: Write) -> Write:
        """Notes that an outcome did not reach the caller after all."""
        return await self._ledger.unheard(write)

    async def tell(self, write: Write) -> None:
        """Writes to the caller what became of a write that they have not heard of, once."""
        if write.owed and write.state.is_final and await self._ledger.told(write):
            done = write.state is WriteState.DONE and write.found
            done = done and self._endpoints.fulfilled(write.order.tool, write.data)
            outcome = "request_done" if done else "request_failed"
            await self._notices.tell(write.order, outcome, f"write:{write.write_id}")

    async def _again(self, write: Write) -> None:
        order = write.order
        try:
            agent = await self._agents.get(order.tenant_id, order.agent_id)
            endpoint = (await self._endpoints.of(agent)).get(order.tool)
        except NotFound:
            endpoint = None
        if endpoint is None:
            outcome = Outcome(error="the agent has lost this tool", certain=False)
            settled = await self._ledger.settle(write, outcome, heard=False)
            await self._note(settled, "system", outcome)
        else:
            settled = await self._send(write, endpoint, actor="system", heard=False)
        await self.tell(settled)

    async def _send(self, write: Write, endpoint: Endpoint, *, actor: str, heard: bool) -> Write:
        order = write.order
        outcome = await self._calls.send(order.tenant_id, endpoint, order.arguments, order.key)
        self._reads.forget(order.tenant_id)
        try:
            settled = await self._ledger.settle(write, outcome, heard=heard)
        except AppError as error:
            _log.error("tool.outcome_not_kept", tenant_id=order.tenant_id, tool=order.tool, code=error.code)
            return replace(write, state=WriteState.UNKNOWN, error=error.detail)
        await self._note(settled, actor, outcome)
        return settled

    async def _note(self, write: Write, actor: str, outcome: Outcome) -> None:
        order = write.order
        data = {
            "tool": order.tool,
            "key": order.key,
            "outcome": write.state.value,
            "found": write.found,
            "attempts": outcome.attempts,
            "round": write.attempts,
            "agent_id": order.agent_id,
            "reference": order.reference,
            "approval_id": order.approval_id,
            "error": outcome.error,
        }
        _log.info("tool.written", tenant_id=order.tenant_id, tool=order.tool, outcome=write.state.value)
        try:
            await self._audit.record(order.tenant_id, actor, "tool.written", write.write_id, data)
        except AppError as error:
            _log.error("tool.not_audited", tenant_id=order.tenant_id, write_id=write.write_id, code=error.code, **data)
