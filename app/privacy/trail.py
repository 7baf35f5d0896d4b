"""Finds everything a tenant holds about one person, over all collections, whichever room wrote them.

Rooms name their fields alike (`phone`, `contact_id`, `conversation_id`, `call_id` ...): a collection that a room adds
later is found without being listed here. Stands under `export` and `erasure`.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from app.kit.mongo import Collection, Database

CONTACTS: Final = "contacts"
CONVERSATIONS: Final = "conversations"
CALLS: Final = "calls"
AUDIT: Final = "audit"
DELIVERIES: Final = "webhook_deliveries"
NEVER_SEARCHED: Final = frozenset(
    {AUDIT, DELIVERIES, "data_keys", "idempotency", "privacy_requests", "whatsapp_quarantine", "whatsapp_webhooks"}
)
_PERSON_FIELDS: Final = ("phone", "contact_number", "from_number", "to_number", "bsuid", "wa_id", "identity", "to")
_ROOTS: Final = (CONTACTS, CONVERSATIONS, CALLS)
_LINKS: Final = {
    "contact_id": CONTACTS,
    "merged_into": CONTACTS,
    "conversation_id": CONVERSATIONS,
    "call_id": CALLS,
    "reference": CALLS,
    "message_id": "messages",
    "outbox_id": "whatsapp_outbox",
}
_BATCH: Final = 200
_ROUNDS: Final = 6


@dataclass(slots=True)
class Trail:
    """What is known of a person: by which names, and under which ids, by collection."""

    names: set[str]
    ids: dict[str, set[str]] = field(default_factory=dict)

    def note(self, collection: str, document: dict[str, Any]) -> bool:
        """Takes a document as the person's; returns whether it was new."""
        known = self.ids.setdefault(collection, set())
        if document["_id"] in known:
            return False
        known.add(document["_id"])
        if collection == CONTACTS:
            self.names |= {document[name] for name in ("phone", "wa_id", "bsuid") if document.get(name)}
            if document.get("merged_into"):
                known.add(document["merged_into"])
        return True

    def all_ids(self) -> set[str]:
        """Returns every id of every collection."""
        return set().union(*self.ids.values()) if self.ids else set()


class Finder:
    """Searches one tenant's collections."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def follow(self, tenant_id: str, names: Iterable[str]) -> Trail:
        """Returns a person's trail.

        Args:
            tenant_id: Whose.
            names: A telephone number (E.164), a business-scoped WhatsApp id.
        """
        trail = Trail(set(names))
        for _ in range(_ROUNDS):
            before = (len(trail.names), len(trail.all_ids()))
            for name in _ROOTS:
                async for document in self._matching(tenant_id, name, trail):
                    trail.note(name, document)
            if before == (len(trail.names), len(trail.all_ids())):
                break
        others = [name for name in await self._database.collections() if name not in (*_ROOTS, *NEVER_SEARCHED)]
        for _ in range(2):
            for name in others:
                async for document in self._matching(tenant_id, name, trail):
                    trail.note(name, document)
        return trail

    async def documents(self, tenant_id: str, collection: str, ids: Iterable[str]) -> AsyncIterator[dict[str, Any]]:
        """Yields documents by id, in order of their ids."""
        rows = self._rows(tenant_id, collection)
        for batch in batches(sorted(ids)):
            for document in await rows.find({"_id": {"$in": batch}}, limit=_BATCH):
                yield document

    async def audited(self, tenant_id: str, trail: Trail) -> AsyncIterator[dict[str, Any]]:
        """Yields the audit entries that were about the person."""
        for batch in batches(sorted(trail.names | trail.all_ids())):
            for document in await self._rows(tenant_id, AUDIT).find({"target": {"$in": batch}}, limit=10_000):
                yield document

    async def _matching(self, tenant_id: str, name: str, trail: Trail) -> AsyncIterator[dict[str, Any]]:
        rows = self._rows(tenant_id, name)
        for field_name, values in self._wanted(name, trail):
            for batch in batches(sorted(values)):
                after = ""
                while page := await rows.find({field_name: {"$in": batch}, "_id": {"$gt": after}}, limit=_BATCH):
                    for document in page:
                        yield document
                    after = page[-1]["_id"]
                    if len(page) < _BATCH:
                        break

    @staticmethod
    def _wanted(name: str, trail: Trail) -> list[tuple[str, set[str]]]:
        wanted = [(person, trail.names) for person in _PERSON_FIELDS]
        for link, target in _LINKS.items():
            ids = set(trail.ids.get(target, ()))
            if link == "reference":
                ids |= trail.ids.get(CONVERSATIONS, set())
            if ids:
                wanted.append((link, ids))
        return wanted

    def _rows(self, tenant_id: str, name: str) -> Collection:
        return self._database.tenant(tenant_id).collection(name)


def batches(values: Sequence[str]) -> Iterable[list[str]]:
    """Yields values in lists that one query takes."""
    iterator = iter(values)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
