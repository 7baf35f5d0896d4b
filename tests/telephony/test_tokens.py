import asyncio

import pytest
from redis.asyncio import Redis

from app.errors import Unavailable
from app.telephony import tokens as room
from app.telephony.tokens import StreamTokens, TransferTargets

pytestmark = pytest.mark.integration

CALL = {"call_id": "call_1", "tenant_id": "ten_1", "carrier_call_id": "uuid-1"}


async def test_only_one_of_many_at_once_is_the_first(redis: Redis) -> None:
    tokens = StreamTokens(redis, max_call_seconds=60)
    token = await tokens.issue(**CALL, ttl_seconds=10)
    claims = await asyncio.gather(*(tokens.redeem(token, "uuid-1") for _ in range(10)))
    assert [claim.resumed for claim in claims if claim].count(False) == 1


async def test_a_token_expires_unless_redeemed(redis: Redis) -> None:
    tokens = StreamTokens(redis, max_call_seconds=60)
    unused, used = [await tokens.issue(**CALL, ttl_seconds=1) for _ in range(2)]
    assert await tokens.redeem(used, "uuid-1")
    await asyncio.sleep(1.2)
    assert not await tokens.known(unused) and await tokens.redeem(unused, "uuid-1") is None
    assert await tokens.redeem(used, "uuid-1")
    await tokens.keep(used, 1)
    await asyncio.sleep(1.2)
    assert await tokens.redeem(used, "uuid-1") is None


async def test_reconnecting_is_bounded_and_ends_with_revoke(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_REDEMPTIONS", 3)
    tokens = StreamTokens(redis, max_call_seconds=60)
    token = await tokens.issue(**CALL, ttl_seconds=10)
    assert [bool(await tokens.redeem(token, "uuid-1")) for _ in range(4)] == [True] * 3 + [False]
    token = await tokens.issue(**CALL, ttl_seconds=10)
    await tokens.revoke(token)
    assert await tokens.redeem(token, "uuid-1") is None


async def test_the_store_never_holds_the_token(redis: Redis) -> None:
    token = await StreamTokens(redis, max_call_seconds=60).issue(**CALL, ttl_seconds=10)
    for key in await redis.keys("*"):
        assert token.encode() not in key
        assert token not in str(await redis.hgetall(key))


async def test_transfer_targets_are_kept_per_call(redis: Redis) -> None:
    targets = TransferTargets(redis)
    await targets.put("uuid-1", "+919800000001")
    assert await targets.get("uuid-1") == await targets.get("uuid-1") == "+919800000001"
    assert await targets.get("uuid-2") is None


async def test_a_store_that_is_away_is_unavailable_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "STORE_SECONDS", 0.2)
    gone = Redis(unix_socket_path="/nonexistent/redis.sock")
    with pytest.raises(Unavailable):
        await StreamTokens(gone, max_call_seconds=60).known("token")
    with pytest.raises(Unavailable):
        await TransferTargets(gone).get("uuid-1")
