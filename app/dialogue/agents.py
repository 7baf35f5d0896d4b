"""The port through which channels learn which agent answers, and with which of the tenant's systems."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from app.dialogue.turn import AgentProfile, Tools
from app.nlu.insight import SHARED, Insight


class ChannelKind(StrEnum):
    """How somebody reaches an agent."""

    CALL = "call"
    CHAT = "chat"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who reaches an agent, as the channel says.

    Attributes:
        number: E.164, or "" when it is withheld.
        reference: The id of the call or conversation: names what is written in it.
        kind: A call's number can be forged, a chat's cannot.
        dialled: The tenant's number (E.164) that was rung, whose languages are spoken; "": none was.
    """

    number: str = ""
    reference: str = ""
    kind: ChannelKind = ChannelKind.CALL
    dialled: str = ""


NOBODY = Caller()
"""Somebody of whom nothing is known."""


@dataclass(frozen=True, slots=True)
class AgentSetup:
    """What a channel needs to know of the agent that answers."""

    profile: AgentProfile
    tools: Tools
    keep_audio: bool
    insight: Insight = SHARED


class AgentDirectory(Protocol):
    """Agents as the tenants configured them; wired by the root."""

    async def setup(self, tenant_id: str, agent_id: str, caller: Caller = NOBODY) -> AgentSetup:
        """Returns the agent that answers, with the tenant's systems as they are open to this caller.

        Raises:
            NotFound: The tenant has no such agent.
        """
        ...

    def expect(self, setup: AgentSetup) -> None:
        """Somebody rings: fetches at once, beside everything else, what the first turn may need."""
        ...

    async def language_for(self, tenant_id: str, contact_number: str, profile: AgentProfile) -> str:
        """Returns the language to open in: the contact's own if known, else the agent's default."""
        ...
