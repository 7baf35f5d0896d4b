"""Voice agents and numbers of each tenant: stored, checked against the packs, and found by number."""

from collections.abc import Collection as AnyCollection
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from app.agents.models import Agent, OrderStatusTool, PhoneNumber
from app.audit.log import AuditLog
from app.errors import Conflict, FieldError, NotFound, Unprocessable
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Database, IndexSpec

AGENTS = "agents"
NUMBERS = "phone_numbers"
INDEXES = (
    IndexSpec(NUMBERS, (("number", 1),), unique=True, across_tenants="a number rings at one tenant in the world"),
    IndexSpec(NUMBERS, (("tenant_id", 1), ("agent_id", 1))),
)


class AgentService:
    """The agents of each tenant.

    Args:
        database: The store.
        languages: BCP-47 tags that have packs.
        audit: Who changed what.
        clock: Time.
    """

    def __init__(self, database: Database, languages: AnyCollection[str], audit: AuditLog, clock: Clock) -> None:
        self._database = database
        self._languages = languages
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
        """
        now = self._clock.now()
        agent = Agent(agent_id=new_id("agent"), tenant_id=tenant_id, created_at=now, updated_at=now, **values)
        self._check(agent)
        await self._database.tenant(tenant_id).collection(AGENTS).insert_one(_agent_document(agent))
        await self._audit.record(tenant_id, actor, "agent.created", agent.agent_id, {"name": agent.name})
        return agent

    async def update(self, tenant_id: str, actor: str, agent_id: str, changes: Mapping[str, Any]) -> Agent:
        """Changes some fields of an agent; calls that are under way keep what they began with.

        Raises:
            NotFound: Not this tenant's.
            Unprocessable: The result does not fit together.
        """
        agent = replace(await self.get(tenant_id, agent_id), **changes, updated_at=self._clock.now())
        self._check(agent)
        await self._database.tenant(tenant_id).collection(AGENTS).replace_one({"_id": agent_id}, _agent_document(agent))
        await self._audit.record(tenant_id, actor, "agent.changed", agent_id, {"fields": sorted(changes)})
        return agent

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
        if errors:
            raise Unprocessable("the agent's values do not fit together", errors=errors)


class PhoneNumberService:
    """The numbers of each tenant; a number belongs to one tenant in the whole installation."""

    def __init__(self, database: Database, agents: AgentService, audit: AuditLog, clock: Clock) -> None:
        self._database = database
        self._agents = agents
        self._audit = audit
        self._clock = clock

    async def create(self, tenant_id: str, actor: str, number: str, agent_id: str) -> PhoneNumber:
        """Lets a number (E.164) ring at an agent.

        Raises:
            NotFound: The agent is not this tenant's.
            Conflict: The number is taken, by whomever.
        """
        await self._agents.get(tenant_id, agent_id)
        entry = PhoneNumber(new_id("num"), tenant_id, number, agent_id, self._clock.now())
        document = {"_id": entry.number_id, "number": number, "agent_id": agent_id, "created_at": entry.created_at}
        try:
            await self._database.tenant(tenant_id).collection(NUMBERS).insert_one(document)
        except Conflict as error:
            raise Conflict(f"{number} is already in use", code="number_taken") from error
        data = {"number": number, "agent_id": agent_id}
        await self._audit.record(tenant_id, actor, "phone_number.created", entry.number_id, data)
        return entry

    async def move(self, tenant_id: str, actor: str, number_id: str, agent_id: str) -> PhoneNumber:
        """Lets a number ring at another agent.

        Raises:
            NotFound: The number or the agent is not this tenant's.
        """
        await self._agents.get(tenant_id, agent_id)
        changed = (
            await self._database.tenant(tenant_id)
            .collection(NUMBERS)
            .find_one_and_update({"_id": number_id}, {"$set": {"agent_id": agent_id}})
        )
        if changed is None:
            raise NotFound(f"no phone number {number_id}")
        await self._audit.record(tenant_id, actor, "phone_number.moved", number_id, {"agent_id": agent_id})
        return _number(changed)

    async def get(self, tenant_id: str, number_id: str) -> PhoneNumber:
        """Returns a number.

        Raises:
            NotFound: Not this tenant's.
        """
        found = await self._database.tenant(tenant_id).collection(NUMBERS).find_one({"_id": number_id})
        if found is None:
            raise NotFound(f"no phone number {number_id}")
        return _number(found)

    async def page(self, tenant_id: str, limit: int, starting_after: str | None) -> tuple[list[PhoneNumber], bool]:
        """Returns one page, newest first, and whether more follow."""
        page = await self._database.tenant(tenant_id).collection(NUMBERS).page({}, limit, starting_after)
        return [_number(document) for document in page.data], page.has_more

    async def delete(self, tenant_id: str, actor: str, number_id: str) -> None:
        """Gives a number back.

        Raises:
            NotFound: Not this tenant's.
        """
        entry = await self.get(tenant_id, number_id)
        await self._database.tenant(tenant_id).collection(NUMBERS).delete_one({"_id": number_id})
        await self._audit.record(tenant_id, actor, "phone_number.deleted", number_id, {"number": entry.number})

    async def of_tenant(self, tenant_id: str, number: str) -> PhoneNumber | None:
        """Returns the tenant's own entry of a number (E.164), or None."""
        found = await self._database.tenant(tenant_id).collection(NUMBERS).find_one({"number": number})
        return _number(found) if found else None

    async def find(self, number: str) -> PhoneNumber | None:
        """Returns whose a number (E.164) is, over all tenants: how a ringing call finds its tenant."""
        found = await self._database.system("a call rings").collection(NUMBERS).find_one({"number": number})
        return _number(found) if found else None


def _agent_document(agent: Agent) -> dict[str, Any]:
    values = asdict(agent)
    values["_id"] = values.pop("agent_id")
    values["languages"] = list(agent.languages)
    return values


def _agent(document: Mapping[str, Any]) -> Agent:
    values = {key: value for key, value in document.items() if key != "_id"}
    tool = values.pop("order_status")
    languages = tuple(values.pop("languages"))
    order_status = OrderStatusTool(**tool) if tool is not None else None
    return Agent(agent_id=document["_id"], languages=languages, order_status=order_status, **values)


def _number(document: Mapping[str, Any]) -> PhoneNumber:
    return PhoneNumber(
        document["_id"], document["tenant_id"], document["number"], document["agent_id"], document["created_at"]
    )
