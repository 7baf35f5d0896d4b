"""Live signals between processes: "something changed", per tenant, over Redis; the store stays the truth."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.errors import Unavailable

_log = structlog.get_logger(__name__)


class Signals:
    """Publishes and listens; channels are the tenants'."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def publish(self, tenant_id: str, message: Mapping[str, Any]) -> None:
        """Tells every listener of the tenant; a broken Redis is logged, never raised.

        Args:
            tenant_id: Whose listeners.
            message: What JSON can say: a `type` and ids, no personal data.
        """
        try:
            await self._redis.publish(_channel(tenant_id), orjson.dumps(dict(message)))
        except RedisError as error:
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
        async for item in pubsub.listen():
            if item["type"] == "message":
                yield orjson.loads(item["data"])


def _channel(tenant_id: str) -> str:
    return f"signals:{tenant_id}"
