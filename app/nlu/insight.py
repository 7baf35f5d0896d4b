"""What one agent understands with beyond what all agents share: its own intents, and whom it asks when in doubt."""

from dataclasses import dataclass

from app.nlu.opinion import SecondOpinion
from app.nlu.understander import Understander


@dataclass(frozen=True, slots=True)
class Insight:
    """Of one agent in one conversation.

    Attributes:
        understander: With the agent's own intents; None: the one that all share.
        opinion: Whom to ask about words that are not understood; None: nobody.
    """

    understander: Understander | None = None
    opinion: SecondOpinion | None = None


SHARED = Insight()
"""Of an agent without intents of its own and without a second opinion."""
