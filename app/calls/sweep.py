"""Closes the calls that no process ended: their server died, or the carrier's last webhook never came."""

from datetime import timedelta
from typing import Final

import structlog

from app.calls.models import CallStatus
from app.kit.clock import Clock
from app.kit.mongo import Database

CALL_SWEEP: Final = "calls.sweep"
CALL_SWEEP_SECONDS: Final = 300
GRACE: Final = timedelta(minutes=15)
"""Beyond the longest call: no carrier's webhook comes that late."""
_BATCH: Final = 500
_log = structlog.get_logger("calls")


class CallSweep:
    """A periodic job over all tenants."""

    def __init__(self, database: Database, clock: Clock, max_call_seconds: int) -> None:
        self._database = database
        self._clock = clock
        self._longest = timedelta(seconds=max_call_seconds) + GRACE

    async def run(self) -> int:
        """Marks calls that cannot be live any more as failed; returns how many.

        Raises:
            Unavailable: The store does not answer; the next run goes on.
        """
        now = self._clock.now()
        calls = self._database.system("calls are swept across tenants").collection("calls")
        stale = await calls.find(
            {
                "status": {"$in": [CallStatus.RINGING, CallStatus.IN_PROGRESS]},
                "created_at": {"$lt": now - self._longest},
            },
            limit=_BATCH,
        )
        for call in stale:
            ended = {"status": CallStatus.FAILED, "ended_at": now, "end_reason": "lost"}
            await calls.update_one({"_id": call["_id"], "status": call["status"]}, {"$set": ended})
            _log.warning("calls.lost", tenant_id=call["tenant_id"], call_id=call["_id"])
        return len(stale)
