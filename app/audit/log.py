"""Who did what to which id: an append-only chain per tenant in which each entry holds the hash of the one before."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson

from app.errors import Conflict, Unavailable
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Database, IndexSpec

COLLECTION = "audit"
INDEXES = (IndexSpec(COLLECTION, (("tenant_id", 1), ("seq", 1)), unique=True),)
_ATTEMPTS = 20
_GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the chain. `actor` is a key id, `caller`, `customer`, `operator` or `system`."""

    audit_id: str
    seq: int
    at: datetime
    actor: str
    action: str
    target: str
    data: Mapping[str, Any] = field(default_factory=dict)
    previous: str = _GENESIS
    sha256: str = ""


class AuditLog:
    """Appends to a tenant's chain and checks it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def record(
        self, tenant_id: str, actor: str, action: str, target: str, data: Mapping[str, Any] | None = None
    ) -> AuditEntry:
        """Appends an entry; concurrent writers queue up behind the unique `seq`.

        Args:
            tenant_id: Whose chain.
            actor: Who did it.
            action: `area.verb`, past things: `agent.created`, `contact.opted_out`.
            target: The id it was done to.
            data: What else is worth knowing; no secrets, JSON values only.

        Raises:
            Unavailable: Too many writers at once.
        """
        collection = self._database.tenant(tenant_id).collection(COLLECTION)
        for _ in range(_ATTEMPTS):
            newest = await collection.find({}, sort=[("seq", -1)], limit=1)
            last = _entry(newest[0]) if newest else None
            entry = AuditEntry(
                new_id("audit"),
                last.seq + 1 if last else 1,
                _to_milliseconds(self._clock.now()),
                actor,
                action,
                target,
                dict(data or {}),
                last.sha256 if last else _GENESIS,
            )
            entry = replace(entry, sha256=entry_hash(tenant_id, entry))
            try:
                await collection.insert_one(_document(entry))
            except Conflict:
                continue
            return entry
        raise Unavailable("the audit log is busy; try again")

    async def entries(self, tenant_id: str, *, after_seq: int = 0, limit: int = 100) -> list[AuditEntry]:
        """Returns entries in order, from the one after `after_seq`."""
        collection = self._database.tenant(tenant_id).collection(COLLECTION)
        documents = await collection.find({"seq": {"$gt": after_seq}}, sort=[("seq", 1)], limit=limit)
        return [_entry(document) for document in documents]

    async def verify(self, tenant_id: str) -> int | None:
        """Returns the `seq` of the first entry that was changed, removed or moved; None if the chain holds."""
        expected_seq, previous = 1, _GENESIS
        while True:
            entries = await self.entries(tenant_id, after_seq=expected_seq - 1)
            if not entries:
                return None
            for entry in entries:
                intact = (
                    entry.seq == expected_seq
                    and entry.previous == previous
                    and entry.sha256 == entry_hash(tenant_id, entry)
                )
                if not intact:
                    return expected_seq
                expected_seq, previous = expected_seq + 1, entry.sha256


def entry_hash(tenant_id: str, entry: AuditEntry) -> str:
    """Returns the SHA-256 over everything the entry says, its tenant and the hash before it."""
    content = [
        tenant_id,
        entry.audit_id,
        entry.seq,
        entry.at.isoformat(),
        entry.actor,
        entry.action,
        entry.target,
        entry.data,
        entry.previous,
    ]
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _to_milliseconds(moment: datetime) -> datetime:
    """BSON keeps milliseconds; what is hashed must be what is read back."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _document(entry: AuditEntry) -> dict[str, Any]:
    return {
        "_id": entry.audit_id,
        "seq": entry.seq,
        "at": entry.at,
        "actor": entry.actor,
        "action": entry.action,
        "target": entry.target,
        "data": dict(entry.data),
        "previous": entry.previous,
        "sha256": entry.sha256,
    }


def _entry(document: Mapping[str, Any]) -> AuditEntry:
    return AuditEntry(
        document["_id"],
        document["seq"],
        document["at"],
        document["actor"],
        document["action"],
        document["target"],
        document["data"],
        document["previous"],
        document["sha256"],
    )
