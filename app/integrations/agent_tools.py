"""Gives each conversation its tools: the agent's endpoints, with what all conversations of the process share."""

from collections.abc import Mapping

import httpx

from app.agents.models import Agent
from app.agents.service import AgentService
from app.audit.log import AuditLog
from app.changes.rules import ChangeRules
from app.conversations.ports import MessageOutbox, Topics
from app.conversations.service import ConversationService
from app.dialogue.agents import Caller
from app.dialogue.turn import Tools
from app.integrations.approvals import Approvals, Publish
from app.integrations.caller_tools import CallerTools, ToolDesk
from app.integrations.callers import CallerChecks
from app.integrations.endpoints_of import Endpoints
from app.integrations.http_calls import HttpCalls
from app.integrations.ledger import WriteLedger
from app.integrations.metrics import ToolMetrics
from app.integrations.notices import Notices
from app.integrations.reads import Reads
from app.integrations.tasks import ToolJobs
from app.integrations.tool_contracts import ToolContracts
from app.integrations.writes import Writes
from app.kit.clock import Clock
from app.kit.crypto import MasterKey
from app.kit.jobs import JobFunction, Jobs
from app.kit.mongo import Database
from app.kit.sealed import SealedText
from app.language.packs import Pack
from app.tenants.credentials import CredentialService


class ToolFactory:
    """Makes the tools of a call or a chat, and owns what they share.

    Attributes:
        approvals: For the routes.
        metrics: For /metrics.
    """

    def __init__(
        self,
        *,
        client: httpx.AsyncClient,
        contracts: ToolContracts,
        credentials: CredentialService,
        agents: AgentService,
        conversations: ConversationService,
        outbox: MessageOutbox,
        packs: Mapping[str, Pack],
        topics: Topics,
        database: Database,
        sealed: SealedText,
        master: MasterKey,
        audit: AuditLog,
        jobs: Jobs,
        clock: Clock,
        publish: Publish,
        rules: ChangeRules,
    ) -> None:
        self._client = client
        self._endpoints = Endpoints(contracts, credentials)
        self.metrics = ToolMetrics()
        calls = HttpCalls(client, clock, self.metrics)
        self._reads = Reads(calls, clock)
        notices = Notices(agents, conversations, outbox, packs, topics, clock)
        ledger = WriteLedger(database, sealed, clock)
        writes = Writes(ledger, calls, self._reads, agents, self._endpoints, notices, audit)
        self.approvals = Approvals(database, sealed, audit, jobs, clock, publish, rules)
        self.checks = CallerChecks(database, master, clock)
        self._desk = ToolDesk(self._reads, writes, self.checks, self.approvals, self.metrics)
        self._jobs = ToolJobs(self.approvals, writes, agents, self._endpoints, notices)

    async def tools_of(self, agent: Agent, caller: Caller) -> CallerTools:
        """Returns the agent's tools as this caller may use them."""
        return CallerTools(self._desk, agent, await self._endpoints.of(agent), caller)

    def expect(self, tools: Tools) -> None:
        """Somebody rings: begins to ask who it is."""
        if isinstance(tools, CallerTools):
            tools.expect()

    def job_functions(self) -> Mapping[str, JobFunction]:
        """Returns the room's jobs by name."""
        return self._jobs.functions()

    async def aclose(self) -> None:
        """Ends what is under way; a write that is cut off is tried again with its key."""
        await self._reads.aclose()
        await self._client.aclose()
