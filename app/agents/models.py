"""A tenant's voice agents and numbers, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from app.agents.tools import ToolConfig
from app.compliance.calling_rules import CallPurpose
from app.dialogue.escalation import EscalationPolicy
from app.dialogue.hours import BusinessHours
from app.dialogue.turn import AgentProfile
from app.dialogue.verification import VerificationPolicy

HandoffWay = Literal["whatsapp", "phone"]


@dataclass(frozen=True, slots=True)
class Agent:
    """One configured voice agent.

    Attributes:
        agent_id: `agent_<ulid>`.
        tenant_id: Whose.
        name: For people.
        entity_name: The legal entity, as disclosures speak it.
        languages: BCP-47 tags with packs, in order of preference.
        default_language: Spoken first; one of `languages`.
        created_at: Aware UTC.
        updated_at: Aware UTC.
        purpose: support, sales ...
        handoff: How a person is reached.
        transfer_number: E.164, for `handoff` by phone.
        tools: What the agent may do in the tenant's systems, by name.
        verification: How callers prove who they are; None: nobody is asked.
        escalation: When a person takes over, and how.
        hours: When people are there to take over.
        flow_set: The tenant's own flows that the agent follows; None: the shipped ones.
        recording: Whether calls are recorded, announced by the disclosure.
        vocabulary: Words of the business and formats of its numbers, which the recogniser leans towards.
        second_opinion: Whether the tenant's language model is asked about words that understanding is unsure of.
        replay_first: Whether own intents go live only after a replay of past calls that passed.
        asks_whatsapp: Whether a caller who was never asked is asked, before goodbye, if we may write on WhatsApp.
    """

    agent_id: str
    tenant_id: str
    name: str
    entity_name: str
    languages: tuple[str, ...]
    default_language: str
    created_at: datetime
    updated_at: datetime
    purpose: str = "support"
    handoff: HandoffWay = "whatsapp"
    transfer_number: str | None = None
    tools: Mapping[str, ToolConfig] = field(default_factory=dict)
    verification: VerificationPolicy | None = None
    escalation: EscalationPolicy = field(default_factory=EscalationPolicy)
    hours: BusinessHours = field(default_factory=BusinessHours)
    flow_set: str | None = None
    recording: bool = True
    vocabulary: tuple[str, ...] = ()
    second_opinion: bool = False
    replay_first: bool = False
    asks_whatsapp: bool = False

    def profile(self) -> AgentProfile:
        """Returns what the dialogue must know."""
        return AgentProfile(
            tenant_id=self.tenant_id,
            agent_id=self.agent_id,
            entity_name=self.entity_name,
            languages=self.languages,
            default_language=self.default_language,
            purpose=self.purpose,
            handoff=self.handoff,
            transfer_number=self.transfer_number,
            tools=tuple(self.tools),
            tool_patience_ms={name: tool.timeout_ms for name, tool in self.tools.items()},
            verification=self.verification,
            escalation=self.escalation,
            hours=self.hours,
            vocabulary=self.vocabulary,
            asks_whatsapp=self.asks_whatsapp,
        )


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A telephone number of a tenant and the agent that answers it.

    Attributes:
        number_id: `num_<ulid>`.
        tenant_id: Whose.
        number: E.164.
        agent_id: Who answers.
        created_at: Aware UTC.
        updated_at: Aware UTC.
        purposes: Which calls out may show it; empty: none, it only takes calls; None: whatever the calling rules allow.
        languages: Which of the agent's languages are spoken to who rings here, the first one first; empty: all.
    """

    number_id: str
    tenant_id: str
    number: str
    agent_id: str
    created_at: datetime
    updated_at: datetime
    purposes: tuple[CallPurpose, ...] | None = None
    languages: tuple[str, ...] = ()

    def spoken(self, profile: AgentProfile) -> AgentProfile:
        """Returns the agent within the number's languages; one that speaks none of them any more stays as it is."""
        languages = tuple(tag for tag in self.languages if tag in profile.languages)
        return replace(profile, languages=languages, default_language=languages[0]) if languages else profile
