"""Serves an ASGI application on a loopback port inside this process: how the stand-ins of Graph and tenants run."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Final, Self

import uvicorn

_TICK_SECONDS: Final = 0.1


class GuestServer(uvicorn.Server):
    """A uvicorn that leaves signals to the process it is a guest of; `ready` is set once it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self._told = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to listen."""
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        """Serves until it is told to stop."""
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), _TICK_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stops listening; at once where nobody is connected, for whom uvicorn always waits a tenth of a second."""
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
            return
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        await asyncio.gather(*(server.wait_closed() for server in self.servers))
        await self.lifespan.shutdown()

    def stop(self) -> None:
        """Ends serving."""
        self.should_exit = True
        self._told.set()


class Hosted:
    """One application, served while the context is open; `url` is its address."""

    def __init__(self, app: Any, *, port: int = 0) -> None:
        """Takes a loopback port at once, so that `url` is known before the application is finished.

        Args:
            app: The ASGI application.
            port: 0: any free one.
        """
        self._listener = socket.create_server(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._server = GuestServer(uvicorn.Config(app, log_config=None, access_log=False))
        self._serving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Returns when the application answers."""
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        await self._server.ready.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops serving."""
        self._server.stop()
        if self._serving is not None:
            await self._serving
