"""The embedded stores start fast, keep their data, and leave nothing behind, whatever ends their owner."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.errors import ConfigError
from app.kit.clock import SystemClock
from app.kit.embedded import EmbeddedServices
from app.kit.mongo import Database

pytestmark = pytest.mark.integration

OWNER = """
import asyncio, sys
from pathlib import Path
from app.kit.embedded import EmbeddedServices

async def main():
    async with EmbeddedServices(Path(sys.argv[1])):
        print("up", flush=True)
        await asyncio.sleep(60)

try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
"""


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path / "data")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", str(tmp_path)])
    yield process
    process.kill()
    process.wait()


def stores_of(data_dir: Path) -> list[psutil.Process]:
    pids = [int((data_dir / f"{name}.pid").read_text().split()[0]) for name in ("redis", "mongo")]
    return [psutil.Process(pid) for pid in pids]


def pid_files(data_dir: Path) -> list[Path]:
    return list(data_dir.glob("*.pid"))


def gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=10)
    return not alive


async def test_data_survives_a_restart(tmp_path: Path) -> None:
    async with EmbeddedServices(tmp_path) as services:
        database = await Database.connect(services.mongodb_url, "vaanisetu", SystemClock())
        await database.tenant("ten_a").collection("notes").insert_one({"_id": "note_1", "text": "रहेगा"})
        database.close()
        redis = Redis.from_url(services.redis_url)
        await redis.set("kept", "yes")
        await redis.aclose()
    started = time.monotonic()
    async with EmbeddedServices(tmp_path) as services:
        assert time.monotonic() - started < 10
        database = await Database.connect(services.mongodb_url, "vaanisetu", SystemClock())
        assert await database.tenant("ten_a").collection("notes").find_one({"text": "रहेगा"})
        database.close()
        redis = Redis.from_url(services.redis_url)
        assert await redis.get("kept") == b"yes"
        await redis.aclose()


async def test_leaving_stops_the_stores_and_removes_their_traces(tmp_path: Path) -> None:
    async with EmbeddedServices(tmp_path) as services:
        stores = stores_of(tmp_path)
        assert services.dead() == []
        assert services.celery_broker_url.startswith("redis+socket:///")
    assert gone(stores)
    assert pid_files(tmp_path) == []
    assert not (tmp_path / "run").exists()


async def test_given_urls_start_nothing(tmp_path: Path) -> None:
    async with EmbeddedServices(tmp_path / "data", "mongodb://db/", "redis://cache/0") as services:
        assert (services.mongodb_url, services.redis_url) == ("mongodb://db/", "redis://cache/0")
        assert services.celery_broker_url == "redis://cache/0"
    assert not (tmp_path / "data").exists()


async def test_a_given_unix_socket_is_translated_for_celery(tmp_path: Path) -> None:
    async with EmbeddedServices(tmp_path, "mongodb://db/", "unix:///run/redis.sock") as services:
        assert services.redis_url == "unix:///run/redis.sock"
        assert services.celery_broker_url == "redis+socket:///run/redis.sock"


async def test_ctrl_c_leaves_nothing_behind(owner: subprocess.Popen[str], tmp_path: Path) -> None:
    stores = stores_of(tmp_path / "data")
    owner.send_signal(signal.SIGINT)
    assert owner.wait(15) == 0
    assert gone(stores)
    assert pid_files(tmp_path / "data") == []


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ties children to their parent on Linux only")
async def test_the_stores_die_with_a_killed_owner_and_the_next_start_is_clean(
    owner: subprocess.Popen[str], tmp_path: Path
) -> None:
    stores = stores_of(tmp_path / "data")
    owner.kill()
    owner.wait()
    async with EmbeddedServices(tmp_path / "data"):
        assert gone(stores)


async def test_stores_left_by_a_killed_owner_are_ended_by_their_pid_files(
    sleeper: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    (tmp_path / "mongo.pid").write_text(f"{sleeper.pid} {psutil.Process(sleeper.pid).create_time()}")
    async with EmbeddedServices(tmp_path):
        assert not psutil.pid_exists(sleeper.pid)


async def test_a_pid_that_now_belongs_to_another_process_is_left_alone(
    sleeper: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    (tmp_path / "redis.pid").write_text(f"{sleeper.pid} {psutil.Process(sleeper.pid).create_time() - 100}")
    async with EmbeddedServices(tmp_path):
        assert sleeper.poll() is None


async def test_a_second_owner_is_told_who_the_first_is(owner: subprocess.Popen[str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"in use by process {owner.pid}.*VAANISETU_DATA_DIR"):
        await EmbeddedServices(tmp_path / "data").__aenter__()


async def test_a_long_data_directory_gets_a_short_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("long " * 12) / ("डेटा" * 10)
    async with EmbeddedServices(deep) as services:
        socket = services.redis_url.removeprefix("unix://")
        assert len(os.fsencode(socket)) <= 100
        run_dir = Path(socket).parent
        assert run_dir.stat().st_mode & 0o777 == 0o700
    assert not run_dir.exists()
    assert str(run_dir).startswith(tempfile.gettempdir())


async def test_a_store_that_dies_is_noticed(tmp_path: Path) -> None:
    async with EmbeddedServices(tmp_path, revive=False) as services:
        redis, _ = stores_of(tmp_path)
        redis.kill()
        assert await asyncio.to_thread(gone, [redis])
        assert services.dead() == ["redis"]


async def test_stores_that_die_come_back_with_their_data_at_their_addresses(tmp_path: Path) -> None:
    async with EmbeddedServices(tmp_path, revive=False) as services:
        addresses = (services.mongodb_url, services.redis_url)
        database = await Database.connect(services.mongodb_url, "vaanisetu", SystemClock())
        notes = database.tenant("ten_a").collection("notes")
        await notes.insert_one({"_id": "n1"})
        for store in stores_of(tmp_path):
            store.kill()
            await asyncio.to_thread(gone, [store])
        assert sorted(await services.revive()) == ["mongo", "redis"]
        assert (services.mongodb_url, services.redis_url) == addresses
        assert await notes.find_one({"_id": "n1"})
        assert await services.revive() == []
        database.close()


async def test_a_store_that_dies_is_revived_without_being_asked(tmp_path: Path) -> None:
    async with EmbeddedServices(tmp_path) as services:
        redis, _ = stores_of(tmp_path)
        redis.kill()
        client = Redis.from_url(services.redis_url)
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(RedisError, OSError):
                    if await client.ping() and not redis.is_running():
                        break
                await asyncio.sleep(0.05)
        await client.aclose()
