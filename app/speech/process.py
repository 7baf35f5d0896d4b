"""A speech worker seen from the media process: started, watched, restarted; messages in and out."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog

from app.errors import SpeechWorkerLost
from app.speech import wire

_START_SECONDS: Final = 30.0
_RESTART_PAUSE_SECONDS: Final = (0.0, 0.2, 1.0, 3.0)
_STEADY_SECONDS: Final = 10.0
_log = structlog.get_logger("speech")


class _Pipe(asyncio.Protocol):
    """Our end of the socket pair: messages in as they come, without a task or a stream between."""

    def __init__(self, on_message: Callable[[list[Any]], None]) -> None:
        self._on_message = on_message
        self._unpacker = wire.Unpacker()
        self.closed = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        for message in self._unpacker.feed(data):
            self._on_message(message)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


class WorkerProcess:
    """Keeps one worker alive.

    `on_message` gets every message after READY; `on_lost` is called when the worker dies and `on_ready` each time
    one has loaded its models. All three run on the event loop and must not block.
    """

    def __init__(
        self,
        role: str,
        arguments: Sequence[str],
        *,
        on_message: Callable[[list[Any]], None],
        on_ready: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._role = role
        self._arguments = list(arguments)
        self._on_message = on_message
        self._on_ready = on_ready
        self._on_lost = on_lost
        self._transport: asyncio.WriteTransport | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._closing = False

    @property
    def pid(self) -> int | None:
        """The living worker's process id."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def is_ready(self) -> bool:
        """Whether the worker has loaded its models and answers."""
        return self._ready.is_set()

    async def start(self) -> None:
        """Starts the worker and waits until it is ready.

        Raises:
            SpeechWorkerLost: It did not become ready in time.
        """
        self._task = asyncio.create_task(self._keep(), name=f"speech-{self._role}")
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self._ready.wait()
        except TimeoutError as error:
            await self.close()
            raise SpeechWorkerLost(f"the {self._role} worker did not start in {_START_SECONDS:.0f} s") from error

    def send(self, message: Any) -> None:
        """Sends a message.

        Raises:
            SpeechWorkerLost: There is no living worker.
        """
        if self._transport is None or not self._ready.is_set():
            raise SpeechWorkerLost(f"the {self._role} worker is restarting")
        self._transport.write(wire.encode(message))

    async def close(self) -> None:
        """Ends the worker and waits for it."""
        self._closing = True
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _keep(self) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while not self._closing:
            started = loop.time()
            try:
                await self._serve_once()
            finally:
                await self._reap()
            failures = 0 if loop.time() - started > _STEADY_SECONDS else failures + 1
            _log.error("speech.worker_lost", role=self._role, failures=failures)
            await asyncio.sleep(_RESTART_PAUSE_SECONDS[min(failures, len(_RESTART_PAUSE_SECONDS)) - 1])

    async def _serve_once(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "app.speech.worker",
                self._role,
                "--fd",
                str(theirs.fileno()),
                *self._arguments,
                pass_fds=[theirs.fileno()],
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,
            )
        pipe: _Pipe
        self._transport, pipe = await asyncio.get_running_loop().create_connection(
            lambda: _Pipe(self._receive), sock=ours
        )
        await pipe.closed

    def _receive(self, message: list[Any]) -> None:
        if message[0] != wire.READY:
            self._on_message(message)
            return
        self._ready.set()
        _log.info("speech.worker_ready", role=self._role, pid=self.pid)
        self._on_ready()

    async def _reap(self) -> None:
        was_ready = self._ready.is_set()
        self._ready.clear()
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        if was_ready and not self._closing:
            self._on_lost()
