"""Keeps each customer's window towards each business number in the store; the arithmetic is in `window.py`."""

import contextlib
from collections.abc import Callable
from datetime import datetime

from app.errors import Conflict, Unavailable
from app.kit.clock import Clock
from app.kit.mongo import Database, IndexSpec
from whatsapp.entry_points import EntryPoints
from whatsapp.window import Window, closed_by_meta, opened

COLLECTION = "whatsapp_windows"
INDEXES = (IndexSpec(COLLECTION, (("tenant_id", 1), ("phone_number_id", 1), ("phone", 1)), unique=True),)
_ATTEMPTS = 10


class Windows:
    """Reads and moves windows; concurrent writers cannot shorten one.

    Attributes:
        entries: By which advertisements the same customers came; that opens no window.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self.entries = EntryPoints(database, clock)
        self._database = database
        self._clock = clock

    async def get(self, tenant_id: str, phone_number_id: str, phone: str) -> Window:
        """Returns the window of `phone` (E.164) towards one of the tenant's numbers."""
        window, _ = await self._read(tenant_id, phone_number_id, phone)
        return window

    async def customer_wrote(self, tenant_id: str, phone_number_id: str, phone: str, sent_at: datetime) -> Window:
        """Opens or prolongs the window by a message with Meta's time `sent_at`."""
        return await self._move(
            tenant_id, phone_number_id, phone, lambda window: opened(window, sent_at, self._clock.now())
        )

    async def meta_refused(self, tenant_id: str, phone_number_id: str, phone: str) -> Window:
        """Closes the window because Meta says that it is (131047)."""
        return await self._move(
            tenant_id, phone_number_id, phone, lambda window: closed_by_meta(window, self._clock.now())
        )

    async def _move(
        self, tenant_id: str, phone_number_id: str, phone: str, change: Callable[[Window], Window]
    ) -> Window:
        windows = self._database.tenant(tenant_id).collection(COLLECTION)
        for _ in range(_ATTEMPTS):
            window, version = await self._read(tenant_id, phone_number_id, phone)
            moved = change(window)
            if moved == window and version is not None:
                return window
            fields = {
                "last_inbound_at": moved.last_inbound_at,
                "closed_by_meta_at": moved.closed_by_meta_at,
                "clamped": moved.clamped,
            }
            if version is None:
                document = {"_id": f"{tenant_id}:{phone_number_id}:{phone}", "version": 1, **fields}
                with contextlib.suppress(Conflict):
                    await windows.insert_one({**document, "phone_number_id": phone_number_id, "phone": phone})
                    return moved
            elif await windows.find_one_and_update(
                {"_id": f"{tenant_id}:{phone_number_id}:{phone}", "version": version},
                {"$set": fields, "$inc": {"version": 1}},
            ):
                return moved
        raise Unavailable("the window is being changed by too many at once")

    async def _read(self, tenant_id: str, phone_number_id: str, phone: str) -> tuple[Window, int | None]:
        found = (
            await self._database.tenant(tenant_id)
            .collection(COLLECTION)
            .find_one({"_id": f"{tenant_id}:{phone_number_id}:{phone}"})
        )
        if found is None:
            return Window(), None
        return Window(found["last_inbound_at"], found["closed_by_meta_at"], found["clamped"]), found["version"]
