"""Tools that answer what a rehearsal gives them; nothing outside is asked."""

from collections.abc import Mapping
from typing import Any

from app.dialogue.turn import ToolResult
from app.dialogue.verification import Factor, FactorCheck


class CannedTools:
    """Implements `app.dialogue.turn.Tools`; a tool without an answer is offered and fails, as a system that is down."""

    def __init__(self, answers: Mapping[str, ToolResult], offered: tuple[str, ...], check: FactorCheck) -> None:
        self._answers = answers
        self._offered = frozenset((*answers, *offered))
        self._check = check
        self.asked: list[dict[str, Any]] = []

    async def call(self, name: str, arguments: Mapping[str, str], *, key: str | None = None) -> ToolResult:
        """Returns the answer given for a tool and notes that it was asked."""
        self.asked.append({"tool": name, "arguments": dict(arguments), "write": key is not None})
        return self._answers.get(name) or ToolResult(ok=False, found=False, error="no answer was given for this tool")

    def offers(self, name: str) -> bool:
        """Returns whether the agent has the tool, or an answer was given for it."""
        return name in self._offered

    async def verify(self, factor: Factor, value: str) -> FactorCheck:
        """Returns the outcome that the rehearsal chose."""
        return self._check
