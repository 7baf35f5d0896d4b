"""How fast the Graph stand-in takes messages: a bucket per business number, and one per number and person."""

from dataclasses import dataclass
from datetime import datetime

from app.simulate.graph.config import Limits
from app.simulate.graph.errors import GraphError


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: datetime


class Throttle:
    """Counts by the stand-in's own clock."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, ...], _Bucket] = {}

    def check(self, limits: Limits | None, phone_number_id: str, user: str, now: datetime) -> None:
        """Takes a token of both buckets.

        Raises:
            GraphError: One is empty.
        """
        if limits is None:
            return
        pair, number = (phone_number_id, user), (phone_number_id,)
        if self._level(pair, 1 / limits.pair_seconds, limits.pair_burst, now) < 1:
            raise GraphError(131056, "Too many messages sent from this phone number to the same recipient")
        if self._level(number, limits.number_per_second, limits.number_burst, now) < 1:
            raise GraphError(130429, "Cloud API message throughput has been reached", 429)
        for name in (pair, number):
            self._buckets[name].tokens -= 1

    def _level(self, name: tuple[str, ...], per_second: float, burst: int, now: datetime) -> float:
        bucket = self._buckets.setdefault(name, _Bucket(float(burst), now))
        gained = max(0.0, (now - bucket.at).total_seconds()) * per_second
        bucket.tokens, bucket.at = min(float(burst), bucket.tokens + gained), now
        return bucket.tokens
