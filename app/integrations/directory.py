"""The agents that tenants configured, as a call or a chat meets them: profile, flows, tools, understanding."""

from collections.abc import Container, Mapping
from dataclasses import replace

from app.agents.phone_numbers import PhoneNumberService
from app.agents.service import AgentService
from app.conversations.service import ConversationService
from app.conversations.standing import WhatsAppStandings
from app.dialogue.agents import NOBODY, AgentSetup, Caller, ChannelKind
from app.dialogue.turn import AgentProfile, WhatsAppStanding
from app.errors import NotFound
from app.flows.service import FlowService
from app.integrations.agent_tools import ToolFactory
from app.integrations.second_opinion import SecondOpinions
from app.intents.minds import OwnMinds
from app.language.packs import Pack
from app.nlu.insight import Insight


class ConfiguredAgents:
    """Implements `AgentDirectory` on what tenants configured, within the languages whose packs serve."""

    def __init__(
        self,
        agents: AgentService,
        tools: ToolFactory,
        conversations: ConversationService,
        packs: Mapping[str, Pack],
        flows: FlowService,
        opinions: SecondOpinions,
        minds: OwnMinds,
        numbers: PhoneNumberService,
        standings: WhatsAppStandings,
    ) -> None:
        self._numbers = numbers
        self._standings = standings
        self._packs = packs
        self._flows = flows
        self._opinions = opinions
        self._minds = minds
        self._agents = agents
        self._tools = tools
        self._conversations = conversations

    async def setup(self, tenant_id: str, agent_id: str, caller: Caller = NOBODY) -> AgentSetup:
        """Returns the agent that answers, with its tools; see `AgentDirectory`."""
        agent = await self._agents.get(tenant_id, agent_id)
        rung = await self._numbers.of_tenant(tenant_id, caller.dialled) if caller.dialled else None
        profile = agent.profile() if rung is None else rung.spoken(agent.profile())
        profile = spoken_now(profile, self._packs)
        flows = await self._flows.serving(tenant_id, agent.flow_set, profile.languages)
        profile = replace(profile, flows=flows, whatsapp=await self._standing(tenant_id, caller))
        understander, own = await self._minds.of(tenant_id, agent_id)
        insight = Insight(understander, await self._opinions.of(agent, own))
        return AgentSetup(profile, await self._tools.tools_of(agent, caller), agent.recording, insight)

    async def _standing(self, tenant_id: str, caller: Caller) -> WhatsAppStanding:
        """Returns whether the caller may be written to; who writes to us may be answered where they write."""
        if caller == NOBODY:
            return WhatsAppStanding.UNASKED
        if caller.kind is ChannelKind.CHAT:
            return WhatsAppStanding.AGREED
        return await self._standings.of(tenant_id, caller.number)

    def expect(self, setup: AgentSetup) -> None:
        """Begins to ask the tenant's system who rings."""
        self._tools.expect(setup.tools)

    async def language_for(self, tenant_id: str, contact_number: str, profile: AgentProfile) -> str:
        """Returns the contact's own language if the agent speaks it, else the agent's default."""
        contact = await self._conversations.find_contact(tenant_id, contact_number)
        known = contact.language if contact is not None else None
        return known if known is not None and known in profile.languages else profile.default_language


def spoken_now(profile: AgentProfile, packs: Container[str]) -> AgentProfile:
    """Returns the profile without the languages whose packs did not load; the rest of the agent goes on.

    Raises:
        NotFound: None is left.
    """
    languages = tuple(tag for tag in profile.languages if tag in packs)
    if not languages:
        detail = f"no language pack serves {', '.join(profile.languages)}; `vaanisetu packs validate` says why"
        raise NotFound(detail, code="language_not_found")
    default = profile.default_language if profile.default_language in languages else languages[0]
    return replace(profile, languages=languages, default_language=default)
