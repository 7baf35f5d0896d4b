"""How much a tenant talks, against what it may: asked when a call rings and before one is placed."""

import math
from datetime import datetime
from typing import Final

from app.calls.models import CallStatus
from app.kit.clock import Clock
from app.kit.mongo import Collection, Database
from app.tenants.limits import Limits, TenantLimits

_KNOWN_FOR_SECONDS: Final = 60.0
_MOST_REMEMBERED: Final = 10_000
_PAGE: Final = 1_000
_LIVE: Final = {"status": {"$in": [CallStatus.RINGING.value, CallStatus.IN_PROGRESS.value]}}


class CallAllowance:
    """Counts calls and minutes. Of calls that begin in the same instant one more than allowed may get through."""

    def __init__(self, database: Database, limits: TenantLimits, clock: Clock) -> None:
        self._database = database
        self._limits = limits
        self._clock = clock
        self._minutes: dict[str, tuple[float, int]] = {}

    async def spent(self, tenant_id: str) -> str | None:
        """Returns why a tenant may talk no more this month; None: it may.

        Raises:
            Unavailable: The store does not answer.
        """
        most = (await self._limits.of(tenant_id)).minutes_a_month
        if most is None or await self.minutes(tenant_id) < most:
            return None
        return f"the {most} minutes of this month are used"

    async def full(self, tenant_id: str) -> str | None:
        """Returns why a tenant may have no further call before one ends; None: it may.

        Raises:
            Unavailable: The store does not answer.
        """
        most = (await self._limits.of(tenant_id)).calls_at_once
        if most is None or await self.live(tenant_id) < most:
            return None
        return f"{most} calls are live, as many as this tenant may have at once"

    async def limits(self, tenant_id: str) -> Limits:
        """Returns what a tenant may have."""
        return await self._limits.of(tenant_id)

    async def live(self, tenant_id: str) -> int:
        """Returns how many calls of a tenant ring or are talked on."""
        return await self._calls(tenant_id).count(_LIVE)

    async def minutes(self, tenant_id: str) -> int:
        """Returns how many minutes a tenant talked since the month began (UTC), begun ones whole; a minute old."""
        known = self._minutes.get(tenant_id)
        if known is not None and self._clock.monotonic() - known[0] < _KNOWN_FOR_SECONDS:
            return known[1]
        now, seconds, after = self._clock.now(), 0.0, ""
        began = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        query = {"created_at": {"$gte": began}}
        names = ["answered_at", "ended_at"]
        while page := await self._calls(tenant_id).find({**query, "_id": {"$gt": after}}, (("_id", 1),), _PAGE, names):
            after = page[-1]["_id"]
            seconds += sum(_talked(call.get("answered_at"), call.get("ended_at") or now) for call in page)
        minutes = math.ceil(seconds / 60)
        if len(self._minutes) >= _MOST_REMEMBERED:
            self._minutes.clear()
        self._minutes[tenant_id] = (self._clock.monotonic(), minutes)
        return minutes

    def _calls(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection("calls")


def _talked(answered_at: datetime | None, ended_at: datetime) -> float:
    return max(0.0, (ended_at - answered_at).total_seconds()) if answered_at is not None else 0.0
