"""Fixtures that every room's tests share: the embedded stores (one pair per worker) and a fresh database per test."""

import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import structlog
from hypothesis import HealthCheck, settings
from redis.asyncio import Redis

from app.kit.clock import SystemClock
from app.kit.embedded import EmbeddedServices
from app.kit.mongo import Database

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.set_exc_info,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)
"""As structlog does unasked, but for tracebacks with every local variable, which take longer than the tests."""

settings.register_profile("shared-cores", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared-cores")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def embedded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServices]:
    directory: Path = tmp_path_factory.mktemp("stores")
    async with EmbeddedServices(directory) as services:
        yield services


@pytest.fixture(scope="session")
def models_dir(pytestconfig: pytest.Config) -> Path:
    """Where intent models are kept once trained, from one run of the tests to the next."""
    assert pytestconfig.cache is not None
    return Path(pytestconfig.cache.mkdir("understander"))


def database_name() -> str:
    return f"test-{os.getpid()}-{uuid.uuid4().hex[:12]}"


@pytest_asyncio.fixture
async def database(embedded: EmbeddedServices) -> AsyncIterator[Database]:
    database = await Database.connect(embedded.mongodb_url, database_name(), SystemClock())
    try:
        yield database
    finally:
        await database.drop()
        database.close()


@pytest_asyncio.fixture
async def redis_client(embedded: EmbeddedServices) -> AsyncIterator[Redis]:
    client: Redis = Redis.from_url(embedded.redis_url)
    try:
        yield client
        await client.flushall()
    finally:
        await client.aclose()
