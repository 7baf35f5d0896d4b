"""One worker at a time on one conversation: a lease in the store that runs out if its holder is lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from app.errors import Unavailable
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Collection

LEASE = timedelta(seconds=30)
_WAITS = 40
_WAIT_SECONDS = 0.1


@contextlib.asynccontextmanager
async def leased(conversations: Collection, conversation_id: str, clock: Clock) -> AsyncIterator[dict[str, Any]]:
    """Holds a conversation.

    Yields:
        Its document as stored once it is held.

    Raises:
        Unavailable: Another worker holds it for more than four seconds; try the job again.
    """
    holder = new_id("lease")
    for _ in range(_WAITS):
        now = clock.now()
        free = {"$or": [{"lease_until": None}, {"lease_until": {"$lt": now}}]}
        held = await conversations.find_one_and_update(
            {"_id": conversation_id, **free}, {"$set": {"lease_until": now + LEASE, "lease_holder": holder}}
        )
        if held is not None:
            break
        await asyncio.sleep(_WAIT_SECONDS)
    else:
        raise Unavailable(f"conversation {conversation_id} is busy")
    try:
        yield held
    finally:
        await conversations.update_one(
            {"_id": conversation_id, "lease_holder": holder}, {"$set": {"lease_until": None, "lease_holder": None}}
        )
