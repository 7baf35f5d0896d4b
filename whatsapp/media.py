"""Files still to be fetched from Meta: a row each, so that no outage of theirs or ours forgets one."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from app.conversations.models import Media
from app.errors import Conflict
from app.kit.clock import Clock
from app.kit.jobs import Jobs
from app.kit.mongo import Collection, Database, IndexSpec

COLLECTION: Final = "whatsapp_media_fetches"
INDEXES = (
    IndexSpec(COLLECTION, (("due_at", 1),), across_tenants="the sweep over files that wait"),
    IndexSpec(COLLECTION, (("tenant_id", 1), ("due_at", 1))),
)
FETCH: Final = "whatsapp.fetch_media"
KEPT: Final = timedelta(days=7)
"""How long Meta keeps a file under the id of its webhook. Source: Meta, "Cloud API, Media"."""
_PAUSES_SECONDS: Final = (2, 10, 60, 300, 900, 3600)


@dataclass(frozen=True, slots=True)
class Fetch:
    """One file to fetch: of which message, through which business number, under which of Meta's ids."""

    message_id: str
    tenant_id: str
    phone_number_id: str
    provider_id: str
    created_at: datetime
    attempts: int


class MediaFetches:
    """The rows, and the job that works off each."""

    def __init__(self, database: Database, jobs: Jobs, clock: Clock) -> None:
        self._database = database
        self._jobs = jobs
        self._clock = clock

    async def add(self, tenant_id: str, message_id: str, phone_number_id: str, media: Media) -> None:
        """Leaves a file to be fetched; leaving it again changes nothing."""
        now = self._clock.now()
        document = {
            "_id": message_id,
            "phone_number_id": phone_number_id,
            "provider_id": media.provider_id or "",
            "created_at": now,
            "due_at": now,
            "attempts": 0,
        }
        with contextlib.suppress(Conflict):
            await self._rows(tenant_id).insert_one(document)
        await self._jobs.enqueue(FETCH, {"tenant_id": tenant_id, "message_id": message_id})

    async def get(self, tenant_id: str, message_id: str) -> Fetch | None:
        """Returns what is to be fetched for a message; None: nothing any more."""
        found = await self._rows(tenant_id).find_one({"_id": message_id})
        return _fetch(found) if found else None

    async def again(self, fetch: Fetch) -> None:
        """Leaves a file for later, each time a little longer."""
        pause = _PAUSES_SECONDS[min(fetch.attempts, len(_PAUSES_SECONDS) - 1)]
        changes = {"$set": {"due_at": self._clock.now() + timedelta(seconds=pause)}, "$inc": {"attempts": 1}}
        await self._rows(fetch.tenant_id).update_one({"_id": fetch.message_id}, changes)
        payload = {"tenant_id": fetch.tenant_id, "message_id": fetch.message_id}
        await self._jobs.enqueue(FETCH, payload, delay_seconds=pause)

    async def done(self, fetch: Fetch) -> None:
        """Forgets a row: the file is stored, or there will be none."""
        await self._rows(fetch.tenant_id).delete_one({"_id": fetch.message_id})

    def is_over(self, fetch: Fetch) -> bool:
        """Returns whether Meta keeps the file no longer."""
        return self._clock.now() >= fetch.created_at + KEPT

    async def sweep(self, older_than: timedelta, limit: int = 100) -> int:
        """Takes up rows whose job was lost; returns how many."""
        rows = self._database.system("whatsapp media sweep").collection(COLLECTION)
        query = {"due_at": {"$lt": self._clock.now() - older_than}}
        found = await rows.find(query, sort=(("due_at", 1),), limit=limit)
        for row in found:
            await self._jobs.enqueue(FETCH, {"tenant_id": row["tenant_id"], "message_id": row["_id"]})
        return len(found)

    def _rows(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)


def _fetch(row: Mapping[str, Any]) -> Fetch:
    return Fetch(
        row["_id"], row["tenant_id"], row["phone_number_id"], row["provider_id"], row["created_at"], row["attempts"]
    )
