"""Erases a person from everything a tenant holds, but for what the law keeps (rule IN-13): the log of what was done.

Content goes: words, recordings, files, messages, the contact. The call record stays without the number; consents,
opt-outs and audit entries stay as they are, until their retention ends.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from app.calls.models import CallStatus
from app.errors import Unavailable
from app.integrations.approvals import ApprovalStatus
from app.integrations.ledger import WriteState
from app.kit.crypto import MasterKey
from app.kit.mongo import Database
from app.kit.sealed import SealedText
from app.privacy.opening import TenantFiles
from app.privacy.trail import AUDIT, CALLS, DELIVERIES, Finder, Trail, batches

KEPT: Final[Mapping[str, str]] = {
    "consents": "IN-13: who allowed or forbade what; kept as the retention of consents says",
    "suppressions": "the number must stay on the do-not-contact list",
    AUDIT: "IN-13: the log of processing; kept as the retention of the audit log says",
}
_RAW: Final = "whatsapp_webhooks"
_NUMBERS: Final = ("from_number", "to_number", "contact_number")
_BATCH: Final = 200

ForgetCaller = Callable[[str, str], Awaitable[int]]
"""Forgets what is kept under a number's digest: tenant, number -> how many rows."""


@dataclass(slots=True)
class Erased:
    """The evidence of an erasure: how many documents of which collection, and what stays and why."""

    deleted: dict[str, int] = field(default_factory=dict)
    pseudonymised: dict[str, int] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    files: int = 0

    def as_json(self) -> dict[str, Any]:
        """Returns it for the store and the wire."""
        return {
            "deleted": self.deleted,
            "pseudonymised": self.pseudonymised,
            "kept": self.kept,
            "files_deleted": self.files,
        }


class Eraser:
    """Erases one person of one tenant; doing it again changes nothing more."""

    def __init__(
        self,
        database: Database,
        finder: Finder,
        files: TenantFiles,
        sealed: SealedText,
        master: MasterKey,
        forget_caller: ForgetCaller,
    ) -> None:
        self._database = database
        self._finder = finder
        self._files = files
        self._sealed = sealed
        self._master = master
        self._forget_caller = forget_caller

    async def erase(self, tenant_id: str, names: list[str]) -> Erased:
        """Erases.

        Args:
            tenant_id: Whose data.
            names: The person's number, WhatsApp id.

        Raises:
            Unavailable: A call with the person is under way; try again after it.
        """
        trail = await self._finder.follow(tenant_id, names)
        await self._check_not_on_the_phone(tenant_id, trail)
        done = Erased()
        found = await self._files.of(tenant_id, trail.all_ids())
        done.files = await self._files.delete(path for _, path in found)
        for collection, ids in sorted(trail.ids.items(), key=lambda entry: entry[0] == "contacts"):
            if collection in KEPT:
                done.kept[collection] = KEPT[collection]
            elif collection == CALLS:
                done.pseudonymised[CALLS] = await self._pseudonymise(tenant_id, ids, trail)
            else:
                await self._delete(tenant_id, collection, ids, done)
        await self._delete_told(tenant_id, trail, done)
        await self._delete_raw(tenant_id, trail, done)
        for name in sorted(trail.names):
            if count := await self._forget_caller(tenant_id, name):
                done.deleted["caller_checks"] = done.deleted.get("caller_checks", 0) + count
        done.kept[AUDIT] = KEPT[AUDIT]
        return done

    async def _check_not_on_the_phone(self, tenant_id: str, trail: Trail) -> None:
        async for call in self._finder.documents(tenant_id, CALLS, trail.ids.get(CALLS, ())):
            status = str(call["status"])
            known = status in CallStatus.__members__.values()
            if known and not CallStatus(status).is_final and call.get("answered_at") is not None:
                raise Unavailable("a call with this person is under way", code="call_live", retry_after_seconds=60)

    async def _pseudonymise(self, tenant_id: str, ids: set[str], trail: Trail) -> int:
        rows, count = self._database.tenant(tenant_id).collection(CALLS), 0
        async for call in self._finder.documents(tenant_id, CALLS, ids):
            hidden = {name: self._pseudonym(call[name]) for name in _NUMBERS if call.get(name) in trail.names}
            if hidden:
                gone = {"carrier_recording_url": None, "recording_bytes": None}
                count += await rows.update_one({"_id": call["_id"]}, {"$set": {**hidden, **gone}})
        return count

    def _pseudonym(self, number: str) -> str:
        return f"erased-{self._master.digest(f'erased:{number}')[:16]}"

    async def _delete(self, tenant_id: str, collection: str, ids: set[str], done: Erased) -> None:
        waiting = {
            document["_id"]
            async for document in self._finder.documents(tenant_id, collection, ids)
            if _undecided(collection, document)
        }
        rows, count = self._database.tenant(tenant_id).collection(collection), 0
        for batch in batches(sorted(ids - waiting)):
            count += await rows.delete_many({"_id": {"$in": batch}})
        if count:
            done.deleted[collection] = count
        if waiting:
            done.kept[collection] = f"{len(waiting)} are still being carried out; ask again once they are"

    async def _delete_told(self, tenant_id: str, trail: Trail, done: Erased) -> None:
        """Deletes what was told to webhooks about the person; only the sealed payload says whom it was about."""
        wanted = {*trail.names, *trail.ids.get(CALLS, ()), *trail.ids.get("conversations", ())}
        rows, after, count = self._database.tenant(tenant_id).collection(DELIVERIES), "", 0
        while page := await rows.find({"_id": {"$gt": after}}, limit=_BATCH):
            after = page[-1]["_id"]
            for document in page:
                said = orjson.loads(await self._sealed.open(tenant_id, document["_id"], document["sealed"]))
                if _mentions(said, wanted):
                    count += await rows.delete_one({"_id": document["_id"]})
        if count:
            done.deleted[DELIVERIES] = count

    async def _delete_raw(self, tenant_id: str, trail: Trail, done: Erased) -> None:
        """Deletes finished raw webhooks that name the person; unfinished ones go within a week of being worked off."""
        store = self._database.system("erasure: raw webhooks belong to no tenant").collection(_RAW)
        wanted = {name.lstrip("+") for name in trail.names}
        after, count = "", 0
        while page := await store.find({"_id": {"$gt": after}, "state": "done"}, limit=_BATCH):
            after = page[-1]["_id"]
            for document in page:
                if all(route["tenant_id"] != tenant_id for route in document["routes"]):
                    continue
                body = await self._sealed.open(document["tenant_id"], document["_id"], document["body"])
                if any(name in body for name in wanted):
                    count += await store.delete_one({"_id": document["_id"]})
        if count:
            done.deleted[_RAW] = count


def _undecided(collection: str, document: Mapping[str, Any]) -> bool:
    if collection == "tool_writes":
        return not WriteState(document["state"]).is_final
    if collection == "approvals":
        return bool(document["status"] == ApprovalStatus.PENDING.value or not document["carried_out"])
    return False


def _mentions(value: Any, wanted: set[str]) -> bool:
    if isinstance(value, str):
        return value in wanted
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_mentions(one, wanted) for one in inner)
