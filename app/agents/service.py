"""Voice agents of each tenant: stored, and checked against the packs."""

from collections.abc import Callable, Mapping
from collections.abc import Collection as AnyCollection
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

from app.agents.models import Agent
from app.agents.tools import ToolRules, policy_document, stored_policy, stored_tools, tools_document
from app.audit.log import AuditLog
from app.dialogue.escalation import EscalationPolicy
from app.dialogue.hours import DEFAULT_TIME_ZONE, BusinessHours
from app.errors import Conflict, FieldError, NotFound, Unprocessable
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Database, IndexSpec
from app.tenants.limits import Kept, TenantLimits

AGENTS = "agents"
NUMBERS = "phone_numbers"
_TRIES = 10
_TICK = timedelta(milliseconds=1)
"""The store's finest step of time."""
INDEXES = (IndexSpec(AGENTS, (("tenant_id", 1), ("created_at", 1))),)


class AgentService:
    """The agents of each tenant.

    Args:
        database: The store.
        languages: BCP-47 tags that have packs.
        tools: What makes a tool's configuration acceptable.
        limits: How many a tenant may have.
        audit: Who changed what.
        clock: Time.
    """

    def __init__(
        self,
        database: Database,
        languages: AnyCollection[str],
        tools: ToolRules,
        limits: TenantLimits,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._limits = limits
        self._database = database
        self._languages = languages
        self._tools = tools
        self._audit = audit
        self._clock = clock

    async def create(self, tenant_id: str, actor: str, values: Mapping[str, Any]) -> Agent:
        """Stores a new agent.

        Args:
            tenant_id: Whose.
            actor: The key that asks.
            values: Fields of `Agent` but its ids and times.

        Raises:
            Unprocessable: The values do not fit together, or a language has no pack.
            Conflict: The tenant has as many as it may (`limit_reached`).
        """
        now = self._clock.now()
        agent = Agent(agent_id=new_id("agent"), tenant_id=tenant_id, created_at=now, updated_at=now, **values)
        self._check(agent)
        await self._limits.insert(tenant_id, Kept.AGENTS, _agent_document(agent))
        await self._audit.record(tenant_id, actor, "agent.created", agent.agent_id, {"name": agent.name})
        return agent

    async def update(
        self,
        tenant_id: str,
        actor: str,
        agent_id: str,
        changes: Mapping[str, Any],
        accept: Callable[[Agent], None] | None = None,
    ) -> Agent:
        """Changes some fields of an agent; calls that are under way keep what they began with.

        Args:
            tenant_id: Whose.
            actor: The key that asks.
            agent_id: Which.
            changes: Fields of `Agent` but its ids and times.
            accept: Raises where the agent as it is may not be changed so; nobody changes it in between.

        Raises:
            NotFound: Not this tenant's.
            Conflict: Others change it all the time.
            Unprocessable: The result does not fit together.
        """
        collection = self._database.tenant(tenant_id).collection(AGENTS)
        for _ in range(_TRIES):
            before = await self.get(tenant_id, agent_id)
            if accept is not None:
                accept(before)
            at = max(self._clock.now(), before.updated_at + _TICK)
            agent = replace(before, **changes, updated_at=at)
            self._check(agent)
            unchanged = {"_id": agent_id, "updated_at": before.updated_at}
            if await collection.replace_one(unchanged, _agent_document(agent)):
                await self._audit.record(tenant_id, actor, "agent.changed", agent_id, {"fields": sorted(changes)})
                return agent
        raise Conflict("the agent is being changed by others; try again", code="agent_busy", retry_after_seconds=1)

    async def check(self, tenant_id: str, agent_id: str | None, values: Mapping[str, Any]) -> None:
        """Makes sure that an agent could be created, or changed, so.

        Args:
            tenant_id: Whose.
            agent_id: Which; None: a new one.
            values: As `create` or `update` take them.

        Raises:
            NotFound: Not this tenant's.
            Unprocessable: The values do not fit together.
        """
        now = self._clock.now()
        if agent_id is None:
            self._check(Agent(agent_id="", tenant_id=tenant_id, created_at=now, updated_at=now, **values))
        else:
            self._check(replace(await self.get(tenant_id, agent_id), **values))

    async def get(self, tenant_id: str, agent_id: str) -> Agent:
        """Returns an agent.

        Raises:
            NotFound: Not this tenant's.
        """
        found = await self._database.tenant(tenant_id).collection(AGENTS).find_one({"_id": agent_id})
        if found is None:
            raise NotFound(f"no agent {agent_id}")
        return _agent(found)

    async def page(self, tenant_id: str, limit: int, starting_after: str | None) -> tuple[list[Agent], bool]:
        """Returns one page, newest first, and whether more follow."""
        page = await self._database.tenant(tenant_id).collection(AGENTS).page({}, limit, starting_after)
        return [_agent(document) for document in page.data], page.has_more

    async def delete(self, tenant_id: str, actor: str, agent_id: str) -> None:
        """Deletes an agent.

        Raises:
            NotFound: Not this tenant's.
            Conflict: A number still rings at it.
        """
        await self.get(tenant_id, agent_id)
        if await self._database.tenant(tenant_id).collection(NUMBERS).count({"agent_id": agent_id}):
            raise Conflict("a phone number still rings at this agent; move or delete it first", code="agent_in_use")
        await self._database.tenant(tenant_id).collection(AGENTS).delete_one({"_id": agent_id})
        await self._audit.record(tenant_id, actor, "agent.deleted", agent_id)

    def _check(self, agent: Agent) -> None:
        errors = [
            FieldError("/body/languages", f"{tag} has no language pack; there are {', '.join(sorted(self._languages))}")
            for tag in agent.languages
            if tag not in self._languages
        ]
        if agent.default_language not in agent.languages:
            errors.append(FieldError("/body/default_language", "must be one of languages"))
        if agent.handoff == "phone" and agent.transfer_number is None:
            errors.append(FieldError("/body/transfer_number", "is needed when handoff is phone"))
        errors.extend(self._tools.problems(agent.tools, agent.verification))
        if errors:
            raise Unprocessable("the agent's values do not fit together", errors=errors)


def _agent_document(agent: Agent) -> dict[str, Any]:
    values = asdict(agent)
    values["_id"] = values.pop("agent_id")
    values["languages"], values["vocabulary"] = list(agent.languages), list(agent.vocabulary)
    values["tools"] = tools_document(agent.tools)
    values["verification"] = policy_document(agent.verification)
    values["escalation"], values["hours"] = agent.escalation.to_json(), agent.hours.to_json()
    return values


def _agent(document: Mapping[str, Any]) -> Agent:
    values = {key: value for key, value in document.items() if key not in ("_id", "order_status")}
    values["languages"], values["vocabulary"] = tuple(values["languages"]), tuple(values.get("vocabulary", ()))
    values["tools"] = stored_tools(document)
    values["verification"] = stored_policy(document.get("verification"))
    values["escalation"] = EscalationPolicy.of(values.get("escalation", {}))
    values["hours"] = BusinessHours.of(**values.get("hours", {"time_zone": DEFAULT_TIME_ZONE, "week": {}}))
    return Agent(agent_id=document["_id"], **values)
