"""The port through which channels learn which agent answers, and with which of the tenant's systems."""

from dataclasses import dataclass
from typing import Protocol

from app.dialogue.turn import AgentProfile, Tools


@dataclass(frozen=True, slots=True)
class AgentSetup:
    """What a channel needs to know of the agent that answers."""

    profile: AgentProfile
    tools: Tools
    keep_audio: bool


class AgentDirectory(Protocol):
    """Agents as the tenants configured them; wired by the root."""

    async def setup(self, tenant_id: str, agent_id: str) -> AgentSetup:
        """Returns the agent that answers.

        Raises:
            NotFound: The tenant has no such agent.
        """
        ...

    async def language_for(self, tenant_id: str, contact_number: str, profile: AgentProfile) -> str:
        """Returns the language to open in: the contact's own if known, else the agent's default."""
        ...
