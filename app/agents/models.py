"""A tenant's voice agents and numbers, as values."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.dialogue.turn import AgentProfile

HandoffWay = Literal["whatsapp", "phone"]


@dataclass(frozen=True, slots=True)
class OrderStatusTool:
    """Where orders are looked up; `url` None means `<tools base_url>/orders/{order_id}`."""

    url: str | None = None


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
        order_status: The order look-up; None: the agent has none.
        recording: Whether calls are recorded, announced by the disclosure.
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
    order_status: OrderStatusTool | None = None
    recording: bool = True

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
            order_lookup=self.order_status is not None,
        )


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A telephone number of a tenant and the agent that answers it."""

    number_id: str
    tenant_id: str
    number: str
    agent_id: str
    created_at: datetime
