"""The keys of one process as configured: the ring that opens data keys, and the master key with its lasting digests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.config import Settings
from app.kit.crypto import MasterKey
from app.kit.mongo import Database
from app.kit.transit import TransitKey
from app.kit.wrapping import KeyRing, LocalKey, WrappingKey, digest_key


@dataclass(frozen=True, slots=True)
class Keys:
    """What `open_keys` yields: `master` makes digests, `ring` wraps and opens data keys."""

    master: MasterKey
    ring: KeyRing


@asynccontextmanager
async def open_keys(settings: Settings, database: Database) -> AsyncIterator[Keys]:
    """Opens the keys that the settings name: the key service if there is one, else the master key.

    Raises:
        AppError: `master_key_missing`: this installation's keys were wrapped by another master key.
        ConfigError: The key service refuses.
        Unavailable: The store or the key service does not answer.
    """
    master = MasterKey(settings.master_key.get_secret_value())
    local = [LocalKey(master), *(LocalKey(MasterKey(key.get_secret_value())) for key in settings.accepted_master_keys)]
    transit = None
    if settings.kms_url is not None:
        transit = TransitKey(settings.kms_url, settings.kms_key, settings.kms_token.get_secret_value())
    current: WrappingKey = transit or local[0]
    ring = KeyRing(current, local)
    try:
        yield Keys(master.digesting_with(await digest_key(database, ring, master)), ring)
    finally:
        if transit is not None:
            await transit.aclose()
