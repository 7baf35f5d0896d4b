"""Who did what to which id: an append-only chain per tenant in which each entry holds the hash of the one before."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

import orjson

from app.errors import BadRequest, Conflict, Unavailable
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Database, IndexSpec, StorePage
from app.kit.redaction import Redact, redact_figures, redacted

COLLECTION = "audit"
ANCHORS = "audit_anchors"
PRUNED = "audit.pruned"
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


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """What a walk over a chain found.

    Attributes:
        entries: How many entries hold.
        first_broken_seq: The first entry that was changed, removed or moved; None if the chain holds.
        head: `seq:sha256` of the newest entry of a chain that holds.
    """

    entries: int
    first_broken_seq: int | None
    head: str | None

    @property
    def intact(self) -> bool:
        """Whether the chain holds."""
        return self.first_broken_seq is None


class AuditLog:
    """Appends to a tenant's chain and checks it.

    Args:
        database: The store.
        clock: Time.
        redact: What to do with words before they stand in the chain for good.
    """

    def __init__(self, database: Database, clock: Clock, redact: Redact = redact_figures) -> None:
        self._database = database
        self._clock = clock
        self._redact = redact
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def record(
        self, tenant_id: str, actor: str, action: str, target: str, data: Mapping[str, Any] | None = None
    ) -> AuditEntry:
        """Appends an entry; writers queue up, those of other processes behind the unique `seq`.

        Args:
            tenant_id: Whose chain.
            actor: Who did it.
            action: `area.verb`, past things: `agent.created`, `contact.opted_out`.
            target: The id it was done to.
            data: What else is worth knowing; JSON values only. Words are redacted.

        Raises:
            Unavailable: Too many writers at once.
        """
        kept = redacted(dict(data or {}), self._redact)
        turn = self._turns.get(tenant_id) or self._turns.setdefault(tenant_id, asyncio.Lock())
        async with turn:
            return await self._append(tenant_id, actor, action, target, kept)

    async def _append(
        self, tenant_id: str, actor: str, action: str, target: str, kept: Mapping[str, Any]
    ) -> AuditEntry:
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
                dict(kept),
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

    async def page(self, tenant_id: str, limit: int, starting_after: str | None) -> StorePage:
        """Returns one page of a tenant's entries as stored, newest first; `entry_of` reads them."""
        return await self._database.tenant(tenant_id).collection(COLLECTION).page({}, limit, starting_after)

    @staticmethod
    def entry_of(document: Mapping[str, Any]) -> AuditEntry:
        """Returns the entry that a stored document holds."""
        return _entry(document)

    async def prune(self, tenant_id: str, before: datetime) -> int:
        """Deletes entries older than `before`; the rest stays provable, from an anchor that the chain itself attests.

        Returns:
            How many were deleted.

        Raises:
            Unavailable: Too many writers at once.
        """
        rows = self._database.tenant(tenant_id).collection(COLLECTION)
        old = await rows.find({"at": {"$lt": before}}, sort=[("seq", -1)], limit=1)
        if old:
            last = _entry(old[0])
            attested = {"through_seq": last.seq, "sha256": last.sha256}
            await self.record(tenant_id, "system", PRUNED, tenant_id, attested)
            anchor = {"_id": f"anchor_{tenant_id}", "seq": last.seq, "sha256": last.sha256}
            anchors = self._database.tenant(tenant_id).collection(ANCHORS)
            await anchors.replace_one({"_id": anchor["_id"]}, anchor, upsert=True)
        through, _ = await self._anchor(tenant_id)
        return await rows.delete_many({"seq": {"$lte": through}})

    async def _anchor(self, tenant_id: str) -> tuple[int, str]:
        """Returns the last deleted entry's place and hash, where the chain begins."""
        found = await self._database.tenant(tenant_id).collection(ANCHORS).find_one({"_id": f"anchor_{tenant_id}"})
        return (found["seq"], found["sha256"]) if found else (0, _GENESIS)

    async def verify(self, tenant_id: str, known_head: str | None = None) -> AuditCheck:
        """Walks the whole chain.

        Args:
            tenant_id: Whose.
            known_head: `seq:sha256` of an entry that was the newest once: a chain that no longer holds it was cut off
                or rewritten, which its own hashes cannot show.

        Raises:
            BadRequest: `known_head` is not of that form.
        """
        known_seq, known_sha256 = _head(known_head) if known_head else (0, "")
        begin, previous = await self._anchor(tenant_id)
        expected_seq, attested = begin + 1, not begin
        found_known = not known_head or known_seq < begin or (known_seq, known_sha256) == (begin, previous)
        while entries := await self.entries(tenant_id, after_seq=expected_seq - 1, limit=1_000):
            for entry in entries:
                intact = (
                    entry.seq == expected_seq
                    and entry.previous == previous
                    and entry.sha256 == entry_hash(tenant_id, entry)
                )
                if not intact or (entry.seq == known_seq and entry.sha256 != known_sha256):
                    return AuditCheck(expected_seq - 1 - begin, expected_seq, None)
                found_known = found_known or entry.seq == known_seq
                attested = attested or _attests(entry, begin)
                expected_seq, previous = expected_seq + 1, entry.sha256
        if not attested:
            return AuditCheck(0, begin + 1, None)
        head = f"{expected_seq - 1}:{previous}" if expected_seq > 1 else None
        return AuditCheck(expected_seq - 1 - begin, None if found_known else expected_seq, head)


def _attests(entry: AuditEntry, begin: int) -> bool:
    """Returns whether an entry says that everything up to `begin` was deleted by rule; its hash says the rest."""
    return entry.action == PRUNED and entry.data.get("through_seq") == begin


def _head(text: str) -> tuple[int, str]:
    seq, _, sha256 = text.partition(":")
    if not seq.isdigit() or len(sha256) != len(_GENESIS):
        raise BadRequest("a head is `seq:sha256`, as an earlier verification gave it", code="bad_head")
    return int(seq), sha256


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
