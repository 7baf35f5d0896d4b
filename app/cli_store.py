"""Commands that work on the store alone, so that they work when no server does."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.cli_settings import settings_with
from app.config import Settings
from app.errors import ConfigError
from app.kit.clock import SystemClock
from app.kit.logging import setup_logging
from app.kit.mongo import Database

T = TypeVar("T")


async def tenants(database: Database) -> list[str]:
    """Returns the ids of all tenants."""
    store = database.system("the operator's command names tenants").collection("tenants")
    return [document["_id"] for document in await store.find({}, limit=100_000, projection=[])]


def with_store(work: Callable[[Database], Awaitable[T]]) -> T:
    """Runs `work` on the store of the running service.

    Raises:
        ConfigError: VAANISETU_MONGODB_URL is missing.
        Unavailable: The store does not answer.
    """
    settings = settings_with()
    setup_logging(json=False, level="WARNING")
    if settings.mongodb_url is None:
        raise ConfigError("set VAANISETU_MONGODB_URL: the store of the running service (`make run` prints its own)")
    return asyncio.run(_connected(settings, settings.mongodb_url, work))


async def _connected(settings: Settings, url: str, work: Callable[[Database], Awaitable[T]]) -> T:
    database = await Database.connect(url, settings.mongodb_database, SystemClock())
    try:
        return await work(database)
    finally:
        database.close()
