"""The durable queue of outbound WhatsApp messages: a row before every send, a rank that only rises, no blind repeat."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from app.conversations.models import Author
from app.conversations.ports import OutboxState
from app.conversations.sealed import SealedText
from app.errors import Conflict
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Collection, Database, IndexSpec
from whatsapp.models import Kind, OutboxRow, TemplateVersion

COLLECTION = "whatsapp_outbox"
PARKED = "whatsapp_parked_statuses"
INDEXES = (
    IndexSpec(COLLECTION, (("tenant_id", 1), ("idempotency_key", 1)), unique=True),
    IndexSpec(COLLECTION, (("tenant_id", 1), ("wamid", 1))),
    IndexSpec(COLLECTION, (("state", 1), ("updated_at", 1)), across_tenants="the sweep over stranded rows"),
    IndexSpec(PARKED, (("tenant_id", 1), ("wamid", 1))),
)
RANK: Mapping[OutboxState, int] = {
    OutboxState.QUEUED: 0,
    OutboxState.SENDING: 1,
    OutboxState.UNKNOWN: 2,
    OutboxState.SENT: 3,
    OutboxState.DELIVERED: 4,
    OutboxState.READ: 5,
    OutboxState.FAILED: 9,
}


class OutboxStore:
    """Rows and their states; every change is a compare-and-set."""

    def __init__(self, database: Database, sealed: SealedText, clock: Clock) -> None:
        self._database = database
        self._sealed = sealed
        self._clock = clock

    async def add(
        self,
        tenant_id: str,
        conversation_id: str,
        phone: str,
        kind: Kind,
        author: Author,
        idempotency_key: str,
        *,
        text: str = "",
        template: str | None = None,
        versions: Sequence[TemplateVersion] = (),
        owner_version: int | None = None,
    ) -> tuple[OutboxRow, bool]:
        """Stores a row; a repeated idempotency key returns the row that is there.

        Returns:
            The row, and whether it is new.
        """
        now = self._clock.now()
        row = OutboxRow(
            outbox_id=new_id("out"),
            tenant_id=tenant_id,
            conversation_id=conversation_id,
            phone=phone,
            kind=kind,
            author=author,
            idempotency_key=idempotency_key,
            created_at=now,
            updated_at=now,
            text=text,
            template=template,
            versions=tuple(versions),
            owner_version=owner_version,
        )
        rows = self._rows(tenant_id)
        try:
            await rows.insert_one({**_document(row), **await self._words(row)})
        except Conflict:
            found = await rows.find_one({"idempotency_key": idempotency_key})
            if found is None:
                raise
            return await self._row(found), False
        return row, True

    async def get(self, tenant_id: str, outbox_id: str) -> OutboxRow | None:
        """Returns a row, or None."""
        found = await self._rows(tenant_id).find_one({"_id": outbox_id})
        return await self._row(found) if found else None

    async def get_many(self, tenant_id: str, outbox_ids: Sequence[str]) -> list[OutboxRow]:
        """Returns those of the rows that exist; at most 100."""
        if not outbox_ids:
            return []
        found = await self._rows(tenant_id).find({"_id": {"$in": list(outbox_ids)}}, limit=100)
        return [await self._row(document) for document in found]

    async def claim(self, tenant_id: str, outbox_id: str) -> OutboxRow | None:
        """Takes a queued row for sending; None if it is not queued any more."""
        changed = await self._rows(tenant_id).find_one_and_update(
            {"_id": outbox_id, "state": OutboxState.QUEUED.value},
            {
                "$set": {"state": OutboxState.SENDING.value, "rank": RANK[OutboxState.SENDING], **self._touched()},
                "$inc": {"attempts": 1},
            },
        )
        return await self._row(changed) if changed else None

    async def requeue(self, row: OutboxRow, failure: str, error_code: int) -> bool:
        """Puts a row that was certainly not sent back into the queue."""
        changed = await self._rows(row.tenant_id).find_one_and_update(
            {"_id": row.outbox_id, "state": OutboxState.SENDING.value},
            {
                "$set": {
                    "state": OutboxState.QUEUED.value,
                    "rank": RANK[OutboxState.QUEUED],
                    "failure": failure,
                    "error_code": error_code,
                    **self._touched(),
                }
            },
        )
        return changed is not None

    async def trying(self, row: OutboxRow, language: str, text: str) -> None:
        """Notes which language leaves now, so that it is known even if the answer gets lost."""
        await self._rows(row.tenant_id).update_one(
            {"_id": row.outbox_id}, {"$set": {"language": language, **await self._words(replace(row, text=text))}}
        )

    async def name(self, row: OutboxRow, wamid: str) -> None:
        """Notes the message id that Meta gave."""
        await self._rows(row.tenant_id).update_one({"_id": row.outbox_id}, {"$set": {"wamid": wamid}})

    async def accepted(self, row: OutboxRow, wamid: str) -> None:
        """Notes that Meta took the message; a status that came first keeps its higher rank."""
        await self.name(row, wamid)
        await self.advance(row.tenant_id, row.outbox_id, OutboxState.SENT)
        for parked in await self._parked(row.tenant_id).find({"wamid": wamid}, limit=20):
            await self.advance(
                row.tenant_id, row.outbox_id, OutboxState(parked["state"]), error_code=parked["error_code"]
            )
            await self._parked(row.tenant_id).delete_one({"_id": parked["_id"]})

    async def advance(
        self,
        tenant_id: str,
        outbox_id: str,
        state: OutboxState,
        *,
        failure: str | None = None,
        error_code: int | None = None,
        pricing: Mapping[str, Any] | None = None,
    ) -> OutboxRow | None:
        """Moves a row up in rank, never down: late statuses change nothing, and nothing clears a failure.

        Returns:
            The row as changed, or None if it had that rank already.
        """
        changes: dict[str, Any] = {"state": state.value, "rank": RANK[state], **self._touched()}
        if state is OutboxState.FAILED:
            changes |= {"failure": failure or "refused", "error_code": error_code}
        elif state is not OutboxState.UNKNOWN:
            changes |= {"failure": None, "error_code": None}
        if pricing:
            changes["pricing"] = dict(pricing)
        query: dict[str, Any] = {"_id": outbox_id, "rank": {"$lt": RANK[state]}}
        if state is OutboxState.FAILED:
            query["state"] = {"$nin": [OutboxState.DELIVERED.value, OutboxState.READ.value]}
        changed = await self._rows(tenant_id).find_one_and_update(query, {"$set": changes})
        return await self._row(changed) if changed else None

    async def by_wamid(self, tenant_id: str, wamid: str) -> OutboxRow | None:
        """Returns the row of a message id of Meta's, or None."""
        found = await self._rows(tenant_id).find_one({"wamid": wamid})
        return await self._row(found) if found else None

    async def park(self, tenant_id: str, wamid: str, state: OutboxState, error_code: int | None) -> None:
        """Keeps a status whose message nobody knows yet; `accepted` replays it."""
        document = {
            "_id": f"{tenant_id}:{wamid}:{state.value}",
            "wamid": wamid,
            "state": state.value,
            "error_code": error_code,
            "at": self._clock.now(),
        }
        with contextlib.suppress(Conflict):
            await self._parked(tenant_id).insert_one(document)

    async def stranded(self, older_than: timedelta, limit: int = 100) -> list[OutboxRow]:
        """Returns rows of all tenants that have waited in `queued` or `sending` for too long, oldest first."""
        rows = self._database.system("whatsapp outbox sweep").collection(COLLECTION)
        found = await rows.find(
            {
                "state": {"$in": [OutboxState.QUEUED.value, OutboxState.SENDING.value]},
                "updated_at": {"$lt": self._clock.now() - older_than},
            },
            sort=(("updated_at", 1),),
            limit=limit,
        )
        return [await self._row(document) for document in found]

    async def _words(self, row: OutboxRow) -> dict[str, str]:
        """Returns what the message says, sealed."""
        versions = [
            {"language": version.language, "code": version.code, "values": list(version.values)}
            for version in row.versions
        ]
        words = orjson.dumps({"text": row.text, "versions": versions}).decode()
        return {"words": await self._sealed.seal(row.tenant_id, row.outbox_id, words)}

    async def _row(self, document: Mapping[str, Any]) -> OutboxRow:
        words = await self._sealed.open(document["tenant_id"], document["_id"], document["words"])
        return _row({**document, **orjson.loads(words)})

    def _touched(self) -> dict[str, datetime]:
        return {"updated_at": self._clock.now()}

    def _rows(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)

    def _parked(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(PARKED)


def _document(row: OutboxRow) -> dict[str, Any]:
    return {
        "_id": row.outbox_id,
        "conversation_id": row.conversation_id,
        "phone": row.phone,
        "kind": row.kind.value,
        "author": row.author.value,
        "idempotency_key": row.idempotency_key,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "state": row.state.value,
        "rank": RANK[row.state],
        "template": row.template,
        "owner_version": row.owner_version,
        "attempts": row.attempts,
        "wamid": row.wamid,
        "language": row.language,
        "failure": row.failure,
        "error_code": row.error_code,
        "pricing": dict(row.pricing),
    }


def _row(document: Mapping[str, Any]) -> OutboxRow:
    fields = {key: value for key, value in document.items() if key not in {"_id", "rank", "words"}}
    fields["outbox_id"] = document["_id"]
    fields["kind"] = Kind(document["kind"])
    fields["author"] = Author(document["author"])
    fields["state"] = OutboxState(document["state"])
    fields["versions"] = tuple(
        TemplateVersion(version["language"], version["code"], tuple(version["values"]))
        for version in document["versions"]
    )
    return OutboxRow(**fields)
