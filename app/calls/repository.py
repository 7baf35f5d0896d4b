"""Calls and their events in the store."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from app.audit.log import AuditLog
from app.calls.events import CallEvent
from app.calls.models import Call, call_from_document
from app.errors import Conflict
from app.kit.mongo import Database, IndexSpec, StorePage, TenantStore
from app.kit.sealed import SealedText

INDEXES: Final = [
    IndexSpec(
        "calls",
        (("carrier_call_id", 1),),
        unique=True,
        across_tenants="the carrier's webhooks name the call before the tenant is known",
    ),
    IndexSpec("calls", (("tenant_id", 1), ("contact_number", 1))),
    IndexSpec("calls", (("tenant_id", 1), ("status", 1))),
    IndexSpec("calls", (("tenant_id", 1), ("created_at", 1))),
    IndexSpec("call_events", (("tenant_id", 1), ("call_id", 1), ("number", 1)), unique=True),
]


class CallRepository:
    """One tenant's calls."""

    def __init__(self, store: TenantStore, sealed: SealedText, audit: AuditLog | None = None) -> None:
        self._audit = audit
        self._tenant_id = store.tenant_id
        self._sealed = sealed
        self._calls = store.collection("calls")
        self._events = store.collection("call_events")

    async def add(self, call: Call) -> None:
        """Stores a new call.

        Raises:
            Conflict: The carrier's id is known already.
        """
        fields = {name: getattr(call, name) for name in Call.__dataclass_fields__ if name not in ("id", "tenant_id")}
        await self._calls.insert_one({"_id": call.id, "contact_number": call.contact_number, **fields})

    async def get(self, call_id: str) -> Call | None:
        """Returns the call, or None."""
        document = await self._calls.find_one({"_id": call_id})
        return call_from_document(document) if document else None

    async def update(self, call_id: str, fields: Mapping[str, Any]) -> None:
        """Sets fields of a call."""
        await self._calls.update_one({"_id": call_id}, {"$set": dict(fields)})

    async def page(self, query: Mapping[str, Any], limit: int, starting_after: str | None) -> StorePage:
        """Returns one page of call documents, newest first."""
        return await self._calls.page(query, limit, starting_after)

    async def add_event(self, call_id: str, number: int, event: CallEvent) -> None:
        """Stores the `number`th event of a call, what it says sealed; repeating it changes nothing."""
        identity = f"{call_id}-{number:06d}"
        said = orjson.dumps(dict(event.data)).decode()
        if self._audit is not None and event.data.get("disclosure"):
            await self._note_disclosure(self._audit, call_id, event)
        try:
            await self._events.insert_one(
                {
                    "_id": identity,
                    "call_id": call_id,
                    "number": number,
                    "kind": event.kind,
                    "at_ms": event.at_ms,
                    "sealed": await self._sealed.seal(self._tenant_id, identity, said),
                }
            )
        except Conflict:
            return

    async def _note_disclosure(self, audit: AuditLog, call_id: str, event: CallEvent) -> None:
        """Writes down what the caller was told, and whether they heard it whole; twice rather than never."""
        data = {name: event.data.get(name) for name in ("disclosure", "language", "complete", "heard_ms")}
        await audit.record(self._tenant_id, "system", "call.disclosed", call_id, {**data, "at_ms": event.at_ms})

    async def events(self, call_id: str, kinds: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """Returns a call's events in order, all or those of some kinds, with `data` opened.

        Raises:
            NotFound: The tenant was forgotten (`data_key_gone`).
        """
        query: dict[str, Any] = {"call_id": call_id}
        if kinds:
            query["kind"] = {"$in": list(kinds)}
        found = await self._events.find(query, sort=(("number", 1),), limit=10_000)
        return [await self._opened(event) for event in found]

    async def _opened(self, event: dict[str, Any]) -> dict[str, Any]:
        if (sealed := event.pop("sealed", None)) is not None:
            event["data"] = orjson.loads(await self._sealed.open(self._tenant_id, event["_id"], sealed))
        return event


async def find_by_carrier_id(database: Database, carrier_call_id: str) -> Call | None:
    """Returns the call of any tenant that the carrier knows by this id."""
    store = database.system("a carrier webhook names the call, not the tenant")
    document = await store.collection("calls").find_one({"carrier_call_id": carrier_call_id})
    return call_from_document(document) if document else None
