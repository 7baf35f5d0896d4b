"""A web server that lets what is under way end: at the first SIGTERM it drains, at a second it stops."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from types import FrameType

import structlog
import uvicorn

_log = structlog.get_logger(__name__)


class DrainingServer(uvicorn.Server):
    """uvicorn, but a SIGTERM first waits for `drain`; requests are served meanwhile. Ctrl-C stops at once."""

    def __init__(self, config: uvicorn.Config, drain: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._drain = drain
        self._draining: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Takes a signal, wherever the main thread is."""
        if sig == signal.SIGTERM and self._draining is None:
            self._loop.call_soon_threadsafe(self._begin, sig)
        else:
            super().handle_exit(sig, frame)

    def _begin(self, sig: int) -> None:
        if self._draining is None:
            _log.info("server.draining")
            self._draining = self._loop.create_task(self._drained(sig), name="drain")

    async def _drained(self, sig: int) -> None:
        try:
            await self._drain()
        finally:
            super().handle_exit(sig, None)
