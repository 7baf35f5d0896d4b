"""What time does to conversations: sleepers wake, answers fall due, waiting customers are looked after."""

from datetime import timedelta
from typing import Final

import structlog

from app.audit.log import AuditLog
from app.conversations import access, repository
from app.conversations.models import Status
from app.conversations.routing import Router
from app.conversations.search import Search
from app.conversations.service import ConversationService
from app.errors import AppError, Conflict
from app.kit.clock import Clock
from app.kit.mongo import Database

SWEEP: Final = "conversations.sweep"
SWEEP_SECONDS: Final = 15
_BATCH: Final = 200
_LOOKS_KEPT: Final = timedelta(hours=2)
_log = structlog.get_logger(__name__)


class ConversationSweep:
    """Run by the job `conversations.sweep`; running it twice changes nothing more."""

    def __init__(
        self,
        database: Database,
        conversations: ConversationService,
        router: Router,
        search: Search,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._router = router
        self._search = search
        self._audit = audit
        self._clock = clock

    async def run(self) -> None:
        """Does all of it once."""
        await self.wake()
        await self.find_overdue()
        await self._router.sweep()
        await self._search.index()
        looks = self._database.system("conversations: forget which looks were noted").collection(access.COLLECTION)
        await looks.delete_many({"at": {"$lt": self._clock.now() - _LOOKS_KEPT}})

    async def wake(self) -> int:
        """Opens conversations whose sleep is over; returns how many."""
        store = self._database.system("conversations: wake sleepers").collection(repository.CONVERSATIONS)
        query = {"snoozed_until": {"$lte": self._clock.now()}, "status": Status.SNOOZED.value}
        woken = 0
        for document in await store.find(query, sort=(("snoozed_until", 1),), limit=_BATCH):
            try:
                current = await self._conversations.get(document["tenant_id"], document["_id"])
                if current.status is not Status.SNOOZED:
                    continue
                fields = {"snoozed_until": None, "status": Status.OPEN.value, "active_at": self._clock.now()}
                await self._conversations.change(current, fields, "woken")
                woken += 1
            except Conflict:
                continue
            except AppError as error:
                _log.warning("conversations.not_woken", tenant_id=document["tenant_id"], code=error.code)
        return woken

    async def find_overdue(self) -> int:
        """Marks conversations in which nobody answered in time, once each; returns how many."""
        store = self._database.system("conversations: answers that are due").collection(repository.CONVERSATIONS)
        now = self._clock.now()
        query = {"due_at": {"$lt": now}, "breached_at": None, "status": {"$ne": Status.CLOSED.value}}
        marked = 0
        for document in await store.find(query, sort=(("due_at", 1),), limit=_BATCH):
            tenant_id, conversation_id = document["tenant_id"], document["_id"]
            own = self._database.tenant(tenant_id).collection(repository.CONVERSATIONS)
            first = {"_id": conversation_id, "breached_at": None, "due_at": {"$lt": now}}
            if not await own.update_one(first, {"$set": {"breached_at": now}}):
                continue
            await self._conversations.changed(tenant_id, conversation_id, "overdue")
            data = {"due_at": document["due_at"].isoformat(), "assignee_id": document.get("assignee_id")}
            await self._audit.record(tenant_id, "system", "conversation.overdue", conversation_id, data)
            marked += 1
        return marked
