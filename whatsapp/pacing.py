"""How fast messages may leave: token buckets per business number and per pair of number and person, over all processes.

Source: Meta, "Messaging limits and throughput": 80 messages a second from a number, one in 6 seconds to a person with a
small burst.
"""

from typing import Final

from app.kit.ratelimit import RateLimiter

NUMBER_PER_SECOND: Final = 80.0
NUMBER_BURST: Final = 80
PAIR_PER_SECOND: Final = 1 / 6
PAIR_BURST: Final = 10


class Pacing:
    """Asks both buckets; while Redis is away everything may leave, and Meta's own refusals slow it down."""

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter

    async def pause_seconds(self, tenant_id: str, phone_number_id: str, phone: str) -> int:
        """Takes a token of the pair and one of the number; returns 0, or after how long to ask again."""
        number = f"{tenant_id}:whatsapp:{phone_number_id}"
        pair = await self._limiter.take(f"{number}:{phone}", PAIR_PER_SECOND, PAIR_BURST)
        if not pair.allowed:
            return pair.retry_after_seconds
        whole = await self._limiter.take(number, NUMBER_PER_SECOND, NUMBER_BURST)
        return 0 if whole.allowed else whole.retry_after_seconds
