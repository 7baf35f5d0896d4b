"""A speech worker seen from the media process: started, watched, restarted; messages in and out."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import psutil
import structlog

from app.errors import ConfigError, SpeechWorkerLost
from app.speech import wire

_START_SECONDS: Final = 120.0
_BEAT_SECONDS: Final = 0.2
_HANG_SECONDS: Final = 0.8
_BUSY_FACTOR: Final = 4
_MOST_UNREAD_BYTES: Final = 4 << 20
_RESTART_PAUSE_SECONDS: Final = (0.0, 0.2, 1.0, 3.0, 10.0, 30.0)
_STEADY_SECONDS: Final = 10.0
_log = structlog.get_logger("speech")


class _Pipe(asyncio.Protocol):
    """Our end of the socket pair: messages in as they come, without a task or a stream between."""

    def __init__(self, on_message: Callable[[list[Any]], None]) -> None:
        self._on_message = on_message
        self._unpacker = wire.Unpacker()
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.heard = False

    def data_received(self, data: bytes) -> None:
        self.heard = True
        for message in self._unpacker.feed(data):
            self._on_message(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self.give_up("it ended" if exc is None else f"its pipe broke: {exc}")

    def give_up(self, reason: str) -> None:
        """Declares the worker lost; the first reason stays."""
        if not self.closed.done():
            self.closed.set_result(reason)


class WorkerProcess:
    """Keeps one worker alive.

    `on_message` gets every message after READY, also the figures that come with each heartbeat; `on_lost` is called
    when the worker dies, hangs or no longer reads, and `on_ready` each time one has loaded its models. All three run
    on the event loop and must not block.
    """

    def __init__(
        self,
        role: str,
        arguments: Sequence[str],
        *,
        on_message: Callable[[list[Any]], None],
        on_ready: Callable[[], None],
        on_lost: Callable[[], None],
        hang_seconds: float = _HANG_SECONDS,
    ) -> None:
        self._role = role
        self._arguments = list(arguments)
        self._on_message = on_message
        self._on_ready = on_ready
        self._on_lost = on_lost
        self._most_missed_beats = max(1, round(hang_seconds / _BEAT_SECONDS))
        self._transport: asyncio.WriteTransport | None = None
        self._pipe: _Pipe | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._refused = asyncio.Event()
        self._closing = False
        self.refusal: str | None = None
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """The living worker's process id."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def is_ready(self) -> bool:
        """Whether the worker has loaded its models and answers."""
        return self._ready.is_set()

    @property
    def unread_bytes(self) -> int:
        """How much has been sent that the worker has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    async def start(self) -> None:
        """Starts the worker and waits until it is ready.

        Raises:
            ConfigError: It refused to start as configured; the detail names the cure.
            SpeechWorkerLost: It did not become ready in time.
        """
        self._task = asyncio.create_task(self._keep(), name=f"speech-{self._role}")
        waits = [asyncio.create_task(event.wait()) for event in (self._ready, self._refused)]
        try:
            await asyncio.wait(waits, timeout=_START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self._ready.is_set():
            return
        await self.close()
        if self.refusal is not None:
            raise ConfigError(self.refusal)
        raise SpeechWorkerLost(f"the {self._role} worker did not start in {_START_SECONDS:.0f} s")

    def send(self, message: Any) -> None:
        """Sends a message.

        Raises:
            SpeechWorkerLost: There is no living worker, or it does not read what it is sent.
        """
        if self._transport is None or self._pipe is None or not self._ready.is_set():
            raise SpeechWorkerLost(f"the {self._role} worker is restarting")
        if self._transport.get_write_buffer_size() > _MOST_UNREAD_BYTES:
            self._pipe.give_up("it does not read what it is sent")
            raise SpeechWorkerLost(f"the {self._role} worker does not read")
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
                reason = await self._serve_once()
            except OSError as error:
                reason = f"it cannot be started: {error}"
            finally:
                await self._reap()
            failures = 1 if loop.time() - started > _STEADY_SECONDS else failures + 1
            self.restarts += 1
            _log.error("speech.worker_lost", role=self._role, reason=self.refusal or reason, failures=failures)
            await asyncio.sleep(_RESTART_PAUSE_SECONDS[min(failures, len(_RESTART_PAUSE_SECONDS)) - 1])

    async def _serve_once(self) -> str:
        """Runs one worker until it is lost; returns why it was."""
        self.refusal = None
        ours, theirs = socket.socketpair()
        try:
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
            self._transport, self._pipe = await asyncio.get_running_loop().create_connection(
                lambda: _Pipe(self._receive), sock=ours
            )
        except BaseException:
            ours.close()
            raise
        return await self._watch(self._transport, self._pipe)

    async def _watch(self, transport: asyncio.WriteTransport, pipe: _Pipe) -> str:
        """Waits for the pipe to close, and asks for a sign of life meanwhile.

        A beat counts as missed where nothing came between two asks, so a stall of this process is one beat at most. A
        worker that computes meanwhile is given longer than one that sleeps or is stopped.
        """
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait((ready, pipe.closed), timeout=_START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if not self._ready.is_set() and not pipe.closed.done():
            return f"its models were not loaded in {_START_SECONDS:.0f} s"
        missed = 0
        while not pipe.closed.done():
            pipe.heard = False
            transport.write(wire.encode([wire.PING]))
            await asyncio.wait((pipe.closed,), timeout=_BEAT_SECONDS)
            missed = 0 if pipe.heard else missed + 1
            if missed >= self._most_missed_beats * (_BUSY_FACTOR if self._is_computing() else 1):
                return "it does not answer"
        return pipe.closed.result()

    def _is_computing(self) -> bool:
        try:
            return bool(psutil.Process(self.pid).status() == psutil.STATUS_RUNNING)
        except psutil.Error:
            return False

    def _receive(self, message: list[Any]) -> None:
        if message[0] == wire.READY:
            self._ready.set()
            _log.info("speech.worker_ready", role=self._role, pid=self.pid)
            self._on_ready()
        elif message[0] == wire.REFUSED:
            self.refusal = message[1]
            self._refused.set()
        else:
            self._on_message(message)

    async def _reap(self) -> None:
        was_ready = self._ready.is_set()
        self._ready.clear()
        if self._transport is not None:
            self._transport.abort()
        self._transport = self._pipe = None
        if was_ready and not self._closing:
            self._on_lost()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
            self._process = None
