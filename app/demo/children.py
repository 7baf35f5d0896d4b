"""The service's own processes as children: started, watched until ready, stopped with their parent whatever happens."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import httpx

from app.errors import ConfigError
from app.kit import tether

_STOP_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.1
_LOG_LINES: Final = 8


class Child:
    """One `vaanisetu` process. On Linux it ends when its parent does, even by kill -9."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log_dir: Path,
        *,
        module: str = "app.cli",
    ) -> None:
        """Starts the process.

        Args:
            name: What it is, for messages and the log file.
            arguments: What follows `vaanisetu`, or the module's name.
            environment: Added to our own.
            log_dir: Where its output goes, `<name>.log`.
            module: What runs.
        """
        self.name = name
        self.log = log_dir / f"{name}.log"
        log_dir.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-I", "-S", tether.__file__, str(os.getpid())]
        command += [sys.executable, "-m", module, *arguments]
        root = str(Path(__file__).parents[2])
        path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH")) if part)
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **environment},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def require_alive(self) -> None:
        """Raises ConfigError with the end of its log if it has ended."""
        status = self._process.poll()
        if status is not None:
            raise ConfigError(f"the {self.name} ended (status {status}); {self.log} ends:\n{self.last_words()}")

    def last_words(self) -> str:
        """Returns the end of its log."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return "\n".join(f"  {line[:400]}" for line in lines[-_LOG_LINES:])

    async def answers(self, url: str, seconds: float) -> None:
        """Waits until `url` answers 200.

        Raises:
            ConfigError: The process ended, or did not answer in time.
        """
        deadline = time.monotonic() + seconds
        async with httpx.AsyncClient(timeout=2, trust_env=False) as http:
            while True:
                self.require_alive()
                try:
                    answer = await http.get(url)
                    if answer.status_code == 200:
                        return
                    said = f"{answer.status_code} {answer.text[:200]}"
                except httpx.HTTPError as error:
                    said = repr(error)
                if time.monotonic() > deadline:
                    raise ConfigError(
                        f"the {self.name} did not become ready within {seconds:g} s ({said}); {self.log} ends:\n"
                        f"{self.last_words()}"
                    )
                await asyncio.sleep(_LOOK_SECONDS)

    async def succeeds(self, seconds: float) -> None:
        """Waits until it ends by itself with status 0.

        Raises:
            ConfigError: Another status, or it still runs after `seconds`.
        """
        try:
            status = await asyncio.to_thread(self._process.wait, seconds)
        except subprocess.TimeoutExpired as error:
            raise ConfigError(f"the {self.name} did not end within {seconds:g} s; see {self.log}") from error
        if status != 0:
            self.require_alive()

    async def stop(self) -> None:
        """Asks it to end, and insists after ten seconds."""
        if self.alive:
            self._process.terminate()
        try:
            await asyncio.to_thread(self._process.wait, _STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)


def free_port(wanted: int = 0) -> int:
    """Returns `wanted` if nobody listens there, else any free loopback port."""
    for port in (wanted, 0):
        try:
            with socket.create_server(("127.0.0.1", port)) as listener:
                found: int = listener.getsockname()[1]
                return found
        except OSError:
            continue
    raise ConfigError("no free loopback port")
