"""Stands between a ringing number and its agent: a draft takes test calls only, and nobody more than their limits."""

from collections.abc import Mapping
from typing import Final

from app.agents.lifecycle import Lifecycle
from app.agents.service import AgentService
from app.calls.allowance import CallAllowance
from app.calls.ports import Announcement, CallDeclined, NumberRoute
from app.language.packs import Pack
from app.language.render import render

_WITHOUT_A_PERSON: Final = ("system_not_answering", "goodbye")
_TO_A_PERSON: Final = ("transfer_to_person",)


class Doorway:
    """Implements `app.calls.ports.Admission`."""

    def __init__(
        self, agents: AgentService, lifecycle: Lifecycle, allowance: CallAllowance, packs: Mapping[str, Pack]
    ) -> None:
        self._allowance = allowance
        self._agents = agents
        self._lifecycle = lifecycle
        self._packs = packs

    async def admit(self, route: NumberRoute, contact_number: str) -> None:
        """Lets a call in.

        Args:
            route: The number that rings, and its agent.
            contact_number: Who is at the other end, E.164 or the carrier's words.

        Raises:
            CallDeclined: The agent is not live, or its tenant may have no further call; it holds what the caller hears
                in the agent's language.
            NotFound: There is no such agent.
        """
        reason = "the agent is not live; POST /v1/agents/{agent_id}/go-live"
        if await self._lifecycle.answers(route.tenant_id, route.agent_id, contact_number):
            over = await self._allowance.full(route.tenant_id) or await self._allowance.spent(route.tenant_id)
            if over is None:
                return
            reason = f"{over}: see /v1/limits"
        agent = await self._agents.get(route.tenant_id, route.agent_id)
        pack = self._packs.get(agent.default_language)
        said = None
        if pack is not None:
            keys = _WITHOUT_A_PERSON if agent.transfer_number is None else _TO_A_PERSON
            said = Announcement(" ".join(render(pack, key) for key in keys), pack.tag)
        raise CallDeclined(reason, said, agent.transfer_number)
