"""Keeps nothing longer than a tenant said, nor shorter than the law: settings, and the job that enforces them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from app.audit.log import AuditLog
from app.errors import FieldError, Unprocessable
from app.kit.clock import Clock
from app.kit.jobs import Jobs
from app.kit.mongo import Collection, Database
from app.privacy.classes import BATCHES, LONGEST_DAYS, RULES, Batch, DataClass
from app.privacy.opening import TenantFiles

COLLECTION: Final = "retention"
ENFORCE: Final = "privacy.enforce_retention"
_EVERY: Final = timedelta(hours=24)
_BATCH: Final = 500
_MOST_BATCHES: Final = 20
_TENANTS: Final = 1_000
_FINAL: Final = {"status": {"$in": ["completed", "no_answer", "busy", "failed"]}}


class Retention:
    """The retention of each tenant."""

    def __init__(self, database: Database, files: TenantFiles, audit: AuditLog, jobs: Jobs, clock: Clock) -> None:
        self._database = database
        self._files = files
        self._audit = audit
        self._jobs = jobs
        self._clock = clock

    async def days(self, tenant_id: str) -> dict[DataClass, int | None]:
        """Returns how many days each class is kept; None: without end."""
        found = await self._settings(tenant_id).find_one({"_id": f"retention_{tenant_id}"})
        chosen = found["days"] if found else {}
        return {name: chosen.get(name.value, rule.days) for name, rule in RULES.items()}

    async def set(self, tenant_id: str, actor: str, changes: Mapping[DataClass, int | None]) -> None:
        """Changes how long some classes are kept, from the next run on.

        Raises:
            Unprocessable: Shorter than the law allows, or longer than ten years; every fault at once.
        """
        faults = [fault for name, days in changes.items() if (fault := _fault(name, days)) is not None]
        if faults:
            raise Unprocessable("a retention is out of its bounds", errors=faults)
        before = await self.days(tenant_id)
        merged = {name.value: days for name, days in {**before, **changes}.items()}
        identity = {"_id": f"retention_{tenant_id}"}
        await self._settings(tenant_id).update_one(identity, {"$set": {"days": merged}}, upsert=True)
        moved = {name.value: [before[name], days] for name, days in changes.items() if before[name] != days}
        await self._audit.record(tenant_id, actor, "retention.changed", tenant_id, {"days": moved})

    async def sweep(self) -> int:
        """Leaves a job for every tenant whose day is over; returns how many there were."""
        tenants = self._database.system("retention of all tenants").collection("tenants")
        after, now, left = "", self._clock.now(), 0
        while page := await tenants.find({"_id": {"$gt": after}}, limit=_TENANTS, projection=["tenant_id"]):
            after = page[-1]["_id"]
            runs = self._database.system("retention of all tenants").collection(COLLECTION)
            ids = [f"retention_{document['_id']}" for document in page]
            recent = {run["_id"] for run in await runs.find({"_id": {"$in": ids}, "ran_at": {"$gt": now - _EVERY}})}
            for document in page:
                if f"retention_{document['_id']}" not in recent:
                    await self._jobs.enqueue(ENFORCE, {"tenant_id": document["_id"]})
                    left += 1
        return left

    async def enforce(self, tenant_id: str) -> dict[str, int]:
        """Deletes what has been kept long enough, in batches; a job. What is left over is done by the next one.

        Returns:
            How many documents of which class went.
        """
        now, days = self._clock.now(), await self.days(tenant_id)
        cutoff = {name: now - timedelta(days=kept) for name, kept in days.items() if kept is not None}
        gone = dict.fromkeys(cutoff, 0)
        more = False
        for name, forget in (
            (DataClass.TRANSCRIPTS, self._transcripts),
            (DataClass.RECORDINGS, self._recordings),
            (DataClass.CONSENTS, self._consents),
        ):
            if name in cutoff:
                gone[name] += await forget(tenant_id, cutoff[name])
        for batch in BATCHES:
            if batch.data_class in cutoff:
                count, full = await self._batch(tenant_id, batch, cutoff[batch.data_class])
                gone[batch.data_class] += count
                more = more or full
        if DataClass.AUDIT in cutoff:
            gone[DataClass.AUDIT] += await self._audit.prune(tenant_id, cutoff[DataClass.AUDIT])
        counts = {name.value: count for name, count in gone.items() if count}
        if counts:
            await self._audit.record(tenant_id, "system", "retention.enforced", tenant_id, {"deleted": counts})
        if not more:
            ran = {"$set": {"ran_at": now}, "$setOnInsert": {"days": {}}}
            await self._settings(tenant_id).update_one({"_id": f"retention_{tenant_id}"}, ran, upsert=True)
        return counts

    async def _batch(self, tenant_id: str, batch: Batch, before: datetime) -> tuple[int, bool]:
        rows, count = self._rows(tenant_id, batch.collection), 0
        for _ in range(_MOST_BATCHES):
            query = {**batch.only, batch.age: {"$lt": before}}
            ids = [document["_id"] for document in await rows.find(query, limit=_BATCH, projection=[])]
            if not ids:
                return count, False
            for linked, link in batch.links.items():
                await self._rows(tenant_id, linked).delete_many({link: {"$in": ids}})
            await self._files.delete(path for _, path in await self._files.of(tenant_id, ids))
            count += await rows.delete_many({"_id": {"$in": ids}})
        return count, True

    async def _transcripts(self, tenant_id: str, before: datetime) -> int:
        """Deletes the events of old calls and marks the calls, whose records stay."""
        calls, events, count = self._rows(tenant_id, "calls"), self._rows(tenant_id, "call_events"), 0
        query = {**_FINAL, "created_at": {"$lt": before}, "transcript_deleted_at": None}
        for _ in range(_MOST_BATCHES):
            ids = [call["_id"] for call in await calls.find(query, limit=_BATCH, projection=[])]
            if not ids:
                break
            count += await events.delete_many({"call_id": {"$in": ids}})
            mark = {"$set": {"transcript_deleted_at": self._clock.now()}}
            await calls.update_many({"_id": {"$in": ids}}, mark)
        return count

    async def _recordings(self, tenant_id: str, before: datetime) -> int:
        calls, count = self._rows(tenant_id, "calls"), 0
        query = {**_FINAL, "created_at": {"$lt": before}, "recording_bytes": {"$gt": 0}}
        for _ in range(_MOST_BATCHES):
            ids = [call["_id"] for call in await calls.find(query, limit=_BATCH, projection=[])]
            if not ids:
                break
            count += await self._files.delete(path for _, path in await self._files.of(tenant_id, ids))
            gone = {"$set": {"recording_bytes": None, "carrier_recording_url": None}}
            await calls.update_many({"_id": {"$in": ids}}, gone)
        return count

    async def _consents(self, tenant_id: str, before: datetime) -> int:
        """Deletes old lines that a newer one for the same person, channel and purpose replaced."""
        rows, count, after = self._rows(tenant_id, "consents"), 0, ""
        while page := await rows.find({"_id": {"$gt": after}, "at": {"$lt": before}}, limit=_BATCH):
            after = page[-1]["_id"]
            for line in page:
                same = {name: line[name] for name in ("identity", "channel", "purpose")}
                newest = await rows.find(same, sort=(("at", -1), ("_id", -1)), limit=1)
                if newest and newest[0]["_id"] != line["_id"]:
                    count += await rows.delete_one({"_id": line["_id"]})
        return count

    def _settings(self, tenant_id: str) -> Collection:
        return self._rows(tenant_id, COLLECTION)

    def _rows(self, tenant_id: str, name: str) -> Collection:
        return self._database.tenant(tenant_id).collection(name)


def _fault(name: DataClass, days: int | None) -> FieldError | None:
    rule, place = RULES[name], f"/body/days/{name.value}"
    if days is None:
        return None if rule.days is None else FieldError(place, f"needs an end: {rule.least} to {LONGEST_DAYS} days")
    if days < rule.least:
        return FieldError(place, f"at least {rule.least} days{f' ({rule.why})' if rule.why else ''}")
    return FieldError(place, f"at most {LONGEST_DAYS} days") if days > LONGEST_DAYS else None
