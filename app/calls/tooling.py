"""The tools as one turn of a call uses them: notes each call for the record, and says when one takes its time."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from app.dialogue.turn import ToolResult, Tools
from app.dialogue.verification import Factor, FactorCheck

DEFAULT_PATIENCE_MS: Final = 200


class ToolWatch:
    """Implements `Tools` for one turn.

    Attributes:
        calls: What was called and what came of it, without arguments and answers: JSON values only.
        slow: Set once a call has taken longer than its patience; it goes on.
    """

    def __init__(self, tools: Tools, patience_ms: Mapping[str, int]) -> None:
        self._tools = tools
        self._patience_ms = patience_ms
        self.calls: list[Mapping[str, Any]] = []
        self.slow = asyncio.Event()

    def offers(self, name: str) -> bool:
        """Returns whether the agent has that tool."""
        return self._tools.offers(name)

    async def call(self, name: str, arguments: Mapping[str, str], *, key: str | None = None) -> ToolResult:
        """Calls a tool; see `Tools`."""
        patience = self._patience_ms.get(name, DEFAULT_PATIENCE_MS) / 1_000
        timer = asyncio.get_running_loop().call_later(patience, self.slow.set)
        try:
            keyed = {} if key is None else {"key": key}
            result = await self._tools.call(name, arguments, **keyed)
        finally:
            timer.cancel()
        self.calls.append(_noted(name, result, write=key is not None))
        return result

    async def verify(self, factor: Factor, value: str) -> FactorCheck:
        """Compares what the caller gave; neither it nor what was expected is noted."""
        timer = asyncio.get_running_loop().call_later(DEFAULT_PATIENCE_MS / 1_000, self.slow.set)
        try:
            checked = await self._tools.verify(factor, value)
        finally:
            timer.cancel()
        self.calls.append({"tool": "verify", "factor": factor.value, "outcome": checked.value})
        return checked


def _noted(name: str, result: ToolResult, *, write: bool) -> Mapping[str, Any]:
    return {
        "tool": name,
        "write": write,
        "ok": result.ok,
        "found": result.found,
        "elapsed_ms": round(result.elapsed_ms, 1),
        "attempts": result.attempts,
        "cached": result.cached,
        "awaiting_approval": result.awaiting_approval,
        "unsettled": result.unsettled,
        "needs_verification": result.needs_verification,
        "error": result.error,
    }
