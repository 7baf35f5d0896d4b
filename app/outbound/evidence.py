"""Collects what the gate must know about one call, from every room that knows a part of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.agents.lifecycle import Lifecycle
from app.agents.models import Agent, PhoneNumber
from app.agents.phone_numbers import PhoneNumberService
from app.agents.service import AgentService
from app.calls.allowance import CallAllowance
from app.compliance.calling_rules import CallPurpose
from app.compliance.consent import ConsentLedger
from app.compliance.gate import CallFacts
from app.compliance.killswitch import OPERATOR_CHAIN, KillSwitches
from app.compliance.models import ConsentChannel, Purpose
from app.compliance.scrubs import Scrubs
from app.compliance.suppression import Suppressions
from app.errors import NotFound
from app.language.packs import Pack
from app.outbound.repository import OutboundRepository
from app.tenants.credentials import CredentialService

DAY: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Wish:
    """A call that somebody wants: what the gate is asked about."""

    agent_id: str
    purpose: CallPurpose
    from_number: str
    to_number: str
    time_zone: str | None
    registrations: Mapping[str, str]


class CallEvidence:
    """Reads; changes nothing. Every store that does not answer fails the question, never the rule."""

    def __init__(
        self,
        *,
        agents: AgentService,
        lifecycle: Lifecycle,
        numbers: PhoneNumberService,
        credentials: CredentialService,
        consents: ConsentLedger,
        suppressions: Suppressions,
        scrubs: Scrubs,
        kill_switches: KillSwitches,
        calls: OutboundRepository,
        packs: Mapping[str, Pack],
        allowance: CallAllowance,
        most_calls_a_day: int,
    ) -> None:
        self._allowance = allowance
        self._agents = agents
        self._lifecycle = lifecycle
        self._numbers = numbers
        self._credentials = credentials
        self._consents = consents
        self._suppressions = suppressions
        self._scrubs = scrubs
        self._kill_switches = kill_switches
        self._calls = calls
        self._packs = packs
        self._most_calls_a_day = most_calls_a_day

    async def of(self, tenant_id: str, wish: Wish, now: datetime) -> CallFacts:
        """Returns what is known.

        Raises:
            Unavailable: A store does not answer: nothing may be dialled.
        """
        phone, lists = wish.to_number, {"tenant": tenant_id, "operator": OPERATOR_CHAIN}
        limits = await self._allowance.limits(tenant_id)
        most_a_day = limits.outbound_calls_a_day
        shown = await self._numbers.of_tenant(tenant_id, wish.from_number)
        return CallFacts(
            purpose=wish.purpose,
            to_number=phone,
            from_number=wish.from_number,
            consents={
                purpose: await self._consents.latest(tenant_id, phone, ConsentChannel.CALL, purpose)
                for purpose in Purpose
            },
            suppressions={
                whose: await self._suppressions.find(chain, phone, ConsentChannel.CALL)
                for whose, chain in lists.items()
            },
            scrub=await self._scrubs.find(tenant_id, phone),
            recent=await self._calls.attempts_at(tenant_id, phone),
            kill_mode=await self._kill_switches.mode(tenant_id, wish.agent_id),
            agent_faults=await self._agent_faults(tenant_id, wish, shown),
            time_zone=wish.time_zone,
            registrations=wish.registrations,
            calls_today=await self._calls.placed_since(tenant_id, now - DAY),
            most_calls_a_day=min(self._most_calls_a_day, self._most_calls_a_day if most_a_day is None else most_a_day),
            spent=await self._allowance.spent(tenant_id),
            number_purposes=shown.purposes if shown is not None else None,
        )

    async def _agent_faults(self, tenant_id: str, wish: Wish, shown: PhoneNumber | None) -> tuple[str, ...]:
        faults = []
        try:
            faults += self._unspoken(await self._agents.get(tenant_id, wish.agent_id))
        except NotFound:
            faults.append("the agent does not exist any more")
        if not await self._lifecycle.answers(tenant_id, wish.agent_id, wish.to_number):
            faults.append("the agent is not live; POST /v1/agents/{agent_id}/go-live")
        if shown is None:
            faults.append(f"{wish.from_number} is not a number of this tenant")
        if await self._credentials.plivo(tenant_id) is None:
            faults.append("the tenant has no carrier account")
        return tuple(faults)

    def _unspoken(self, agent: Agent) -> list[str]:
        """Returns a fault unless one of the agent's languages can open a call out; packs hold approved texts only."""
        if any(tag in self._packs and self._packs[tag].opening_outbound for tag in agent.languages):
            return []
        return ["none of the agent's languages has approved disclosures for calls out"]
