"""Keeps by which advertisement each customer came, beside their window; the arithmetic is in `entry_point.py`."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from app.errors import Unavailable
from app.kit.clock import Clock
from app.kit.mongo import Database
from whatsapp.entry_point import EntryPoint, answered, came

COLLECTION: Final = "whatsapp_windows"
_FIELDS: Final = ("came_at", "source", "source_id", "opened_at", "free_before")
_ATTEMPTS: Final = 10


class EntryPoints:
    """Reads and moves entry points; concurrent writers lose nothing."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def get(self, tenant_id: str, phone_number_id: str, phone: str) -> EntryPoint:
        """Returns by what `phone` came to one of the tenant's numbers last."""
        point, _ = await self._read(tenant_id, phone_number_id, phone)
        return point

    async def came(
        self, tenant_id: str, phone_number_id: str, phone: str, sent_at: datetime, source: str, source_id: str
    ) -> EntryPoint:
        """Keeps that a message of Meta's time `sent_at`, whose window is kept already, came by an advertisement."""
        now = self._clock.now()
        return await self._move(
            tenant_id, phone_number_id, phone, lambda point: came(point, sent_at, source, source_id, now)
        )

    async def answered(self, tenant_id: str, phone_number_id: str, phone: str, at: datetime) -> EntryPoint:
        """Keeps that a message of ours left at Meta's time `at`."""
        return await self._move(tenant_id, phone_number_id, phone, lambda point: answered(point, at))

    async def _move(
        self, tenant_id: str, phone_number_id: str, phone: str, change: Callable[[EntryPoint], EntryPoint]
    ) -> EntryPoint:
        windows = self._database.tenant(tenant_id).collection(COLLECTION)
        for _ in range(_ATTEMPTS):
            point, version = await self._read(tenant_id, phone_number_id, phone)
            moved = change(point)
            if moved == point or version is None:
                return point
            kept = {"entry": {name: getattr(moved, name) for name in _FIELDS}}
            unchanged = {"_id": f"{tenant_id}:{phone_number_id}:{phone}", "version": version}
            if await windows.find_one_and_update(unchanged, {"$set": kept, "$inc": {"version": 1}}):
                return moved
        raise Unavailable("the entry point is being changed by too many at once")

    async def _read(self, tenant_id: str, phone_number_id: str, phone: str) -> tuple[EntryPoint, int | None]:
        windows = self._database.tenant(tenant_id).collection(COLLECTION)
        found = await windows.find_one({"_id": f"{tenant_id}:{phone_number_id}:{phone}"})
        if found is None:
            return EntryPoint(), None
        entry: Mapping[str, Any] = found.get("entry") or {}
        return EntryPoint(**{name: entry[name] for name in _FIELDS if name in entry}), found["version"]
