"""What a tenant asks for in a person's name: an export or an erasure, done by a job, with its evidence.

The person stands sealed in the request; the audit log names them by a digest. Behind `endpoints`, above `export` and
`erasure`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import orjson

from app.audit.log import AuditLog
from app.errors import AppError, Conflict, NotFound
from app.kit.clock import Clock
from app.kit.crypto import MasterKey
from app.kit.ids import new_id
from app.kit.jobs import Jobs
from app.kit.mongo import Collection, Database, IndexSpec
from app.kit.sealed import SealedText
from app.kit.sealed_files import SealedFiles
from app.privacy.erasure import Eraser
from app.privacy.export import Exporter

COLLECTION: Final = "privacy_requests"
WORK: Final = "privacy.work"
INDEXES = (
    IndexSpec(COLLECTION, (("status", 1), ("due_at", 1)), across_tenants="the sweep over requests that wait"),
    IndexSpec(COLLECTION, (("expires_at", 1),), across_tenants="the sweep over exports whose time is over"),
)
EXPORT_KEPT: Final = timedelta(days=7)
_LEASE: Final = timedelta(minutes=10)
_SWEPT: Final = 200


class RequestKind(StrEnum):
    """What is asked for."""

    EXPORT = "export"
    ERASURE = "erasure"


class RequestStatus(StrEnum):
    """How far it is."""

    QUEUED = "queued"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PrivacyRequest:
    """A request as stored. `expires_at` is when an export is deleted; `evidence` says what was found or erased."""

    request_id: str
    tenant_id: str
    kind: RequestKind
    status: RequestStatus
    created_at: datetime
    created_by: str
    done_at: datetime | None
    expires_at: datetime | None
    evidence: Mapping[str, Any]
    error: str | None


class PrivacyRequests:
    """The requests of each tenant, and the job that carries them out."""

    def __init__(
        self,
        database: Database,
        sealed: SealedText,
        archives: SealedFiles,
        exporter: Exporter,
        eraser: Eraser,
        master: MasterKey,
        audit: AuditLog,
        jobs: Jobs,
        clock: Clock,
    ) -> None:
        self._database = database
        self._sealed = sealed
        self._archives = archives
        self._exporter = exporter
        self._eraser = eraser
        self._master = master
        self._audit = audit
        self._jobs = jobs
        self._clock = clock

    async def ask(self, tenant_id: str, actor: str, kind: RequestKind, names: list[str], reason: str) -> PrivacyRequest:
        """Takes a request; a job carries it out.

        Args:
            tenant_id: Whose data.
            actor: The key that asks.
            kind: What for.
            names: The person: number (E.164), WhatsApp id.
            reason: Why, for the audit log.

        Raises:
            Unavailable: The store does not answer.
        """
        request_id, now = new_id("preq"), self._clock.now()
        subject = self._subject(tenant_id, names)
        document = {
            "_id": request_id,
            "kind": kind.value,
            "subject": subject,
            "sealed": await self._sealed.seal(tenant_id, request_id, orjson.dumps(names).decode()),
            "status": RequestStatus.QUEUED.value,
            "due_at": now,
            "created_at": now,
            "created_by": actor,
            "done_at": None,
            "expires_at": None,
            "evidence": "{}",
            "error": None,
        }
        await self._rows(tenant_id).insert_one(document)
        data = {"kind": kind.value, "subject": subject, "reason": reason}
        await self._audit.record(tenant_id, actor, "privacy.requested", request_id, data)
        await self._jobs.enqueue(WORK, {"tenant_id": tenant_id, "request_id": request_id})
        return _request({**document, "tenant_id": tenant_id})

    async def get(self, tenant_id: str, request_id: str) -> PrivacyRequest:
        """Returns a request.

        Raises:
            NotFound: Not this tenant's.
        """
        return _request(await self._stored(tenant_id, request_id))

    async def page(self, tenant_id: str, limit: int, starting_after: str | None) -> tuple[list[PrivacyRequest], bool]:
        """Returns one page, newest first, and whether more follow."""
        page = await self._rows(tenant_id).page({}, limit, starting_after)
        return [_request(document) for document in page.data], page.has_more

    async def archive(self, tenant_id: str, actor: str, request_id: str) -> bytes:
        """Returns an export's ZIP file; each download is audited.

        Raises:
            Conflict: It is not done yet, or no export (`no_archive`).
            NotFound: Not this tenant's, or its time is over.
        """
        request = await self.get(tenant_id, request_id)
        if request.kind is not RequestKind.EXPORT or request.status is not RequestStatus.DONE:
            raise Conflict(f"this {request.kind.value} is {request.status.value}: no archive", code="no_archive")
        content = await self._archives.get(tenant_id, request_id)
        await self._audit.record(tenant_id, actor, "privacy.downloaded", request_id)
        return content

    async def work(self, tenant_id: str, request_id: str) -> None:
        """Carries a request out; a job. One that is done, or being worked on, is left alone.

        Raises:
            Unavailable: Not now; the job is tried again.
        """
        claimed = await self._claim(tenant_id, request_id)
        if claimed is None:
            return
        kind, subject = RequestKind(claimed["kind"]), claimed["subject"]
        try:
            names = orjson.loads(await self._sealed.open(tenant_id, request_id, claimed["sealed"]))
            evidence = await (self._export if kind is RequestKind.EXPORT else self._erase)(tenant_id, request_id, names)
        except AppError as error:
            await self._failed(tenant_id, request_id, error)
            if error.retryable:
                raise
            return
        await self._note_done(tenant_id, request_id, kind, evidence)
        verb = "exported" if kind is RequestKind.EXPORT else "erased"
        await self._audit.record(tenant_id, "system", f"privacy.{verb}", request_id, {"subject": subject, **evidence})

    async def sweep(self) -> int:
        """Leaves lost requests to jobs again and deletes exports whose time is over; returns how many there were."""
        now = self._clock.now()
        store = self._database.system("privacy requests of all tenants that wait or expire").collection(COLLECTION)
        open_states = [RequestStatus.QUEUED.value, RequestStatus.WORKING.value]
        lost = await store.find(
            {"status": {"$in": open_states}, "due_at": {"$lt": now - timedelta(minutes=5)}}, limit=_SWEPT
        )
        for document in lost:
            await self._jobs.enqueue(WORK, {"tenant_id": document["tenant_id"], "request_id": document["_id"]})
        over = await store.find({"expires_at": {"$lt": now}}, limit=_SWEPT)
        for document in over:
            await self._archives.delete(document["tenant_id"], document["_id"])
            await store.update_one({"_id": document["_id"]}, {"$set": {"expires_at": None}})
        return len(lost) + len(over)

    async def _export(self, tenant_id: str, request_id: str, names: list[str]) -> dict[str, Any]:
        made = await self._exporter.make(tenant_id, names)
        await self._archives.put(tenant_id, request_id, made.content)
        return {"found": made.counts, "bytes": len(made.content)}

    async def _erase(self, tenant_id: str, request_id: str, names: list[str]) -> dict[str, Any]:
        await self._forget_archives(tenant_id, self._subject(tenant_id, names))
        return (await self._eraser.erase(tenant_id, names)).as_json()

    async def _forget_archives(self, tenant_id: str, subject: str) -> None:
        query = {"subject": subject, "kind": RequestKind.EXPORT.value}
        for document in await self._rows(tenant_id).find(query):
            await self._archives.delete(tenant_id, document["_id"])

    async def _claim(self, tenant_id: str, request_id: str) -> Mapping[str, Any] | None:
        now = self._clock.now()
        free = [
            {"status": RequestStatus.QUEUED.value},
            {"status": RequestStatus.WORKING.value, "due_at": {"$lt": now}},
        ]
        taken = {"status": RequestStatus.WORKING.value, "due_at": now + _LEASE}
        return await self._rows(tenant_id).find_one_and_update({"_id": request_id, "$or": free}, {"$set": taken})

    async def _failed(self, tenant_id: str, request_id: str, error: AppError) -> None:
        status = RequestStatus.QUEUED if error.retryable else RequestStatus.FAILED
        fields = {"status": status.value, "error": error.code, "due_at": self._clock.now()}
        await self._rows(tenant_id).update_one({"_id": request_id}, {"$set": fields})

    async def _note_done(self, tenant_id: str, request_id: str, kind: RequestKind, evidence: Mapping[str, Any]) -> None:
        now = self._clock.now()
        fields: dict[str, Any] = {
            "status": RequestStatus.DONE.value,
            "done_at": now,
            "evidence": orjson.dumps(evidence).decode(),
            "error": None,
        }
        if kind is RequestKind.EXPORT:
            fields["expires_at"] = now + EXPORT_KEPT
        else:
            fields["sealed"] = None
        await self._rows(tenant_id).update_one({"_id": request_id}, {"$set": fields})

    async def _stored(self, tenant_id: str, request_id: str) -> Mapping[str, Any]:
        found = await self._rows(tenant_id).find_one({"_id": request_id})
        if found is None:
            raise NotFound(f"no privacy request {request_id}")
        return found

    def _subject(self, tenant_id: str, names: list[str]) -> str:
        return self._master.digest("\n".join(["subject", tenant_id, *sorted(names)]))[:32]

    def _rows(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)


def _request(document: Mapping[str, Any]) -> PrivacyRequest:
    return PrivacyRequest(
        document["_id"],
        document["tenant_id"],
        RequestKind(document["kind"]),
        RequestStatus(document["status"]),
        document["created_at"],
        document["created_by"],
        document["done_at"],
        document["expires_at"],
        orjson.loads(document["evidence"]),
        document["error"],
    )
