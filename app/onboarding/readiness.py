"""What a tenant still lacks: per agent, whether it may go live; over all, the check-list of onboarding."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final

from app.agents.lifecycle import AgentState, Lifecycle, Standing
from app.agents.models import Agent
from app.agents.phone_numbers import PhoneNumberService
from app.agents.service import AgentService
from app.compliance.killswitch import KillMode, KillSwitches
from app.errors import Conflict, FieldError
from app.flows.service import FlowService
from app.language.packs import Pack
from app.tenants.credentials import CredentialService
from app.tenants.models import Provider
from app.tenants.verification import Check, CheckState

MOST_AGENTS: Final = 100
_NAMES: Final = {
    Provider.PLIVO: "the Plivo account",
    Provider.WHATSAPP: "the WhatsApp number",
    Provider.TOOLS: "the address of the tenant's systems",
    Provider.LLM: "the language model",
}


@dataclass(frozen=True, slots=True)
class Gap:
    """One thing that is missing: `link` is the path of the resource whose change cures it."""

    code: str
    detail: str
    cure: str
    link: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of onboarding; one that is not required may stay undone."""

    name: str
    required: bool
    missing: tuple[Gap, ...]

    @property
    def done(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


@dataclass(frozen=True, slots=True)
class AgentReadiness:
    """An agent, where it stands, and what keeps it from going live."""

    agent: Agent
    standing: Standing
    missing: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """The whole check-list. `agents` are the newest hundred."""

    steps: tuple[Step, ...]
    agents: tuple[AgentReadiness, ...]


class Readiness:
    """Asks every room; keeps nothing itself."""

    def __init__(
        self,
        agents: AgentService,
        numbers: PhoneNumberService,
        credentials: CredentialService,
        flows: FlowService,
        switches: KillSwitches,
        lifecycle: Lifecycle,
        packs: Mapping[str, Pack],
    ) -> None:
        self._agents = agents
        self._numbers = numbers
        self._credentials = credentials
        self._flows = flows
        self._switches = switches
        self._lifecycle = lifecycle
        self._packs = packs

    async def go_live(self, tenant_id: str, actor: str, agent_id: str) -> Standing:
        """Lets an agent answer whoever rings.

        Raises:
            NotFound: Not this tenant's.
            Conflict: `not_ready`: something is missing; `errors` names all of it at once.
        """
        ready = await self.of(tenant_id, agent_id)
        missing = ready.missing
        if ready.standing.state is AgentState.LIVE:
            return ready.standing
        if missing:
            errors = [FieldError(gap.link, f"{gap.code}: {gap.detail}; {gap.cure}") for gap in missing]
            raise Conflict("the agent is not ready to go live", code="not_ready", errors=errors)
        return await self._lifecycle.put(tenant_id, actor, agent_id, AgentState.LIVE)

    async def of(self, tenant_id: str, agent_id: str) -> AgentReadiness:
        """Returns what keeps an agent from going live.

        Raises:
            NotFound: Not this tenant's.
        """
        agent = await self._agents.get(tenant_id, agent_id)
        checks = await self._credentials.checks(tenant_id)
        missing = [gap async for gap in self._gaps(agent, checks)]
        return AgentReadiness(agent, await self._lifecycle.of(tenant_id, agent_id), tuple(missing))

    async def progress(self, tenant_id: str) -> Progress:
        """Returns the check-list of a tenant."""
        checks = await self._credentials.checks(tenant_id)
        standings = await self._lifecycle.all(tenant_id)
        found, _ = await self._agents.page(tenant_id, MOST_AGENTS, None)
        agents = []
        for agent in found:
            missing = [gap async for gap in self._gaps(agent, checks)]
            agents.append(AgentReadiness(agent, standings.get(agent.agent_id, Standing()), tuple(missing)))
        numbers, _ = await self._numbers.page(tenant_id, 1, None)
        live = any(ready.standing.state is AgentState.LIVE for ready in agents)
        steps = (
            Step("plivo", True, _credential_gaps(Provider.PLIVO, checks)),
            Step("agent", True, () if found else (_NO_AGENT,)),
            Step("phone_number", True, () if numbers else (_NO_NUMBER,)),
            Step("whatsapp", _wanted(found, Provider.WHATSAPP), _credential_gaps(Provider.WHATSAPP, checks)),
            Step("tools", _wanted(found, Provider.TOOLS), _credential_gaps(Provider.TOOLS, checks)),
            Step("llm", _wanted(found, Provider.LLM), _credential_gaps(Provider.LLM, checks)),
            Step("go_live", True, () if live else (_NOBODY_LIVE,)),
        )
        return Progress(steps, tuple(agents))

    async def _gaps(self, agent: Agent, checks: Mapping[Provider, Check]) -> AsyncIterator[Gap]:
        place = f"/v1/agents/{agent.agent_id}"
        for tag in agent.languages:
            for gap in self._language_gaps(tag, place):
                yield gap
        if await self._numbers.number_of_agent(agent.tenant_id, agent.agent_id) is None:
            cure = "let a number ring at this agent: POST /v1/phone-numbers"
            yield Gap("no_number", "no telephone number rings at the agent", cure, "/v1/phone-numbers")
        for provider in _needs(agent):
            for gap in _credential_gaps(provider, checks):
                yield gap
        if agent.handoff == "whatsapp" and Provider.WHATSAPP not in checks:
            cure = "connect WhatsApp, or set handoff to phone with a transfer_number"
            yield Gap("no_handoff_target", "callers cannot be handed to a person", cure, place)
        if agent.handoff == "phone" and agent.transfer_number is None:
            yield Gap("no_handoff_target", "callers cannot be handed to a person", "set transfer_number", place)
        if agent.flow_set is not None and not await self._flows.known(agent.tenant_id, agent.flow_set):
            link = f"/v1/flow-sets/{agent.flow_set}"
            yield Gap("flows_not_live", f"no version of {agent.flow_set} is live", "publish one", link)
        if await self._switches.mode(agent.tenant_id, agent.agent_id) is KillMode.STOP:
            yield Gap("kill_switch", "its kill switch says stop", "lift it", "/v1/kill-switch")

    def _language_gaps(self, tag: str, place: str) -> list[Gap]:
        pack = self._packs.get(tag)
        if pack is None:
            cure = "take the language from the agent, or have the operator mend its pack"
            return [Gap("no_approved_disclosure", f"no pack with approved disclosures serves {tag}", cure, place)]
        return [
            Gap("no_approved_disclosure", f"{tag}: nobody approved {key}", "run `vaanisetu packs approve`", place)
            for key, disclosure in pack.disclosures.items()
            if not disclosure.approved_by
        ]


def _needs(agent: Agent) -> list[Provider]:
    wanted = {
        Provider.PLIVO: True,
        Provider.WHATSAPP: agent.handoff == "whatsapp",
        Provider.TOOLS: bool(agent.tools),
        Provider.LLM: agent.second_opinion,
    }
    return [provider for provider, is_wanted in wanted.items() if is_wanted]


def _wanted(agents: list[Agent], provider: Provider) -> bool:
    return any(provider in _needs(agent) for agent in agents)


def _credential_gaps(provider: Provider, checks: Mapping[Provider, Check]) -> tuple[Gap, ...]:
    link, what = f"/v1/credentials/{provider.value}", _NAMES[provider]
    check = checks.get(provider)
    if check is None:
        return (Gap(f"{provider.value}_missing", f"{what} is not known", f"PUT {link}", link),)
    if check.state is not CheckState.VERIFIED:
        cure = f"PUT {link}" if check.state is CheckState.FAILED else f"POST {link}/verify"
        return (Gap(f"{provider.value}_{check.state.value}", f"{what}: {check.reason}", cure, link),)
    return ()


_NO_AGENT: Final = Gap("no_agent", "there is no agent", "POST /v1/agents", "/v1/agents")
_NO_NUMBER: Final = Gap("no_number", "there is no telephone number", "POST /v1/phone-numbers", "/v1/phone-numbers")
_NOBODY_LIVE: Final = Gap(
    "no_agent_live", "no agent answers whoever rings", "POST /v1/agents/{agent_id}/go-live", "/v1/agents"
)
