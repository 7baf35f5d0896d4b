"""The job queues: tenants are spread over many, which workers empty in turn, so that one tenant's heap holds up few."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis

QUEUE = "vaanisetu"
"""Jobs of no tenant in particular, such as sweeps."""
SHARDS = 32
_UNFINISHED = "unacked"
"""Where kombu keeps what workers have taken and not finished. Source: kombu.transport.redis, `unacked_key`."""


def queue_names() -> Sequence[str]:
    """Returns every queue; a worker that has the choice takes from them in turn."""
    return (QUEUE, *(f"{QUEUE}.{shard:02d}" for shard in range(SHARDS)))


def queue_of(payload: Mapping[str, Any]) -> str:
    """Returns the queue of a job: its tenant's, if it names one."""
    tenant_id = payload.get("tenant_id")
    if not isinstance(tenant_id, str):
        return QUEUE
    return f"{QUEUE}.{zlib.crc32(tenant_id.encode()) % SHARDS:02d}"


async def depths(redis: Redis) -> dict[str, int]:
    """Returns how many jobs wait, of tenants and of nobody, and how many are in workers' hands.

    Raises:
        RedisError: Redis does not answer.
    """
    names = queue_names()
    async with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.llen(name)
        pipe.hlen(_UNFINISHED)
        *waiting, unfinished = await pipe.execute()
    return {"periodic": waiting[0], "tenants": sum(waiting[1:]), "taken": unfinished}
