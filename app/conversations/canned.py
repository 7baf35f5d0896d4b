"""Canned replies: what people often write, under a short name, in each language."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.audit.log import AuditLog
from app.errors import Conflict, NotFound
from app.kit.ids import new_id
from app.kit.mongo import Collection, Database, IndexSpec

COLLECTION: Final = "canned_replies"
INDEXES = (IndexSpec(COLLECTION, (("tenant_id", 1), ("shortcut", 1)), unique=True),)
_MOST: Final = 500


@dataclass(frozen=True, slots=True)
class CannedReply:
    """One reply. `texts` maps BCP-47 tags to words."""

    reply_id: str
    shortcut: str
    texts: Mapping[str, str]

    def text_for(self, *languages: str | None) -> tuple[str, str]:
        """Returns (language, words) in the first of the languages that it is written in, else in any."""
        chosen = next((tag for tag in languages if tag in self.texts), None) or min(self.texts)
        return chosen, self.texts[chosen]


class CannedReplies:
    """Keeps the replies of tenants."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit

    async def add(self, tenant_id: str, actor: str, shortcut: str, texts: Mapping[str, str]) -> CannedReply:
        """Adds a reply.

        Raises:
            Conflict: There is one of this name.
        """
        reply = CannedReply(new_id("reply"), shortcut, dict(texts))
        try:
            await self._rows(tenant_id).insert_one({"_id": reply.reply_id, "shortcut": shortcut, "texts": dict(texts)})
        except Conflict as error:
            raise Conflict(f"there is a canned reply /{shortcut}", code="shortcut_taken") from error
        await self._audit.record(tenant_id, actor, "canned_reply.created", reply.reply_id, {"shortcut": shortcut})
        return reply

    async def all(self, tenant_id: str) -> list[CannedReply]:
        """Returns the tenant's replies by name; at most 500."""
        found = await self._rows(tenant_id).find({}, sort=(("shortcut", 1),), limit=_MOST)
        return [_reply(document) for document in found]

    async def change(self, tenant_id: str, actor: str, reply_id: str, texts: Mapping[str, str]) -> CannedReply:
        """Replaces the words of a reply.

        Raises:
            NotFound: Not this tenant's.
        """
        rows = self._rows(tenant_id)
        found = await rows.find_one_and_update({"_id": reply_id}, {"$set": {"texts": dict(texts)}})
        if found is None:
            raise NotFound(f"no canned reply {reply_id}")
        await self._audit.record(tenant_id, actor, "canned_reply.changed", reply_id, {"languages": sorted(texts)})
        return _reply(found)

    async def delete(self, tenant_id: str, actor: str, reply_id: str) -> None:
        """Deletes a reply.

        Raises:
            NotFound: Not this tenant's.
        """
        if not await self._rows(tenant_id).delete_one({"_id": reply_id}):
            raise NotFound(f"no canned reply {reply_id}")
        await self._audit.record(tenant_id, actor, "canned_reply.deleted", reply_id)

    def _rows(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)


def _reply(document: Mapping[str, Any]) -> CannedReply:
    return CannedReply(document["_id"], document["shortcut"], document["texts"])
