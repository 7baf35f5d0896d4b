"""A place at one listening worker: how it recognises, the calls it serves, and what is queued for it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from app.errors import SpeechWorkerLost
from app.speech.process import WorkerProcess

_FLUSH_SECONDS: Final = 0.012
_HANG_SECONDS: Final = {"onnx": 0.8, "nemo": 10.0}
_log = structlog.get_logger("speech")


@dataclass(frozen=True, slots=True)
class HearingOptions:
    """How speech is recognised.

    `engine` is `onnx` or `nemo`, `model` its model (None: the starter checkpoint), `device` where `nemo` computes;
    `models` maps languages to models instead, each in the engine that it was made for. A worker's batch runs when
    `max_batch` calls are due or the first has waited `max_wait_ms`. `capacity` is the admission limit over all
    `workers`: one slot per admitted call.
    """

    capacity: int
    engine: str = "onnx"
    model: Path | None = None
    models: Mapping[str, Path] = field(default_factory=dict)
    device: str = "cpu"
    threads: int = 1
    workers: int = 1
    max_batch: int = 16
    max_wait_ms: float = 20.0

    def arguments(self) -> list[str]:
        """Returns the command line of a listening worker."""
        given = {
            "--engine": self.engine,
            "--model": self.model,
            "--device": self.device,
            "--threads": self.threads,
            "--max-batch": self.max_batch,
            "--max-wait-ms": self.max_wait_ms,
        }
        routes = [("--route", f"{language}={path}") for language, path in self.models.items()]
        chosen = [(name, str(value)) for name, value in given.items() if value is not None]
        return [part for pair in (*chosen, *routes) for part in pair]


class Seat:
    """One worker with the ears that it serves; everything queued for it within 12 ms travels in one message."""

    def __init__(
        self,
        options: HearingOptions,
        on_message: Callable[[list[Any]], None],
        on_ready: Callable[[], None],
        on_lost: Callable[["Seat"], None],
    ) -> None:
        self.ears: set[Any] = set()
        self._outbox: list[list[Any]] = []
        self._flush: asyncio.TimerHandle | None = None
        self.worker = WorkerProcess(
            "listen",
            options.arguments(),
            on_message=on_message,
            on_ready=on_ready,
            on_lost=lambda: on_lost(self),
            hang_seconds=_HANG_SECONDS["nemo" if options.models else options.engine],
        )

    def post(self, command: list[Any], *, now: bool = False) -> None:
        """Queues a command."""
        if not self.worker.is_ready:
            return
        self._outbox.append(command)
        if now:
            self._send()
        elif self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self._send)

    def stop_flushing(self) -> None:
        """Forgets what is queued."""
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        self._outbox = []

    def _send(self) -> None:
        commands = self._outbox
        self.stop_flushing()
        if commands and self.worker.is_ready:
            try:
                self.worker.send(commands)
            except SpeechWorkerLost as error:
                _log.warning("speech.commands_dropped", detail=error.detail)
