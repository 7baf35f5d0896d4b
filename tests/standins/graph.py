"""The Graph API stand-in on a real socket, stricter than Meta where our code promises more, with faults on demand."""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import uvicorn

from app.simulate.graph import GraphConfig, GraphError, GraphStandIn
from app.simulate.hosting import GuestServer


@dataclass(frozen=True, slots=True)
class Fault:
    """What the next message meets: an error code, or it is taken but answered only after so long."""

    code: int | None = None
    hang_seconds: float = 0.0


class StrictGraph(GraphStandIn):
    """Refuses what our own rules forbid, whatever Meta would do."""

    def __init__(self, config: GraphConfig) -> None:
        super().__init__(config)
        self.faults: deque[Fault] = deque()
        self.violations: list[str] = []
        self._taken: set[str] = set()

    async def accept(self, body: Mapping[str, Any]) -> None:
        tracker = str(body.get("biz_opaque_callback_data", ""))
        if not tracker.startswith("out_"):
            self.violations.append(f"no outbox id as tracker: {tracker!r}")
        if tracker in self._taken:
            self.violations.append(f"{tracker} sent again after it was taken")
        fault = self.faults.popleft() if self.faults else Fault()
        if fault.code is not None:
            raise GraphError(fault.code, "as the test asked")
        self._taken.add(tracker)
        await asyncio.sleep(fault.hang_seconds)


@contextlib.asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """Serves an ASGI application on a free loopback port; yields its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = GuestServer(uvicorn.Config(app, log_level="error", lifespan="on", ws="none", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    answers = asyncio.create_task(server.ready.wait())
    await asyncio.wait({serving, answers}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        answers.cancel()
        serving.result()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.stop()
        await serving
        listener.close()
