"""What national do-not-disturb lists said of numbers: results as the tenant imports them, dated and audited."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum
from typing import Any, Final

from app.audit.log import AuditLog
from app.compliance.calling_rules import Hours
from app.kit.mongo import Database, IndexSpec

COLLECTION: Final = "dnd_scrubs"
INDEXES = (IndexSpec(COLLECTION, (("tenant_id", 1), ("phone", 1)), unique=True),)


class Preference(StrEnum):
    """What the list says for the tenant's category and for calls by machine."""

    CLEAR = "clear"
    BLOCKED = "blocked"
    FULLY_BLOCKED = "fully_blocked"


@dataclass(frozen=True, slots=True)
class Scrub:
    """The result for one number.

    Attributes:
        phone: E.164.
        preference: What the list says. `blocked` yields to explicit consent, `fully_blocked` to nothing.
        scrubbed_at: When the list was asked.
        reference: The scrub's id at whoever did it: the evidence.
        bands: Hours that the person allows; empty: all.
        days: Weekdays (Monday 0) that the person allows; empty: all.
    """

    phone: str
    preference: Preference
    scrubbed_at: datetime
    reference: str
    bands: tuple[Hours, ...] = ()
    days: frozenset[int] = frozenset()


class Scrubs:
    """Keeps the newest result of each number of a tenant."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit

    async def store(self, tenant_id: str, actor: str, source: str, results: Sequence[Scrub]) -> int:
        """Stores results; one that is older than what is known of its number is left out.

        Args:
            tenant_id: Whose.
            actor: Who imports.
            source: Who asked the list.
            results: At least one.

        Returns:
            How many were stored.
        """
        rows = self._database.tenant(tenant_id).collection(COLLECTION)
        stored = 0
        for result in results:
            known = await self.find(tenant_id, result.phone)
            if known is not None and known.scrubbed_at >= result.scrubbed_at:
                continue
            identity = f"{tenant_id}:{result.phone}"
            await rows.replace_one({"_id": identity}, {"_id": identity, "source": source, **_row(result)}, upsert=True)
            stored += 1
        data = {"source": source, "reference": results[0].reference, "results": len(results), "stored": stored}
        await self._audit.record(tenant_id, actor, "dnd_scrub.imported", results[0].reference, data)
        return stored

    async def find(self, tenant_id: str, phone: str) -> Scrub | None:
        """Returns what is known of a number (E.164), or None."""
        row = await self._database.tenant(tenant_id).collection(COLLECTION).find_one({"phone": phone})
        return None if row is None else _scrub(row)


def _row(scrub: Scrub) -> dict[str, Any]:
    return {
        "phone": scrub.phone,
        "preference": scrub.preference.value,
        "scrubbed_at": scrub.scrubbed_at,
        "reference": scrub.reference,
        "bands": [[f"{band.opens:%H:%M}", f"{band.closes:%H:%M}"] for band in scrub.bands],
        "days": sorted(scrub.days),
    }


def _scrub(row: Mapping[str, Any]) -> Scrub:
    bands = tuple(Hours(time.fromisoformat(opens), time.fromisoformat(closes)) for opens, closes in row["bands"])
    return Scrub(
        row["phone"],
        Preference(row["preference"]),
        row["scrubbed_at"],
        row["reference"],
        bands,
        frozenset(row["days"]),
    )
