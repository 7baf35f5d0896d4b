"""The durable queue of outbound WhatsApp messages: a row before every send, a rank that only rises, no blind repeat."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from app.conversations.models import Author
from app.conversations.ports import OutboxState
from app.conversations.records import Signal, unheard
from app.errors import Conflict
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Collection, Database, IndexSpec
from app.kit.sealed import SealedText
from whatsapp.failures import Failure
from whatsapp.models import Kind, OutboundFile, OutboxRow, TemplateVersion
from whatsapp.rows import RANK, RowWords, document_of

COLLECTION = "whatsapp_outbox"
PARKED = "whatsapp_parked_statuses"
INDEXES = (
    IndexSpec(COLLECTION, (("tenant_id", 1), ("idempotency_key", 1)), unique=True),
    IndexSpec(COLLECTION, (("tenant_id", 1), ("wamid", 1))),
    IndexSpec(COLLECTION, (("tenant_id", 1), ("conversation_id", 1), ("state", 1))),
    IndexSpec(COLLECTION, (("state", 1), ("updated_at", 1)), across_tenants="the sweep over stranded rows"),
    IndexSpec(PARKED, (("tenant_id", 1), ("wamid", 1))),
)
_ARRIVED = (OutboxState.DELIVERED, OutboxState.READ, OutboxState.PLAYED)
_UNDER_WAY = (OutboxState.QUEUED, OutboxState.SENDING)


class OutboxStore:
    """Rows and their states; every change is a compare-and-set, of which the tenant's listeners are told."""

    def __init__(self, database: Database, sealed: SealedText, clock: Clock, signal: Signal = unheard) -> None:
        self._signal = signal
        self._database = database
        self._words = RowWords(sealed)
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
        business_number: str | None = None,
        retry_of: str | None = None,
        file: OutboundFile | None = None,
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
            business_number=business_number,
            retry_of=retry_of,
            file=file,
        )
        rows = self._rows(tenant_id)
        try:
            await rows.insert_one({**document_of(row), **await self._words.seal(row)})
        except Conflict:
            known = await self.by_key(tenant_id, idempotency_key)
            if known is None:
                raise
            return known, False
        return row, True

    async def get(self, tenant_id: str, outbox_id: str) -> OutboxRow | None:
        """Returns a row, or None."""
        found = await self._rows(tenant_id).find_one({"_id": outbox_id})
        return await self._words.open(found) if found else None

    async def by_key(self, tenant_id: str, idempotency_key: str) -> OutboxRow | None:
        """Returns the row of an idempotency key, or None."""
        found = await self._rows(tenant_id).find_one({"idempotency_key": idempotency_key})
        return await self._words.open(found) if found else None

    async def get_many(self, tenant_id: str, outbox_ids: Sequence[str]) -> list[OutboxRow]:
        """Returns those of the rows that exist; at most 100."""
        if not outbox_ids:
            return []
        found = await self._rows(tenant_id).find({"_id": {"$in": list(outbox_ids)}}, limit=100)
        return [await self._words.open(document) for document in found]

    async def claim(self, tenant_id: str, outbox_id: str) -> OutboxRow | None:
        """Takes a queued row for sending; None if it is not queued any more."""
        changed = await self._rows(tenant_id).find_one_and_update(
            {"_id": outbox_id, "state": OutboxState.QUEUED.value},
            {
                "$set": {
                    "state": OutboxState.SENDING.value,
                    "rank": RANK[OutboxState.SENDING],
                    "left": False,
                    **self._touched(),
                },
                "$inc": {"attempts": 1},
            },
        )
        return await self._words.open(changed) if changed else None

    async def must_wait(self, tenant_id: str, outbox_id: str) -> bool:
        """Returns whether an older message of the same conversation has still to leave.

        A confirmation of an opt-out waits for nothing.
        """
        rows = self._rows(tenant_id)
        row = await rows.find_one({"_id": outbox_id}, ["conversation_id", "kind"])
        if row is None or row["kind"] == Kind.OPT_OUT_CONFIRMATION.value:
            return False
        older = {"conversation_id": row["conversation_id"], "_id": {"$lt": outbox_id}}
        return await rows.find_one({**older, "state": {"$in": [state.value for state in _UNDER_WAY]}}, []) is not None

    async def next_of(self, tenant_id: str, conversation_id: str) -> str | None:
        """Returns the conversation's oldest message that waits to be sent, or None."""
        found = await self._rows(tenant_id).find(
            {"conversation_id": conversation_id, "state": OutboxState.QUEUED.value}, limit=1, projection=[]
        )
        return str(found[0]["_id"]) if found else None

    async def requeue(self, row: OutboxRow, failure: str, error_code: int, pause: timedelta) -> bool:
        """Puts a row that was certainly not sent back into the queue; it counts as stranded only after the pause."""
        changed = await self._rows(row.tenant_id).find_one_and_update(
            {"_id": row.outbox_id, "state": OutboxState.SENDING.value},
            {
                "$set": {
                    "state": OutboxState.QUEUED.value,
                    "rank": RANK[OutboxState.QUEUED],
                    "failure": failure,
                    "error_code": error_code,
                    "updated_at": self._clock.now() + pause,
                }
            },
        )
        return changed is not None

    async def leaves(self, row: OutboxRow) -> bool:
        """Notes that the request goes out now; False: the row was taken from this worker, and must not leave."""
        mine = {"_id": row.outbox_id, "state": OutboxState.SENDING.value, "attempts": row.attempts}
        return await self._rows(row.tenant_id).update_one(mine, {"$set": {"left": True, **self._touched()}})

    async def take_back(self, row: OutboxRow) -> bool:
        """Queues a row again whose worker was lost before the request went out; False: it did, or the row moved on."""
        kept = {"_id": row.outbox_id, "state": OutboxState.SENDING.value, "attempts": row.attempts, "left": False}
        queued = {"state": OutboxState.QUEUED.value, "rank": RANK[OutboxState.QUEUED], **self._touched()}
        return await self._rows(row.tenant_id).update_one(kept, {"$set": queued})

    async def postpone(self, row: OutboxRow, pause: timedelta) -> None:
        """Notes that a queued row waits its turn; it counts as stranded only after the pause."""
        await self._rows(row.tenant_id).update_one(
            {"_id": row.outbox_id, "state": OutboxState.QUEUED.value},
            {"$set": {"updated_at": self._clock.now() + pause}},
        )

    async def trying(self, row: OutboxRow, language: str, text: str, template: str) -> None:
        """Notes which template and language leave now, so that they are known even if the answer gets lost."""
        await self._rows(row.tenant_id).update_one(
            {"_id": row.outbox_id},
            {
                "$set": {
                    "language": language,
                    "template_sent": template,
                    **await self._words.seal(replace(row, text=text)),
                }
            },
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
                row.tenant_id,
                row.outbox_id,
                OutboxState(parked["state"]),
                failure=parked["failure"],
                error_code=parked["error_code"],
                pricing=parked["pricing"],
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
            query["state"] = {"$nin": [state.value for state in _ARRIVED]}
        changed = await self._rows(tenant_id).find_one_and_update(query, {"$set": changes})
        if changed is None and pricing:
            await self._rows(tenant_id).update_one({"_id": outbox_id}, {"$set": {"pricing": dict(pricing)}})
        if changed is None:
            return None
        ids = {"conversation_id": changed["conversation_id"], "outbox_id": outbox_id, "state": state.value}
        await self._signal(tenant_id, {"type": "conversation.changed", "what": "delivery", **ids})
        return await self._words.open(changed)

    async def by_wamid(self, tenant_id: str, wamid: str) -> OutboxRow | None:
        """Returns the row of a message id of Meta's, or None."""
        found = await self._rows(tenant_id).find_one({"wamid": wamid})
        return await self._words.open(found) if found else None

    async def park(
        self,
        tenant_id: str,
        wamid: str,
        state: OutboxState,
        failure: Failure | None,
        pricing: Mapping[str, Any] | None,
    ) -> None:
        """Keeps a status whose message nobody knows yet; `accepted` replays it."""
        document = {
            "_id": f"{tenant_id}:{wamid}:{state.value}",
            "wamid": wamid,
            "state": state.value,
            "failure": failure.name if failure else None,
            "error_code": failure.code if failure else None,
            "pricing": dict(pricing or {}),
            "at": self._clock.now(),
        }
        with contextlib.suppress(Conflict):
            await self._parked(tenant_id).insert_one(document)

    async def stranded(self, older_than: timedelta, limit: int = 100) -> list[OutboxRow]:
        """Returns rows of all tenants that have waited in `queued` or `sending` for too long, oldest first."""
        rows = self._database.system("whatsapp outbox sweep").collection(COLLECTION)
        found = await rows.find(
            {
                "state": {"$in": [state.value for state in _UNDER_WAY]},
                "updated_at": {"$lt": self._clock.now() - older_than},
            },
            sort=(("updated_at", 1),),
            limit=limit,
        )
        return [await self._words.open(document) for document in found]

    def _touched(self) -> dict[str, datetime]:
        return {"updated_at": self._clock.now()}

    def _rows(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)

    def _parked(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(PARKED)
