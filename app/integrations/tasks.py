"""Work for later of the tools: decisions are carried out, writes without an outcome are tried again."""

from collections.abc import Mapping
from typing import Final

import structlog

from app.agents.service import AgentService
from app.errors import AppError, NotFound
from app.integrations.approvals import DECIDED, Approval, Approvals, ApprovalStatus
from app.integrations.endpoints_of import Endpoints
from app.integrations.notices import Notices
from app.integrations.writes import Writes
from app.kit.jobs import JobFunction

SWEEP: Final = "tools.sweep"
SWEEP_SECONDS: Final = 30
_log = structlog.get_logger(__name__)


class ToolJobs:
    """The room's jobs."""

    def __init__(
        self, approvals: Approvals, writes: Writes, agents: AgentService, endpoints: Endpoints, notices: Notices
    ) -> None:
        self._approvals = approvals
        self._writes = writes
        self._agents = agents
        self._endpoints = endpoints
        self._notices = notices

    def functions(self) -> Mapping[str, JobFunction]:
        """Returns the jobs: `tools.decided` takes `tenant_id` and `approval_id`, `tools.sweep` takes nothing."""
        return {DECIDED: self.decided, SWEEP: self.sweep}

    async def decided(self, tenant_id: str, approval_id: str) -> None:
        """Carries a decision out: the write, with its key, or the refusal; then the caller is told."""
        await self._carry_out(await self._approvals.get(tenant_id, approval_id))

    async def sweep(self) -> None:
        """Carries out decisions whose job was lost, and tries writes again whose outcome was."""
        for approval in await self._approvals.stranded():
            try:
                await self._carry_out(approval)
            except AppError as error:
                _log.warning("tools.decision_not_carried_out", approval_id=approval.approval_id, code=error.code)
        await self._writes.sweep()

    async def _carry_out(self, approval: Approval) -> None:
        order = approval.order
        if approval.status is ApprovalStatus.PENDING:
            return
        if approval.status is ApprovalStatus.REFUSED:
            await self._notices.tell(order, "request_refused", f"approval:{approval.approval_id}")
            await self._approvals.carried_out(approval, None)
            return
        try:
            agent = await self._agents.get(order.tenant_id, order.agent_id)
            endpoint = (await self._endpoints.of(agent)).get(order.tool)
        except NotFound:
            endpoint = None
        if endpoint is None:
            await self._notices.tell(order, "request_failed", f"approval:{approval.approval_id}")
            await self._approvals.carried_out(approval, None)
            return
        actor = approval.decided_by or "system"
        write = await self._writes.run(order, endpoint, actor=actor, heard=False)
        await self._approvals.carried_out(approval, write.write_id)
        await self._writes.tell(write)
