"""API keys: made, listed, revoked, and turned into the subject of a request."""

import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from app.audit.log import AuditLog
from app.auth.models import SCOPES, ApiKey, AuthSubject
from app.errors import Conflict, FieldError, NotFound, Unauthorized, Unprocessable
from app.kit.clock import Clock
from app.kit.crypto import MasterKey, is_api_key, mint_api_key
from app.kit.ids import new_id
from app.kit.mongo import Collection, Database, IndexSpec

COLLECTION = "api_keys"
INDEXES = (
    IndexSpec(COLLECTION, (("hmac", 1),), unique=True, across_tenants="a request names its key before its tenant"),
)
_CACHE_SECONDS = 15.0
_CACHE_SIZE = 4096
_TOUCH = timedelta(minutes=5)


class KeyService:
    """The keys of all tenants.

    A revoked key may open doors of other processes for as long as their short cache lasts.
    """

    def __init__(self, database: Database, master: MasterKey, audit: AuditLog, operator_key: str, clock: Clock) -> None:
        self._database = database
        self._master = master
        self._audit = audit
        self._operator_key = operator_key
        self._clock = clock
        self._cache: dict[str, tuple[float, ApiKey]] = {}

    async def create(
        self,
        tenant_id: str,
        actor: str,
        name: str,
        *,
        scopes: Iterable[str] = SCOPES,
        expires_at: datetime | None = None,
        live: bool = True,
    ) -> tuple[ApiKey, str]:
        """Makes a key.

        Args:
            tenant_id: Whose.
            actor: Who asks.
            name: What it is for.
            scopes: What it may do.
            expires_at: Aware UTC; None: until revoked.
            live: `vs_live_...` rather than `vs_test_...`.

        Returns:
            The key as stored, and the key itself, which is never shown again.

        Raises:
            Unprocessable: A scope that does not exist.
        """
        wanted = frozenset(scopes)
        if not wanted or not wanted <= SCOPES:
            detail = f"must be some of {', '.join(sorted(SCOPES))}"
            raise Unprocessable("there is no such scope", errors=[FieldError("/body/scopes", detail)])
        secret = mint_api_key(live=live)
        key = ApiKey(new_id("key"), tenant_id, name, wanted, secret[-4:], self._clock.now(), expires_at)
        document = {
            "_id": key.key_id,
            "hmac": self._master.digest(secret),
            "name": name,
            "scopes": sorted(wanted),
            "last_four": key.last_four,
            "created_by": actor,
            "created_at": key.created_at,
            "live": live,
            "expires_at": expires_at,
            "last_used_at": None,
            "revoked_at": None,
        }
        await self._database.tenant(tenant_id).collection(COLLECTION).insert_one(document)
        await self._audit.record(tenant_id, actor, "api_key.created", key.key_id, {"name": name})
        return key, secret

    async def page(self, tenant_id: str, limit: int, starting_after: str | None) -> tuple[list[ApiKey], bool]:
        """Returns one page of a tenant's keys, newest first, and whether more follow."""
        page = await self._database.tenant(tenant_id).collection(COLLECTION).page({}, limit, starting_after)
        return [_key(document) for document in page.data], page.has_more

    async def get(self, tenant_id: str, key_id: str) -> ApiKey:
        """Returns a key, without the key itself.

        Raises:
            NotFound: Not this tenant's.
        """
        return _key(await self._found(tenant_id, key_id))

    async def rotate(self, tenant_id: str, actor: str, key_id: str, overlap: timedelta) -> tuple[ApiKey, str]:
        """Makes a key that may do the same and lasts as long; the old one ends after the overlap.

        Args:
            tenant_id: Whose.
            actor: Who asks.
            key_id: The old one.
            overlap: How long both work; never longer than the old one had left.

        Returns:
            The new key as stored, and the key itself, which is never shown again.

        Raises:
            NotFound: Not this tenant's.
            Conflict: The old one has ended (`key_ended`).
        """
        found, now = await self._found(tenant_id, key_id), self._clock.now()
        old = _key(found)
        if not old.is_valid(now):
            raise Conflict("the key was revoked or has expired; create a new one", code="key_ended")
        lasts = None if old.expires_at is None else now + (old.expires_at - old.created_at)
        made = await self.create(
            tenant_id, actor, old.name, scopes=old.scopes, expires_at=lasts, live=found.get("live", True)
        )
        ends = now + overlap if old.expires_at is None else min(now + overlap, old.expires_at)
        await self._rows(tenant_id).update_one({"_id": key_id}, {"$set": {"expires_at": ends}})
        self._forget(key_id)
        data = {"successor": made[0].key_id, "ends_at": ends.isoformat()}
        await self._audit.record(tenant_id, actor, "api_key.rotated", key_id, data)
        return made

    async def revoke(self, tenant_id: str, actor: str, key_id: str) -> None:
        """Ends a key; repeating it changes nothing.

        Raises:
            NotFound: Not this tenant's.
        """
        await self._found(tenant_id, key_id)
        ended = await self._rows(tenant_id).find_one_and_update(
            {"_id": key_id, "revoked_at": None}, {"$set": {"revoked_at": self._clock.now()}}
        )
        self._forget(key_id)
        if ended is not None:
            await self._audit.record(tenant_id, actor, "api_key.revoked", key_id)

    async def authenticate(self, secret: str) -> AuthSubject:
        """Returns whose a key is and what it may do.

        Raises:
            Unauthorized: No such key, or it has ended.
        """
        if not is_api_key(secret):
            raise Unauthorized("the API key is not well formed; send `Authorization: Bearer vs_...`")
        digest = self._master.digest(secret)
        cached = self._cache.get(digest)
        if cached is None or cached[0] < self._clock.monotonic():
            key = await self._load(digest)
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.clear()
            self._cache[digest] = (self._clock.monotonic() + _CACHE_SECONDS, key)
        else:
            key = cached[1]
        if not key.is_valid(self._clock.now()):
            raise Unauthorized("the API key was revoked or has expired")
        return AuthSubject(key.tenant_id, key.key_id, key.scopes)

    def is_operator(self, secret: str) -> bool:
        """Returns whether `secret` is the operator's key, in constant time."""
        return hmac.compare_digest(secret.encode(), self._operator_key.encode())

    async def _found(self, tenant_id: str, key_id: str) -> dict[str, Any]:
        found = await self._rows(tenant_id).find_one({"_id": key_id})
        if found is None:
            raise NotFound(f"no API key {key_id}")
        return found

    def _forget(self, key_id: str) -> None:
        self._cache = {digest: entry for digest, entry in self._cache.items() if entry[1].key_id != key_id}

    def _rows(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)

    async def _load(self, digest: str) -> ApiKey:
        found = (
            await self._database.system("a request names an API key").collection(COLLECTION).find_one({"hmac": digest})
        )
        if found is None:
            raise Unauthorized("there is no such API key")
        key = _key(found)
        now = self._clock.now()
        if key.last_used_at is None or now - key.last_used_at > _TOUCH:
            collection = self._database.tenant(key.tenant_id).collection(COLLECTION)
            await collection.update_one({"_id": key.key_id}, {"$set": {"last_used_at": now}})
        return key


def _key(document: Mapping[str, Any]) -> ApiKey:
    return ApiKey(
        document["_id"],
        document["tenant_id"],
        document["name"],
        frozenset(document["scopes"]),
        document["last_four"],
        document["created_at"],
        document["expires_at"],
        document["last_used_at"],
        document["revoked_at"],
    )
