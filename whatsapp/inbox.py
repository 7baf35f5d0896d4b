"""Raw webhooks in the store: written before Meta is answered, worked off by a job, kept a week, strangers apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Collection, Database, IndexSpec
from app.kit.sealed import SealedText
from whatsapp.parked import INDEXES as PARKED_INDEXES
from whatsapp.parked import ParkedItems

COLLECTION = "whatsapp_webhooks"
QUARANTINE = "whatsapp_quarantine"
_OWNER = "system"
_KEPT = timedelta(days=7)
_QUARANTINE_LIMIT = 1000
QUARANTINE_MAX_BYTES = 65_536
INDEXES = (
    IndexSpec(COLLECTION, (("state", 1), ("received_at", 1)), across_tenants="the sweep over unfinished webhooks"),
    *PARKED_INDEXES,
)


@dataclass(frozen=True, slots=True)
class RawWebhook:
    """One webhook as it came. `routes` says whose each business number is, as far as the signature proves it."""

    raw_id: str
    body: str
    routes: Mapping[str, str]
    received_at: datetime
    done: bool


class RawInbox:
    """Stores and finds raw webhooks; they may hold updates of several tenants, so they belong to none."""

    def __init__(self, database: Database, sealed: SealedText, clock: Clock) -> None:
        self._database = database
        self._sealed = sealed
        self._clock = clock
        self.parked = ParkedItems(database, sealed, clock)

    async def keep(self, body: str, routes: Mapping[str, str]) -> str:
        """Stores a webhook whose signature holds; returns its id.

        Args:
            body: The raw text.
            routes: phone_number_id -> tenant_id.

        Raises:
            Unavailable: It could not be stored; Meta must send it again.
        """
        raw_id = new_id("wraw")
        document = {
            "_id": raw_id,
            "tenant_id": _OWNER,
            "body": await self._sealed.seal(_OWNER, raw_id, body),
            "routes": [{"phone_number_id": number, "tenant_id": tenant} for number, tenant in routes.items()],
            "received_at": self._clock.now(),
            "state": "received",
            "errors": [],
        }
        await self._collection("store a webhook").insert_one(document)
        return raw_id

    async def quarantine(self, body: str, reason: str) -> bool:
        """Keeps what belongs to no tenant for a person to look at; returns False when there is no room."""
        collection = self._database.system("quarantine a webhook").collection(QUARANTINE)
        if len(body) > QUARANTINE_MAX_BYTES or await collection.count({"tenant_id": _OWNER}) >= _QUARANTINE_LIMIT:
            return False
        raw_id = new_id("wraw")
        sealed = await self._sealed.seal(_OWNER, raw_id, body)
        document = {"_id": raw_id, "tenant_id": _OWNER, "body": sealed, "reason": reason}
        await collection.insert_one({**document, "received_at": self._clock.now()})
        return True

    async def get(self, raw_id: str) -> RawWebhook | None:
        """Returns a webhook, or None."""
        found = await self._collection("work off a webhook").find_one({"_id": raw_id})
        if found is None:
            return None
        routes = {route["phone_number_id"]: route["tenant_id"] for route in found["routes"]}
        body = await self._sealed.open(_OWNER, raw_id, found["body"])
        return RawWebhook(raw_id, body, routes, found["received_at"], found["state"] == "done")

    async def finish(self, raw_id: str, errors: list[str]) -> None:
        """Notes that every item was worked off, and which ones could not be read."""
        await self._collection("finish a webhook").update_one(
            {"_id": raw_id}, {"$set": {"state": "done", "errors": errors}}
        )

    async def stranded(self, older_than: timedelta, limit: int = 100) -> list[str]:
        """Returns the ids of webhooks that wait for too long, oldest first."""
        found = await self._collection("whatsapp webhook sweep").find(
            {"state": "received", "received_at": {"$lt": self._clock.now() - older_than}},
            sort=(("received_at", 1),),
            limit=limit,
            projection=["state"],
        )
        return [document["_id"] for document in found]

    async def forget(self) -> int:
        """Deletes webhooks that were worked off more than a week ago; returns how many."""
        return await self._collection("whatsapp webhook retention").delete_many(
            {"state": "done", "received_at": {"$lt": self._clock.now() - _KEPT}}
        )

    def _collection(self, reason: str) -> Collection:
        return self._database.system(reason).collection(COLLECTION)
