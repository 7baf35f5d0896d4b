"""What wraps the tenants' data keys: the master key of this process or a key management service, and several at once.

Stands between `crypto` and `vault`. While a master key is exchanged, the current one wraps and the accepted ones still
open; `app.kit.rotation` wraps every data key anew.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from app.errors import AppError, Conflict
from app.kit.crypto import MasterKey
from app.kit.mongo import Database

COLLECTION: Final = "data_keys"
DIGEST_OWNER: Final = "system-digests"


class WrappingKey(Protocol):
    """One key above the data keys; it never leaves where it lives."""

    @property
    def name(self) -> str:
        """What the store notes beside a data key that this key wrapped; the key cannot be guessed from it."""
        ...

    async def wrap(self, data_key: bytes, tenant_id: str) -> bytes:
        """Returns the data key, wrapped for this tenant.

        Raises:
            Unavailable: The key's service does not answer.
        """
        ...

    async def unwrap(self, wrapped: bytes, tenant_id: str) -> bytes:
        """Returns the data key.

        Raises:
            AppError: `seal_broken`: another key wrapped it, or for another tenant.
            Unavailable: The key's service does not answer.
        """
        ...


class LocalKey:
    """Implements `WrappingKey` with the master key of this process's environment."""

    __slots__ = ("_master", "name")

    def __init__(self, master: MasterKey) -> None:
        self._master = master
        self.name = f"local:{master.fingerprint}"

    async def wrap(self, data_key: bytes, tenant_id: str) -> bytes:
        """See `WrappingKey.wrap`."""
        return self._master.wrap(data_key, tenant_id)

    async def unwrap(self, wrapped: bytes, tenant_id: str) -> bytes:
        """See `WrappingKey.unwrap`."""
        return self._master.unwrap(wrapped, tenant_id)


class KeyRing:
    """The key that wraps, and those that may still open what they wrapped before."""

    __slots__ = ("_keys", "current")

    def __init__(self, current: WrappingKey, accepted: Sequence[WrappingKey] = ()) -> None:
        self.current = current
        self._keys: Mapping[str, WrappingKey] = {key.name: key for key in (*accepted, current)}

    async def wrap(self, data_key: bytes, tenant_id: str) -> dict[str, Any]:
        """Returns the fields that the store keeps of a data key."""
        return {"wrapped": await self.current.wrap(data_key, tenant_id), "wrapped_by": self.current.name}

    async def unwrap(self, fields: Mapping[str, Any], tenant_id: str) -> bytes:
        """Returns the data key of what `wrap` returned.

        Raises:
            AppError: `master_key_missing`: it was wrapped by a key that is not on this ring; `seal_broken`.
            Unavailable: The key's service does not answer.
        """
        wrapped, name = bytes(fields["wrapped"]), fields.get("wrapped_by")
        if name is None:
            return await self._unwrap_unnamed(wrapped, tenant_id)
        key = self._keys.get(name)
        if key is None:
            detail = f"a data key was wrapped by {name}; give that key in VAANISETU_ACCEPTED_MASTER_KEYS"
            raise AppError(detail, code="master_key_missing")
        return await key.unwrap(wrapped, tenant_id)

    async def _unwrap_unnamed(self, wrapped: bytes, tenant_id: str) -> bytes:
        """Opens what was stored before keys had names: by trying."""
        for key in self._keys.values():
            try:
                return await key.unwrap(wrapped, tenant_id)
            except AppError as error:
                if error.code != "seal_broken":
                    raise
        raise AppError("no key of this ring opens a data key", code="master_key_missing")


async def digest_key(database: Database, ring: KeyRing, master: MasterKey) -> bytes:
    """Returns the key of all digests (API keys, tokens), which outlives every master key.

    The first process of an installation derives it from its master key and keeps it, wrapped as a data key is.

    Raises:
        AppError: `master_key_missing`.
        Unavailable: The store or the key's service does not answer.
    """
    keys = database.tenant(DIGEST_OWNER).collection(COLLECTION)
    identity = {"_id": f"dk_{DIGEST_OWNER}"}
    found = await keys.find_one(identity)
    if found is None:
        fresh = {**identity, **await ring.wrap(master.derive("api-key-digest"), DIGEST_OWNER)}
        try:
            await keys.insert_one({**fresh, "created_at": database.clock.now()})
            found = fresh
        except Conflict:
            found = await keys.find_one(identity)
    assert found is not None
    return await ring.unwrap(found, DIGEST_OWNER)
