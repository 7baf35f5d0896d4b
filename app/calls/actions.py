"""The port for what a dialogue decides beside speaking: handing over, opting out."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from app.dialogue.turn import Action

if TYPE_CHECKING:
    from app.calls.session import CallContext


class Actions(Protocol):
    """Carries out actions, each once."""

    async def perform(self, context: "CallContext", action: Action) -> Mapping[str, Any]:
        """Carries out an action and returns what became of it, JSON values only.

        Raises:
            AppError: It could not be done; the caller will hear so.
        """
        ...
