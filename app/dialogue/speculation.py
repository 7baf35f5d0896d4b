"""The tools as a thought sees them that may yet be thrown away: reads run, everything else waits for the commit."""

from collections.abc import Mapping

from app.dialogue.turn import ToolResult, Tools
from app.dialogue.verification import Factor, FactorCheck


class CommitNeeded(Exception):
    """The turn does something that cannot be undone: it must be answered again once it is certain.

    Attributes:
        what: The tool, or `verify`.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} waits until the turn is committed")
        self.what = what


class ReadOnly:
    """Implements `Tools`; a write or a try at verification raises `CommitNeeded`."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def call(self, name: str, arguments: Mapping[str, str], *, key: str | None = None) -> ToolResult:
        """Reads; see `Tools`.

        Raises:
            CommitNeeded: A key was given: it is a write.
        """
        if key is not None:
            raise CommitNeeded(name)
        return await self._tools.call(name, arguments)

    def offers(self, name: str) -> bool:
        """Returns whether the agent has that tool."""
        return self._tools.offers(name)

    async def verify(self, factor: Factor, value: str) -> FactorCheck:
        """Compares nothing: a try counts.

        Raises:
            CommitNeeded: Always.
        """
        raise CommitNeeded("verify")
