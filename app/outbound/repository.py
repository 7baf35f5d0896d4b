"""Calls to be placed, in the store: what is said in them sealed, every change of state a compare-and-set."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

import orjson

from app.compliance.calling_rules import CallPurpose
from app.kit.mongo import Collection, Database, IndexSpec
from app.kit.sealed import SealedText
from app.outbound.models import ACTIVE, OutboundCall, OutboundStatus

COLLECTION: Final = "outbound_calls"
INDEXES = (
    IndexSpec(COLLECTION, (("tenant_id", 1), ("to_number", 1))),
    IndexSpec(COLLECTION, (("tenant_id", 1), ("status", 1))),
    IndexSpec(COLLECTION, (("status", 1), ("due_at", 1)), across_tenants="the sweep over calls that are due"),
)
_SEALED: Final = ("about", "variables")
_MOST_READ: Final = 500


class OutboundRepository:
    """All tenants' calls to be placed; each method but `due` keeps to one tenant."""

    def __init__(self, database: Database, sealed: SealedText) -> None:
        self._database = database
        self._sealed = sealed

    async def add(self, call: OutboundCall) -> None:
        """Stores a new one."""
        row = {field.name: getattr(call, field.name) for field in fields(call) if field.name not in _SEALED}
        said = orjson.dumps({name: dict(getattr(call, name)) for name in _SEALED}).decode()
        row |= {
            "_id": row.pop("call_id"),
            "purpose": call.purpose.value,
            "status": call.status.value,
            "registrations": dict(call.registrations),
            "attempts_at": list(call.attempts_at),
            "refusals": [dict(refusal) for refusal in call.refusals],
            "sealed": await self._sealed.seal(call.tenant_id, call.call_id, said),
        }
        await self._rows(call.tenant_id).insert_one(row)

    async def get(self, tenant_id: str, call_id: str) -> OutboundCall | None:
        """Returns one, or None."""
        row = await self._rows(tenant_id).find_one({"_id": call_id})
        return None if row is None else await self._opened(row)

    async def page(
        self, tenant_id: str, query: Mapping[str, Any], limit: int, starting_after: str | None
    ) -> tuple[list[OutboundCall], bool]:
        """Returns one page, newest first, and whether more follow."""
        found = await self._rows(tenant_id).page(query, limit, starting_after)
        return [await self._opened(row) for row in found.data], found.has_more

    async def change(
        self,
        tenant_id: str,
        call_id: str,
        held: Sequence[OutboundStatus],
        changes: Mapping[str, Any],
        attempt_at: datetime | None = None,
    ) -> OutboundCall | None:
        """Changes one that is in one of the states `held`; None where it is not, or there is none."""
        update: dict[str, Any] = {"$set": dict(changes)}
        if attempt_at is not None:
            update["$push"] = {"attempts_at": attempt_at}
        query = {"_id": call_id, "status": {"$in": [status.value for status in held]}}
        row = await self._rows(tenant_id).find_one_and_update(query, update)
        return None if row is None else await self._opened(row)

    async def attempts_at(self, tenant_id: str, to_number: str) -> tuple[datetime, ...]:
        """Returns when a number was dialled, over its newest calls."""
        rows = await self._rows(tenant_id).find(
            {"to_number": to_number}, sort=(("_id", -1),), limit=_MOST_READ, projection=["attempts_at"]
        )
        return tuple(sorted(moment for row in rows for moment in row["attempts_at"]))

    async def placed_since(self, tenant_id: str, since: datetime) -> int:
        """Returns how many of the tenant's calls were last dialled after `since`."""
        return await self._rows(tenant_id).count({"dialled_at": {"$gt": since}})

    async def holding_lines(self, tenant_id: str) -> list[Mapping[str, Any]]:
        """Returns (id, number, whether it was dialled) of every call of the tenant that holds a line."""
        query = {"status": {"$in": [status.value for status in ACTIVE]}}
        return list(await self._rows(tenant_id).find(query, limit=_MOST_READ, projection=["to_number", "on_line"]))

    async def due(self, by: datetime, limit: int) -> list[tuple[str, str]]:
        """Returns (tenant, call) of calls of all tenants that are due, the longest waiting first."""
        store = self._database.system("outbound: the sweep dials what is due").collection(COLLECTION)
        query = {"status": OutboundStatus.QUEUED.value, "due_at": {"$lte": by}}
        rows = await store.find(query, sort=(("due_at", 1),), limit=limit, projection=["tenant_id"])
        return [(row["tenant_id"], row["_id"]) for row in rows]

    async def stuck(self, dialled_before: datetime, live_before: datetime, limit: int) -> list[tuple[str, str]]:
        """Returns (tenant, call) of calls that hold a line for longer than any call can."""
        store = self._database.system("outbound: the sweep frees lines that were lost").collection(COLLECTION)
        waiting = [OutboundStatus.DIALLING.value, OutboundStatus.RINGING.value]
        queries = (
            {"status": {"$in": waiting}, "claimed_at": {"$lt": dialled_before}},
            {"status": OutboundStatus.IN_PROGRESS.value, "claimed_at": {"$lt": live_before}},
        )
        rows = [row for query in queries for row in await store.find(query, limit=limit, projection=["tenant_id"])]
        return [(row["tenant_id"], row["_id"]) for row in rows]

    def _rows(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)

    async def _opened(self, row: Mapping[str, Any]) -> OutboundCall:
        said = orjson.loads(await self._sealed.open(row["tenant_id"], row["_id"], row["sealed"]))
        known = {field.name: row[field.name] for field in fields(OutboundCall) if field.name in row}
        known |= {
            "call_id": row["_id"],
            "purpose": CallPurpose(row["purpose"]),
            "status": OutboundStatus(row["status"]),
            "attempts_at": tuple(row["attempts_at"]),
            "refusals": tuple(row["refusals"]),
            **said,
        }
        return OutboundCall(**known)
