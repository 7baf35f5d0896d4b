"""The vault: seals a tenant's content under the tenant's own data key, which the store keeps wrapped."""

import asyncio

from app.errors import Conflict, NotFound, Unavailable
from app.kit.crypto import MasterKey, derived, mint_data_key, open_sealed, seal
from app.kit.mongo import Database
from app.kit.wrapping import COLLECTION, KeyRing, LocalKey

_THREAD_FROM_BYTES = 256 * 1024
_CACHED_KEYS = 1024


class Vault:
    """Seals and opens; data keys are made at first use and cached in this process for `cache_seconds`."""

    def __init__(self, database: Database, keys: MasterKey | KeyRing, cache_seconds: float = 300.0) -> None:
        self._database = database
        self._ring = KeyRing(LocalKey(keys)) if isinstance(keys, MasterKey) else keys
        self._cache_seconds = cache_seconds
        self._keys: dict[str, tuple[float, bytes]] = {}

    async def seal(self, tenant_id: str, plaintext: bytes, aad: bytes) -> bytes:
        """Returns the sealed content; `aad` says what it belongs to and must be given again to open it.

        Raises:
            NotFound: The tenant was forgotten (`data_key_gone`).
            Unavailable: The store or the key service does not answer, and this process never knew the key.
        """
        key = await self._key(tenant_id, create=True)
        if len(plaintext) < _THREAD_FROM_BYTES:
            return seal(key, plaintext, aad)
        return await asyncio.to_thread(seal, key, plaintext, aad)

    async def open(self, tenant_id: str, sealed: bytes, aad: bytes) -> bytes:
        """Returns the plain content.

        Raises:
            AppError: `seal_broken`: changed content, or another tenant's, or another `aad`.
            NotFound: The tenant was forgotten.
            Unavailable: The store or the key service does not answer.
        """
        key = await self._key(tenant_id, create=False)
        if len(sealed) < _THREAD_FROM_BYTES:
            return open_sealed(key, sealed, aad)
        return await asyncio.to_thread(open_sealed, key, sealed, aad)

    async def blind_key(self, tenant_id: str, purpose: str) -> bytes:
        """Returns 32 bytes of this tenant's and this purpose's alone, to hash with what must be found but not read.

        They come from the data key: forgetting the tenant makes the hashes mean nothing.

        Raises:
            NotFound: The tenant was forgotten (`data_key_gone`).
            Unavailable: The store or the key service does not answer.
        """
        return derived(await self._key(tenant_id, create=True), purpose)

    async def forget(self, tenant_id: str) -> None:
        """Deletes the tenant's data key for good: what it sealed can never be opened, and nothing new is sealed.

        Other processes forget it after `cache_seconds`.
        """
        gone = {"_id": f"dk_{tenant_id}", "wrapped": None, "forgotten_at": self._database.clock.now()}
        keys = self._database.tenant(tenant_id).collection(COLLECTION)
        await keys.replace_one({"_id": gone["_id"]}, gone, upsert=True)
        self._keys.pop(tenant_id, None)

    async def _key(self, tenant_id: str, *, create: bool) -> bytes:
        now = self._database.clock.monotonic()
        cached = self._keys.get(tenant_id)
        if cached and now - cached[0] < self._cache_seconds:
            return cached[1]
        try:
            key = await self._stored_key(tenant_id, create=create)
        except Unavailable:
            if cached is None or not create:
                raise
            return cached[1]
        while len(self._keys) >= _CACHED_KEYS:
            self._keys.pop(next(iter(self._keys)))
        self._keys[tenant_id] = (now, key)
        return key

    async def _stored_key(self, tenant_id: str, *, create: bool) -> bytes:
        keys = self._database.tenant(tenant_id).collection(COLLECTION)
        identity = {"_id": f"dk_{tenant_id}"}
        found = await keys.find_one(identity)
        if found is None and create:
            fresh = {**identity, **await self._ring.wrap(mint_data_key(), tenant_id)}
            try:
                await keys.insert_one({**fresh, "created_at": self._database.clock.now()})
                found = fresh
            except Conflict:
                found = await keys.find_one(identity)
        if found is None or found["wrapped"] is None:
            raise NotFound("this tenant's data key is gone; what it sealed cannot be read", code="data_key_gone")
        return await self._ring.unwrap(found, tenant_id)
