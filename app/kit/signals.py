"""Live signals between processes: "something changed", per tenant, over Redis; the store stays the truth."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.errors import Unavailable
from app.kit.redaction import redacted

_LONGEST_SECONDS = 1.0
_PAUSE_SECONDS = 1.0
_log = structlog.get_logger(__name__)


class Signals:
    """Publishes and listens; channels are the tenants'.

    A Redis that did not answer is not told anything for a second, so that its absence costs calls no time.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._tells_again_at = 0.0

    async def publish(self, tenant_id: str, message: Mapping[str, Any]) -> None:
        """Tells every listener of the tenant; a broken Redis is logged, never raised.

        Args:
            tenant_id: Whose listeners.
            message: What JSON can say: a `type` and ids, no personal data.
        """
        loop = asyncio.get_running_loop()
        if loop.time() < self._tells_again_at:
            return
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                await self._redis.publish(_channel(tenant_id), orjson.dumps(redacted(dict(message))))
        except (RedisError, TimeoutError) as error:
            self._tells_again_at = loop.time() + _PAUSE_SECONDS
            _log.warning("signals.lost", tenant_id=tenant_id, error=type(error).__name__)

    @asynccontextmanager
    async def subscribe(self, tenant_id: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Listens from the moment the context is entered.

        Yields:
            An endless iterator over the tenant's messages.

        Raises:
            Unavailable: Redis went away; the client comes back later.
        """
        pubsub = self._redis.pubsub(ignore_subscribe_messages=True)
        try:
            await pubsub.subscribe(_channel(tenant_id))
            yield self._messages(pubsub)
        except RedisError as error:
            raise Unavailable("live signals are not available", retry_after_seconds=5) from error
        finally:
            await pubsub.aclose()  # type: ignore[no-untyped-call]

    @staticmethod
    async def _messages(pubsub: Any) -> AsyncIterator[dict[str, Any]]:
        try:
            async for item in pubsub.listen():
                if item["type"] == "message":
                    yield orjson.loads(item["data"])
        except RedisError as error:
            raise Unavailable("live signals are not available", retry_after_seconds=5) from error


def _channel(tenant_id: str) -> str:
    return f"signals:{tenant_id}"
