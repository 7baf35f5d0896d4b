"""Items of webhooks that could not be worked off: sealed under the tenant's key, with the reason, until decided on."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from app.errors import Conflict, NotFound
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Collection, Database, IndexSpec, StorePage
from app.kit.sealed import SealedText
from whatsapp.payload import Item, ItemKind

COLLECTION: Final = "whatsapp_parked_items"
INDEXES = (
    IndexSpec(COLLECTION, (("tenant_id", 1), ("raw_id", 1), ("place", 1)), unique=True),
    IndexSpec(COLLECTION, (("tenant_id", 1), ("phone", 1))),
)
_REASON_LENGTH: Final = 200


@dataclass(frozen=True, slots=True)
class ParkedItem:
    """An item as people see it: where it stood and why it was left, not what it says.

    `raw_id` names the webhook, `place` is the JSON pointer in it; `replays` counts the attempts since.
    """

    item_id: str
    raw_id: str
    place: str
    kind: ItemKind
    phone_number_id: str
    reason: str
    parked_at: datetime
    replays: int


class ParkedItems:
    """The tenant's parked items."""

    def __init__(self, database: Database, sealed: SealedText, clock: Clock) -> None:
        self._database = database
        self._sealed = sealed
        self._clock = clock

    async def park(self, tenant_id: str, raw_id: str, item: Item, reason: str) -> str | None:
        """Keeps an item; keeping it again changes nothing.

        Args:
            tenant_id: Whose.
            raw_id: The webhook that it came in.
            item: It.
            reason: Why it could not be worked off.

        Returns:
            Its id; None where it was kept before.
        """
        item_id = new_id("wpark")
        about = {"account_id": item.account_id, "field": item.field, "at": item.at}
        content = orjson.dumps({"body": dict(item.body), "name": item.name, "bsuid": item.bsuid, **about}).decode()
        document = {
            "_id": item_id,
            "raw_id": raw_id,
            "place": item.place,
            "kind": item.kind.value,
            "phone_number_id": item.phone_number_id,
            "phone": _phone(item.body),
            "content": await self._sealed.seal(tenant_id, item_id, content),
            "reason": reason[:_REASON_LENGTH],
            "parked_at": self._clock.now(),
            "replays": 0,
        }
        with contextlib.suppress(Conflict):
            await self._items(tenant_id).insert_one(document)
            return item_id
        return None

    async def page(self, tenant_id: str, limit: int, starting_after: str | None) -> StorePage:
        """Returns one page of documents for `parked_of`, newest first."""
        return await self._items(tenant_id).page({}, limit, starting_after)

    async def get(self, tenant_id: str, item_id: str) -> ParkedItem:
        """Returns an item without its content.

        Raises:
            NotFound: There is none: worked off, discarded, or another tenant's.
        """
        found = await self._items(tenant_id).find_one({"_id": item_id})
        if found is None:
            raise NotFound(f"no parked item {item_id}; it may have been worked off or discarded")
        return parked_of(found)

    async def content(self, tenant_id: str, item_id: str) -> Item | None:
        """Returns the item as it came, or None if it is gone."""
        found = await self._items(tenant_id).find_one({"_id": item_id})
        if found is None:
            return None
        content = orjson.loads(await self._sealed.open(tenant_id, item_id, found["content"]))
        return Item(ItemKind(found["kind"]), found["place"], found["phone_number_id"], **content)

    async def failed_again(self, tenant_id: str, item_id: str, reason: str) -> int:
        """Notes that a replay failed, and why; returns how many did."""
        changes = {"$set": {"reason": reason[:_REASON_LENGTH]}, "$inc": {"replays": 1}}
        found = await self._items(tenant_id).find_one_and_update({"_id": item_id}, changes)
        return int(found["replays"]) if found else 0

    async def remove(self, tenant_id: str, item_id: str) -> bool:
        """Forgets an item; returns whether it was there."""
        return await self._items(tenant_id).delete_one({"_id": item_id})

    def _items(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)


def parked_of(document: Mapping[str, Any]) -> ParkedItem:
    """Returns a stored document as a value."""
    return ParkedItem(
        document["_id"],
        document["raw_id"],
        document["place"],
        ItemKind(document["kind"]),
        document["phone_number_id"],
        document["reason"],
        document["parked_at"],
        document["replays"],
    )


def _phone(body: Mapping[str, Any]) -> str | None:
    """Returns the person's number (E.164) where the item shows one, so that an erasure finds it."""
    shown = (body.get(field) for field in ("from", "to", "recipient_id", "wa_id"))
    return next((f"+{digits}" for digits in shown if isinstance(digits, str) and digits.isdigit()), None)
