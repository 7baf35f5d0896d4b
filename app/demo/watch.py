"""Shows a call while it is lived: follows the stored events over REST and prints each turn as it is written."""

import asyncio
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.text import Text

from app.errors import Unavailable
from app.simulate.carrier import SimulatedCall
from app.simulate.readback import Readback
from app.simulate.report import line_text, verdict_text
from app.simulate.verdict import CallReport, lines

_LOOK_SECONDS: Final = 0.5


class CallWatch:
    """Follows one call. Use as an async context manager around it."""

    def __init__(self, readback: Readback, console: Console) -> None:
        self._readback = readback
        self._console = console
        self._call: SimulatedCall | None = None
        self._call_id: str | None = None
        self._shown = 0
        self._watching: asyncio.Task[None] | None = None

    def follow(self, call: SimulatedCall) -> None:
        """Takes the call to follow."""
        self._call = call

    async def __aenter__(self) -> Self:
        """Begins to watch."""
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends watching."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    def finish(self, report: CallReport) -> None:
        """Shows what is left of the call, the WhatsApp message and the verdict."""
        for line in report.lines[self._shown :]:
            self._console.print(line_text(line))
        for bubble in report.whatsapp:
            text = Text("WhatsApp ", style="bold blue").append(f"[{bubble['template']}, {bubble['language']}] ", "dim")
            self._console.print(text.append(str(bubble["text"])))
        self._console.print(verdict_text(report))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                self._show(await self._events())
            except Unavailable:
                continue

    async def _events(self) -> list[dict[str, Any]]:
        if self._call is None:
            return []
        if self._call_id is None:
            row = await self._readback.find_call(self._call.call_id)
            self._call_id = row["id"] if row else None
        return await self._readback.events(self._call_id) if self._call_id else []

    def _show(self, events: list[dict[str, Any]]) -> None:
        found = lines(events)
        for line in found[self._shown :]:
            self._console.print(line_text(line))
        self._shown = len(found)
