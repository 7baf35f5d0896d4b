"""Who read what: the first look of a person at a conversation in an hour is an entry of the audit log."""

import contextlib
from typing import Final

from app.audit.log import AuditLog
from app.errors import Conflict
from app.kit.clock import Clock
from app.kit.mongo import Database, IndexSpec

COLLECTION: Final = "conversation_looks"
INDEXES = (IndexSpec(COLLECTION, (("tenant_id", 1), ("at", 1))),)


class AccessLog:
    """Writes looks down, once an hour per reader and thing."""

    def __init__(self, database: Database, audit: AuditLog, clock: Clock) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock

    async def looked(self, tenant_id: str, actor: str, what: str, target: str) -> None:
        """Notes that somebody read something.

        Args:
            tenant_id: Whose data.
            actor: A member or a key.
            what: `conversation.read`, `attachment.read`, `message.versions_read`.
            target: Its id.
        """
        now = self._clock.now()
        hour = now.strftime("%Y%m%d%H")
        row = {"_id": f"{tenant_id}:{actor}:{what}:{target}:{hour}", "at": now}
        with contextlib.suppress(Conflict):
            await self._database.tenant(tenant_id).collection(COLLECTION).insert_one(row)
            await self._audit.record(tenant_id, actor, what, target)

    async def searched(self, tenant_id: str, actor: str, found: int) -> None:
        """Notes that somebody searched: how much was found, not what for."""
        await self._audit.record(tenant_id, actor, "conversation.searched", tenant_id, {"found": found})
