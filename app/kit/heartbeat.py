"""Says over Redis that a kind of process lives, so that another can tell the truth about it."""

import asyncio
import os
import socket

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

WORKER = "worker"
BEAT_SECONDS = 5.0
GONE_SECONDS = 20
_log = structlog.get_logger(__name__)


class Heartbeat:
    """The beats of one kind of process, such as `worker`: a sorted set of processes by the time of their last."""

    def __init__(self, redis: Redis, kind: str) -> None:
        self._redis = redis
        self._key = f"heartbeat:{kind}"
        self._name = f"{socket.gethostname()}:{os.getpid()}"

    async def beat(self) -> None:
        """Says once that this process lives; a Redis that is away is told in the log."""
        try:
            now = await self._now()
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.zadd(self._key, {self._name: now})
                pipe.zremrangebyscore(self._key, "-inf", now - GONE_SECONDS)
                await pipe.execute()
        except RedisError as error:
            _log.warning("heartbeat.unheard", error=type(error).__name__)

    async def run(self) -> None:
        """Beats until cancelled, and takes its leave then."""
        try:
            while True:
                await self.beat()
                await asyncio.sleep(BEAT_SECONDS)
        finally:
            await self._leave()

    async def alive(self) -> int:
        """Returns how many processes of the kind live.

        Raises:
            RedisError: Redis does not answer.
        """
        found: int = await self._redis.zcount(self._key, await self._now() - GONE_SECONDS, "+inf")
        return found

    async def _leave(self) -> None:
        try:
            await self._redis.zrem(self._key, self._name)
        except RedisError as error:
            _log.warning("heartbeat.unheard", error=type(error).__name__)

    async def _now(self) -> float:
        seconds, micros = await self._redis.time()
        return float(seconds) + float(micros) / 1e6
