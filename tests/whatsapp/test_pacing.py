"""The pace of what leaves: a burst to one person is slowed, others are not, and nothing is lost."""

import pytest
from redis.asyncio import Redis

from app.conversations.models import Author
from app.conversations.ports import OutboxState
from app.kit.ratelimit import RateLimiter
from tests.house import CUSTOMER, PHONE_NUMBER_ID, House
from whatsapp.models import Kind
from whatsapp.pacing import NUMBER_BURST, PAIR_BURST, Pacing

pytestmark = pytest.mark.integration


async def test_behaviour_15_a_person_gets_a_small_burst_and_then_one_in_six_seconds(redis_client: Redis) -> None:
    pacing = Pacing(RateLimiter(redis_client))
    pauses = [await pacing.pause_seconds("ten_pair", "111", CUSTOMER) for _ in range(PAIR_BURST + 1)]
    assert pauses[:-1] == [0] * PAIR_BURST and 1 <= pauses[-1] <= 6
    assert await pacing.pause_seconds("ten_pair", "111", "+919800000002") == 0, "another person is not slowed"
    assert await pacing.pause_seconds("ten_pair", "222", CUSTOMER) == 0, "nor is another number of the tenant's"


async def test_behaviour_15_a_number_sends_no_faster_than_meta_takes(redis_client: Redis) -> None:
    limiter = RateLimiter(redis_client)
    pacing = Pacing(limiter)
    for _ in range(NUMBER_BURST):
        await limiter.take("ten_number:whatsapp:111", 0.001, NUMBER_BURST)
    tokens = await redis_client.hget("ratelimit:ten_number:whatsapp:111", "tokens")  # type: ignore[misc]
    assert tokens is not None and float(tokens) < 1
    await redis_client.hset("ratelimit:ten_number:whatsapp:111", "tokens", "-80")  # type: ignore[misc]
    assert await pacing.pause_seconds("ten_number", "111", CUSTOMER) >= 1


async def test_a_row_that_is_too_fast_stays_queued_and_its_job_comes_again(house: House, redis_client: Redis) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    pacing = Pacing(RateLimiter(redis_client))
    dispatcher, store = house.services.whatsapp_dispatcher, house.services.whatsapp_store
    dispatcher._pacing = pacing
    for _ in range(PAIR_BURST):
        assert await pacing.pause_seconds(tenant.tenant_id, PHONE_NUMBER_ID, CUSTOMER) == 0
    row, _ = await store.add(tenant.tenant_id, "conv_x", CUSTOMER, Kind.TEXT, Author.PERSON, "key-1", text="hi")
    await dispatcher.dispatch(tenant.tenant_id, row.outbox_id)
    current = await store.get(tenant.tenant_id, row.outbox_id)
    assert current is not None and (current.state, current.attempts) == (OutboxState.QUEUED, 0)
    [job] = house.jobs.jobs
    assert job.payload["outbox_id"] == row.outbox_id and 1 <= job.delay_seconds <= 6
    assert house.graph.state.requests == []
    assert current.updated_at > house.clock.now(), "the sweep leaves it alone meanwhile"
