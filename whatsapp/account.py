"""What Meta tells about a whole business account or one of its numbers: kept once, audited, handed on."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from app.audit.log import AuditLog
from app.errors import Conflict
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Collection, Database, IndexSpec, StorePage
from whatsapp.payload import Item

COLLECTION: Final = "whatsapp_account_updates"
INDEXES = (IndexSpec(COLLECTION, (("tenant_id", 1), ("key", 1)), unique=True),)
Handler = Callable[[str, Item], Awaitable[None]]
"""Takes an update of one field: tenant and item. Repeating it must change nothing."""
_LONGEST: Final = 4_000
_ACTOR: Final = "meta"


@dataclass(frozen=True, slots=True)
class AccountUpdate:
    """One update. `field` is Meta's name of it, `value` what Meta wrote as JSON, "" where that is very long."""

    update_id: str
    field: str
    account_id: str
    phone_number_id: str
    value: str
    received_at: datetime


class AccountUpdates:
    """Keeps every update and calls the handler of its field; those without one are kept for people to read."""

    def __init__(self, database: Database, audit: AuditLog, clock: Clock) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock
        self._handlers: dict[str, Handler] = {}

    def hear(self, field: str, handler: Handler) -> None:
        """Has a handler called for every update of a field, such as `message_template_status_update`."""
        self._handlers[field] = handler

    async def take(self, tenant_id: str, item: Item) -> None:
        """Works off an update; one that was kept before changes nothing."""
        handler = self._handlers.get(item.field)
        if handler is not None:
            await handler(tenant_id, item)
        value = orjson.dumps(item.body, option=orjson.OPT_SORT_KEYS).decode()
        name = f"{item.account_id}\n{item.phone_number_id}\n{item.field}\n{item.at}\n{value}"
        document = {
            "_id": new_id("wacc"),
            "key": hashlib.sha256(name.encode()).hexdigest()[:32],
            "field": item.field,
            "account_id": item.account_id,
            "phone_number_id": item.phone_number_id,
            "value": value if len(value) <= _LONGEST else "",
            "received_at": self._clock.now(),
        }
        try:
            await self._rows(tenant_id).insert_one(document)
        except Conflict:
            return
        told = {name: entry for name, entry in item.body.items() if isinstance(entry, str | int | float)}
        await self._audit.record(tenant_id, _ACTOR, f"whatsapp.{item.field}", item.account_id, told)

    async def page(self, tenant_id: str, limit: int, starting_after: str | None) -> StorePage:
        """Returns one page of documents for `update_of`."""
        return await self._rows(tenant_id).page({}, limit, starting_after)

    def _rows(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)


def update_of(document: Mapping[str, Any]) -> AccountUpdate:
    """Returns a stored document as a value."""
    return AccountUpdate(
        document["_id"],
        document["field"],
        document["account_id"],
        document["phone_number_id"],
        document["value"],
        document["received_at"],
    )
