"""Rate limits that hold over all processes: a token bucket per key, kept in Redis and moved by one script."""

import asyncio
import math
from dataclasses import dataclass

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

_LONGEST_SECONDS = 1.0
_PAUSE_SECONDS = 1.0
_log = structlog.get_logger(__name__)

_SCRIPT = """
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(bucket[1]) or burst
local at = tonumber(bucket[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
local allowed = 0
if tokens >= 1 then
  allowed = 1
  tokens = tokens - 1
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate * 1000) + 1000)
return {allowed, string.format('%.6f', tokens)}
"""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request may pass, and what to tell the client."""

    allowed: bool
    remaining: int
    retry_after_seconds: int
    rate: float
    burst: int

    def headers(self, policy: str = "default") -> dict[str, str]:
        """Returns `RateLimit-Policy` and `RateLimit`, and `Retry-After` when refused.

        Source: draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4.
        """
        window = math.ceil(self.burst / self.rate)
        reset = math.ceil((self.burst - self.remaining) / self.rate)
        headers = {
            "RateLimit-Policy": f'"{policy}";q={self.burst};w={window}',
            "RateLimit": f'"{policy}";r={self.remaining};t={reset}',
        }
        if not self.allowed:
            headers["Retry-After"] = str(self.retry_after_seconds)
        return headers


class RateLimiter:
    """Takes tokens from buckets; lets requests pass, and says so in the log, while Redis is away.

    A Redis that did not answer is not asked again for a second, so that its absence costs requests no time.
    """

    def __init__(self, redis: Redis) -> None:
        self._asks_again_at = 0.0
        self._script = redis.register_script(_SCRIPT)

    async def take(self, key: str, rate: float, burst: int) -> Decision:
        """Takes one token.

        Args:
            key: Whose bucket, the tenant first: `ten_1:api`.
            rate: Tokens per second that flow in.
            burst: Tokens that the full bucket holds, at least 1.
        """
        if rate <= 0 or burst < 1:
            raise ValueError("a bucket has a rate above 0 and a burst of at least 1")
        loop = asyncio.get_running_loop()
        if loop.time() < self._asks_again_at:
            return Decision(True, burst, 0, rate, burst)
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                allowed, tokens_text = await self._script(keys=[f"ratelimit:{key}"], args=[rate, burst])
        except (RedisError, TimeoutError) as error:
            self._asks_again_at = loop.time() + _PAUSE_SECONDS
            _log.warning("ratelimit.unavailable", error=type(error).__name__)
            return Decision(True, burst, 0, rate, burst)
        tokens = float(tokens_text)
        wait = 0 if allowed else max(1, math.ceil((1 - tokens) / rate))
        return Decision(bool(allowed), int(tokens), wait, rate, burst)
