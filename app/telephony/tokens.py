"""Short-lived secrets of a call, kept in Redis: the token in a media socket's path, and the number of a transfer."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.calls.ports import Announcement, StreamClaim
from app.errors import Unavailable

STORE_SECONDS: Final = 2.0
MAX_REDEMPTIONS: Final = 50

_REDEEM: Final = """
local held = redis.call('HMGET', KEYS[1], 'call_id', 'tenant_id', 'carrier_call_id')
if not held[1] or held[3] ~= ARGV[1] then return false end
local uses = redis.call('HINCRBY', KEYS[1], 'uses', 1)
if uses > tonumber(ARGV[3]) then redis.call('DEL', KEYS[1]) return false end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return {held[1], held[2], held[3], uses}
"""


@asynccontextmanager
async def _store() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(STORE_SECONDS):
            yield
    except (RedisError, TimeoutError, OSError) as error:
        raise Unavailable("the token store does not answer", code="token_store_unavailable") from error


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class StreamTokens:
    """Tokens that open one call's media socket once, and again only to resume that call.

    The store holds a digest, never the token. Redeeming takes the carrier's own call id too, so that a token read
    from a log opens nothing.
    """

    def __init__(self, redis: Redis, *, max_call_seconds: int) -> None:
        self._redis = redis
        self._max_call_seconds = max_call_seconds

    @staticmethod
    def _key(token: str) -> str:
        return "stream-token:" + hashlib.sha256(token.encode()).hexdigest()

    async def issue(self, *, call_id: str, tenant_id: str, carrier_call_id: str, ttl_seconds: int) -> str:
        """Returns a new token, good for `ttl_seconds`, to be put into the socket's path.

        Raises:
            Unavailable: The store does not answer.
        """
        token = secrets.token_urlsafe(32)
        claim: dict[Any, Any] = {
            "call_id": call_id,
            "tenant_id": tenant_id,
            "carrier_call_id": carrier_call_id,
            "uses": "0",
        }
        async with _store(), self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(self._key(token), mapping=claim)
            pipe.expire(self._key(token), ttl_seconds)
            await pipe.execute()
        return token

    async def known(self, token: str) -> bool:
        """Returns whether the token could be redeemed; changes nothing.

        Raises:
            Unavailable: The store does not answer.
        """
        async with _store():
            return bool(await self._redis.exists(self._key(token)))

    async def redeem(self, token: str, carrier_call_id: str) -> StreamClaim | None:
        """Redeems the token, atomically; every time but the first gives a claim with `resumed`.

        Args:
            token: From the socket's path.
            carrier_call_id: The call that the socket says it carries.

        Returns:
            The claim, or None: expired, revoked, or another call's. A wrong call id does not use the token up.

        Raises:
            Unavailable: The store does not answer.
        """
        arguments = [carrier_call_id, str(self._max_call_seconds), str(MAX_REDEMPTIONS)]
        async with _store():
            held: Any = await self._redis.eval(_REDEEM, 1, self._key(token), *arguments)
        if not held:
            return None
        return StreamClaim(_text(held[0]), _text(held[1]), _text(held[2]), resumed=int(held[3]) > 1)

    async def keep(self, token: str, seconds: int) -> None:
        """Lets the token live for `seconds` more: how long the carrier may take to reconnect.

        Raises:
            Unavailable: The store does not answer.
        """
        async with _store():
            await self._redis.expire(self._key(token), seconds)

    async def revoke(self, token: str) -> None:
        """Ends the token at once.

        Raises:
            Unavailable: The store does not answer.
        """
        async with _store():
            await self._redis.delete(self._key(token))


class TransferTargets:
    """Where a call is being transferred: written before the carrier is told, read when it asks what to dial."""

    def __init__(self, redis: Redis, *, ttl_seconds: int = 600) -> None:
        self._redis = redis
        self._ttl_seconds = ttl_seconds

    async def put(self, carrier_call_id: str, number: str) -> None:
        """Notes the number (E.164) for the call.

        Raises:
            Unavailable: The store does not answer.
        """
        async with _store():
            await self._redis.set("transfer-target:" + carrier_call_id, number, ex=self._ttl_seconds)

    async def get(self, carrier_call_id: str) -> str | None:
        """Returns the number; again if asked again, since carriers repeat themselves.

        Raises:
            Unavailable: The store does not answer.
        """
        async with _store():
            number = await self._redis.get("transfer-target:" + carrier_call_id)
        return None if number is None else _text(number)


class Announcements:
    """Sentences that wait to be fetched as audio by the carrier; the unguessable token is what opens one."""

    def __init__(self, redis: Redis, *, ttl_seconds: int = 600) -> None:
        self._redis = redis
        self._ttl_seconds = ttl_seconds

    async def put(self, announcement: Announcement) -> str:
        """Keeps a sentence; returns its token.

        Raises:
            Unavailable: The store does not answer.
        """
        token = secrets.token_urlsafe(24)
        value = f"{announcement.language}\n{announcement.text}"
        async with _store():
            await self._redis.set("announcement:" + token, value, ex=self._ttl_seconds)
        return token

    async def get(self, token: str) -> Announcement | None:
        """Returns the sentence, or None when there is none any more.

        Raises:
            Unavailable: The store does not answer.
        """
        async with _store():
            value = await self._redis.get("announcement:" + token)
        if value is None:
            return None
        language, _, text = _text(value).partition("\n")
        return Announcement(text, language)
