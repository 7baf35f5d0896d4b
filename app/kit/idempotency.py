"""`Idempotency-Key`: a request sent twice is carried out once; the second gets the first one's answer for 24 hours."""

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import orjson
from fastapi import Header, Request
from fastapi.responses import JSONResponse

from app.errors import Conflict, Unprocessable
from app.kit.mongo import Database, IndexSpec, TenantStore
from app.kit.vault import Vault

COLLECTION = "idempotency"
INDEXES = [IndexSpec(COLLECTION, (("tenant_id", 1), ("expires_at", 1)))]
KEPT = timedelta(hours=24)
_CLAIM = timedelta(seconds=60)
_WAIT_SECONDS = 3.0
_POLL_SECONDS = 0.05
_HEADER = Header(
    alias="Idempotency-Key",
    min_length=8,
    max_length=128,
    pattern=r"^[\x21-\x7e]+$",
    description="A random text of yours (a UUID): the same request with the same key is carried out once in 24 h.",
)

IdempotencyKey = Annotated[str | None, _HEADER]
"""A route's parameter on a POST where the key is the client's choice."""

RequiredIdempotencyKey = Annotated[str, _HEADER]
"""The same where it is required: placing calls, sending messages."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A response as it is kept: status, and a body that JSON can say."""

    status: int
    body: Any
    replayed: bool = False


Handler = Callable[[], Awaitable[Outcome]]


def fingerprint(method: str, path: str, body: bytes) -> str:
    """Returns what makes two requests the same, in hex."""
    return hashlib.sha256(b"\x00".join((method.encode(), path.encode(), body))).hexdigest()


class Idempotency:
    """Keeps outcomes in the store, bodies sealed under the tenant's key (they may show a secret once)."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._clock = database.clock
        self._vault = vault
        self._running: dict[str, asyncio.Event] = {}

    async def respond(self, request: Request, store: TenantStore, key: str | None, handler: Handler) -> JSONResponse:
        """Carries out a request once and returns its response, with `Idempotency-Replayed` on a repetition.

        Raises: As `run`.
        """
        path = request.url.path + ("?" + request.url.query if request.url.query else "")
        outcome = await self.run(store, key, fingerprint(request.method, path, await request.body()), handler)
        headers = {"Idempotency-Replayed": "true"} if outcome.replayed else None
        return JSONResponse(outcome.body, outcome.status, headers=headers)

    async def run(self, store: TenantStore, key: str | None, mark: str, handler: Handler) -> Outcome:
        """Carries out `handler` unless this key's outcome is known.

        An error of the handler frees the key: the client may try again with it.

        Args:
            store: The tenant's store.
            key: The client's key; None carries out at once.
            mark: The request's `fingerprint`.
            handler: Does the work.

        Raises:
            Unprocessable: `idempotency_key_reused`: the key came with other parameters.
            Conflict: `idempotency_in_progress`: the first request is still being carried out.
        """
        if key is None:
            return await handler()
        identity = "idem_" + hashlib.sha256(f"{store.tenant_id}\x00{key}".encode()).hexdigest()[:40]
        claim = await self._claim(store, identity, mark)
        if claim is None:
            return await self._replay(store, identity, mark)
        running = self._running.setdefault(identity, asyncio.Event())
        try:
            return await self._carry_out(store, identity, claim, handler)
        finally:
            running.set()
            if self._running.get(identity) is running:
                del self._running[identity]

    async def _carry_out(self, store: TenantStore, identity: str, claim: int, handler: Handler) -> Outcome:
        records = store.collection(COLLECTION)
        try:
            outcome = await handler()
        except BaseException:
            await asyncio.shield(records.delete_one({"_id": identity, "claim": claim, "done": False}))
            raise
        sealed = await self._vault.seal(store.tenant_id, orjson.dumps(outcome.body), identity.encode())
        await records.update_one(
            {"_id": identity, "claim": claim},
            {"$set": {"done": True, "status": outcome.status, "body": sealed}},
        )
        return outcome

    async def _claim(self, store: TenantStore, identity: str, mark: str) -> int | None:
        """Returns the number of this process's claim, or None when another request has the key."""
        records, now = store.collection(COLLECTION), self._clock.now()
        fresh = {"mark": mark, "done": False, "claimed_until": now + _CLAIM, "expires_at": now + KEPT}
        try:
            await records.insert_one({"_id": identity, "claim": 1, **fresh})
            return 1
        except Conflict:
            lapsed = {"$or": [{"expires_at": {"$lte": now}}, {"done": False, "claimed_until": {"$lte": now}}]}
            taken = await records.find_one_and_update(
                {"_id": identity, **lapsed}, {"$set": fresh, "$inc": {"claim": 1}}
            )
            return int(taken["claim"]) if taken else None

    async def _replay(self, store: TenantStore, identity: str, mark: str) -> Outcome:
        deadline = self._clock.monotonic() + _WAIT_SECONDS
        while record := await store.collection(COLLECTION).find_one({"_id": identity}):
            if record["mark"] != mark:
                raise Unprocessable(
                    "this Idempotency-Key came with other parameters; take a new key", code="idempotency_key_reused"
                )
            if record["done"]:
                body = await self._vault.open(store.tenant_id, bytes(record["body"]), identity.encode())
                return Outcome(int(record["status"]), orjson.loads(body), replayed=True)
            left = deadline - self._clock.monotonic()
            if left <= 0:
                break
            await self._wait(identity, left)
        raise Conflict(
            "the first request with this Idempotency-Key has no answer yet; repeat it shortly",
            code="idempotency_in_progress",
            retry_after_seconds=1,
        )

    async def _wait(self, identity: str, longest_seconds: float) -> None:
        """Waits until the first request of this process is done; for that of another process, a moment."""
        if (running := self._running.get(identity)) is None:
            await asyncio.sleep(_POLL_SECONDS)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(running.wait(), longest_seconds)

    async def sweep(self) -> int:
        """Deletes the outcomes of more than 24 hours ago, of all tenants; returns how many."""
        records = self._database.system("idempotency: sweep expired outcomes").collection(COLLECTION)
        return await records.delete_many({"expires_at": {"$lte": self._clock.now()}})
