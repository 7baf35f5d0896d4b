"""What callers said in calls that are over; the port through which a replay reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PastTurn:
    """One turn of a caller.

    Attributes:
        number: Of the event in its call.
        text: What was said or keyed in; "" where it was a secret and is not kept.
        keyed: By keypad.
        hidden: What it proved stands nowhere.
    """

    number: int
    text: str
    keyed: bool
    hidden: bool


@dataclass(frozen=True, slots=True)
class PastCall:
    """The turns of one call, in order, and the language it was opened in (BCP-47)."""

    call_id: str
    language: str
    turns: tuple[PastTurn, ...]


class Transcripts(Protocol):
    """The calls of tenants, as far as their words are kept."""

    async def newest(self, tenant_id: str, agent_id: str, most: int) -> list[PastCall]:
        """Returns an agent's newest finished calls in which the caller spoke, at most `most`, newest first."""
        ...

    async def words(self, tenant_id: str, call_id: str) -> Mapping[int, str]:
        """Returns what the caller said by number of turn; empty where the call was erased."""
        ...
