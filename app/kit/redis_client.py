"""The Redis client of a process: bounded in time, so that a Redis that is away costs a request little."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

_CONNECT_SECONDS = 1.0
_ANSWER_SECONDS = 3.0
_RETRIES = 1


def open_redis(url: str) -> Redis:
    """Returns a client; it connects at its first command, and again by itself whenever Redis is back.

    Args:
        url: `redis://...` or `unix://...`.

    Raises:
        ValueError: No such URL.
    """
    return Redis.from_url(
        url,
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_timeout=_ANSWER_SECONDS,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.05), _RETRIES),
    )
