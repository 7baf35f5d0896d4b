"""Rate limits and live signals over a real Redis."""

import asyncio

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.kit.ratelimit import RateLimiter
from app.kit.signals import Signals

pytestmark = pytest.mark.integration


async def test_a_bucket_lets_its_burst_pass_and_says_when_to_return(redis_client: Redis) -> None:
    limiter = RateLimiter(redis_client)
    decisions = [await limiter.take("ten_a:api", 0.1, 3) for _ in range(4)]
    assert [decision.allowed for decision in decisions] == [True, True, True, False]
    assert [decision.remaining for decision in decisions] == [2, 1, 0, 0]
    refused = decisions[-1]
    assert 8 <= refused.retry_after_seconds <= 10
    assert refused.headers()["RateLimit-Policy"] == '"default";q=3;w=30'
    assert refused.headers()["RateLimit"] == '"default";r=0;t=30'
    assert refused.headers()["Retry-After"] == str(refused.retry_after_seconds)
    assert "Retry-After" not in decisions[0].headers()
    assert (await limiter.take("ten_b:api", 0.1, 3)).allowed


async def test_a_bucket_fills_again(redis_client: Redis) -> None:
    limiter = RateLimiter(redis_client)
    assert (await limiter.take("k", 0.5, 1)).allowed
    refused = await limiter.take("k", 0.5, 1)
    assert not refused.allowed
    await asyncio.sleep(refused.retry_after_seconds)
    assert (await limiter.take("k", 0.5, 1)).allowed


async def test_simultaneous_takers_share_one_bucket(redis_client: Redis) -> None:
    limiter = RateLimiter(redis_client)
    decisions = await asyncio.gather(*(limiter.take("k", 0.01, 5) for _ in range(20)))
    assert sum(decision.allowed for decision in decisions) == 5


async def test_without_redis_requests_pass_and_signals_are_lost_quietly(unused_tcp_port: int) -> None:
    gone = Redis(port=unused_tcp_port, socket_connect_timeout=0.2, retry=None)
    limiter = RateLimiter(gone)
    with capture_logs() as logs:
        assert all([(await limiter.take("k", 1, 1)).allowed for _ in range(20)])
    assert 1 <= len(logs) < 20, "an absent Redis is not asked for every request"
    await Signals(gone).publish("ten_a", {"type": "call.ended"})
    await gone.aclose()


async def test_signals_reach_the_tenants_listeners_only(redis_client: Redis) -> None:
    signals = Signals(redis_client)
    async with asyncio.timeout(10), signals.subscribe("ten_a") as mine, signals.subscribe("ten_b") as theirs:
        await signals.publish("ten_a", {"type": "call.started", "call_id": "call_1"})
        await signals.publish("ten_b", {"type": "call.ended", "text": "हाँ"})
        assert await anext(mine) == {"type": "call.started", "call_id": "call_1"}
        assert await anext(theirs) == {"type": "call.ended", "text": "हाँ"}
    assert await redis_client.pubsub_numsub("signals:ten_a") == [(b"signals:ten_a", 0)]
