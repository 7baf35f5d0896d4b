"""How proposed changes of agents and numbers are checked and applied; the composition root hands these to `changes`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.agents.number_schemas import PhoneNumberCreate, PhoneNumberPatch
from app.agents.phone_numbers import PhoneNumberService
from app.agents.schemas import AgentCreate, AgentPatch
from app.agents.service import AgentService
from app.changes.kinds import Area, Kind

Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AgentChanges:
    """Applies changes of what agents say and do, and of which number rings at which."""

    agents: AgentService
    numbers: PhoneNumberService

    def kinds(self) -> dict[str, Kind]:
        """Returns the kinds by name."""
        agents, routing = Area.AGENTS, Area.ROUTING
        return {
            "agent.create": Kind(agents, self._create, _new, self._check_new),
            "agent.update": Kind(agents, self._update, self._agent_basis, self._check_update),
            "agent.delete": Kind(agents, self._delete, self._agent_basis),
            "phone_number.create": Kind(routing, self._add_number, _new, self._check_new_number),
            "phone_number.move": Kind(routing, self._move_number, self._number_basis, self._check_number),
            "phone_number.delete": Kind(routing, self._delete_number, self._number_basis),
        }

    async def _create(self, tenant_id: str, actor: str, _target: str, payload: Payload) -> str:
        values = AgentCreate.model_validate(payload).values()
        return (await self.agents.create(tenant_id, actor, values)).agent_id

    async def _check_new(self, tenant_id: str, _target: str, payload: Payload) -> None:
        await self.agents.check(tenant_id, None, AgentCreate.model_validate(payload).values())

    async def _update(self, tenant_id: str, actor: str, target: str, payload: Payload) -> str:
        values = AgentPatch.model_validate(payload).values()
        return (await self.agents.update(tenant_id, actor, target, values)).agent_id

    async def _check_update(self, tenant_id: str, target: str, payload: Payload) -> None:
        await self.agents.check(tenant_id, target, AgentPatch.model_validate(payload).values())

    async def _delete(self, tenant_id: str, actor: str, target: str, _payload: Payload) -> str:
        await self.agents.delete(tenant_id, actor, target)
        return target

    async def _agent_basis(self, tenant_id: str, target: str) -> str:
        return (await self.agents.get(tenant_id, target)).updated_at.isoformat()

    async def _check_new_number(self, tenant_id: str, _target: str, payload: Payload) -> None:
        await self.numbers.check(tenant_id, None, PhoneNumberCreate.model_validate(payload).values())

    async def _check_number(self, tenant_id: str, target: str, payload: Payload) -> None:
        await self.numbers.check(tenant_id, target, PhoneNumberPatch.model_validate(payload).values())

    async def _add_number(self, tenant_id: str, actor: str, _target: str, payload: Payload) -> str:
        values = PhoneNumberCreate.model_validate(payload).values()
        return (await self.numbers.create(tenant_id, actor, values)).number_id

    async def _move_number(self, tenant_id: str, actor: str, target: str, payload: Payload) -> str:
        values = PhoneNumberPatch.model_validate(payload).values()
        return (await self.numbers.update(tenant_id, actor, target, values)).number_id

    async def _delete_number(self, tenant_id: str, actor: str, target: str, _payload: Payload) -> str:
        await self.numbers.delete(tenant_id, actor, target)
        return target

    async def _number_basis(self, tenant_id: str, target: str) -> str:
        return (await self.numbers.get(tenant_id, target)).updated_at.isoformat()


async def _new(_tenant_id: str, _target: str) -> str:
    return ""
