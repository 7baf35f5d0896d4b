"""Wishes to be called: asked for by a person or by the customer, kept until somebody or something has dialled.

Whoever dials takes a wish with `claim`, so that it is dialled once, and says with `settle` what came of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from app.audit.log import AuditLog
from app.conversations.models import Conversation, is_phone
from app.conversations.records import Signal, unheard
from app.errors import Conflict, FieldError, NotFound, Unprocessable
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Collection, Database, IndexSpec
from app.kit.redaction import redact_figures
from app.webhooks.models import EventType, Publish

COLLECTION: Final = "callbacks"
INDEXES = (
    IndexSpec(COLLECTION, (("tenant_id", 1), ("conversation_id", 1))),
    IndexSpec(COLLECTION, (("state", 1), ("at", 1)), across_tenants="the sweep over calls that are due"),
)


class CallbackState(StrEnum):
    """Where a wish stands."""

    WAITING = "waiting"
    DIALLING = "dialling"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Callback:
    """One wish. `at` is when to call, aware UTC; `asked_by` a member, a key or `customer`."""

    callback_id: str
    tenant_id: str
    conversation_id: str
    phone: str
    language: str | None
    agent_id: str | None
    at: datetime
    reason: str
    asked_by: str
    state: CallbackState
    created_at: datetime
    call_id: str | None = None
    failure: str | None = None


class Callbacks:
    """Keeps wishes."""

    def __init__(
        self,
        database: Database,
        audit: AuditLog,
        clock: Clock,
        signal: Signal = unheard,
        publish: Publish | None = None,
    ) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock
        self._signal = signal
        self._publish = publish

    async def ask(
        self,
        conversation: Conversation,
        phone: str | None,
        *,
        at: datetime | None,
        reason: str,
        asked_by: str,
    ) -> Callback:
        """Stores a wish; one that waits in this conversation is moved to the new time.

        Args:
            conversation: Of which conversation.
            phone: Whom to call, E.164.
            at: When (aware); None: now.
            reason: What about.
            asked_by: A member, a key, or `customer`.

        Raises:
            Unprocessable: No number is known.
        """
        number = phone or conversation.address
        if not is_phone(number):
            detail = "must be given: WhatsApp does not tell this customer's number"
            raise Unprocessable(
                "no telephone number is known", code="no_phone", errors=[FieldError("/body/phone", detail)]
            )
        tenant_id, now = conversation.tenant_id, self._clock.now()
        waiting = {"conversation_id": conversation.conversation_id, "state": CallbackState.WAITING.value}
        fields = {"at": at or now, "phone": number, "reason": redact_figures(reason), "asked_by": asked_by}
        found = await self._rows(tenant_id).find_one_and_update(waiting, {"$set": fields})
        if found is None:
            found = {
                "_id": new_id("cb"),
                "tenant_id": tenant_id,
                **waiting,
                **fields,
                "language": conversation.language,
                "agent_id": conversation.agent_id,
                "created_at": now,
                "call_id": None,
                "failure": None,
            }
            await self._rows(tenant_id).insert_one(found)
        callback = _callback(found)
        await self._told(callback, "callback.requested", asked_by)
        return callback

    async def of_conversation(self, tenant_id: str, conversation_id: str) -> list[Callback]:
        """Returns the wishes of a conversation, newest first; at most 50."""
        query = {"conversation_id": conversation_id}
        return [_callback(row) for row in await self._rows(tenant_id).find(query, sort=(("_id", -1),), limit=50)]

    async def due(self, limit: int = 100) -> list[Callback]:
        """Returns wishes of all tenants whose time has come, the oldest first."""
        rows = self._database.system("callbacks: calls that are due").collection(COLLECTION)
        query = {"state": CallbackState.WAITING.value, "at": {"$lte": self._clock.now()}}
        return [_callback(row) for row in await rows.find(query, sort=(("at", 1),), limit=limit)]

    async def claim(self, callback: Callback) -> bool:
        """Takes a wish for dialling; returns False if somebody else did."""
        found = await self._rows(callback.tenant_id).find_one_and_update(
            {"_id": callback.callback_id, "state": CallbackState.WAITING.value},
            {"$set": {"state": CallbackState.DIALLING.value}},
        )
        return found is not None

    async def settle(self, callback: Callback, *, call_id: str | None, failure: str | None = None) -> None:
        """Says what came of dialling: the call, or why there was none."""
        state = CallbackState.FAILED if failure else CallbackState.DONE
        changes = {"state": state.value, "call_id": call_id, "failure": failure}
        await self._rows(callback.tenant_id).update_one({"_id": callback.callback_id}, {"$set": changes})
        await self._told(callback, "callback.failed" if failure else "callback.dialled", "system")

    async def cancel(self, tenant_id: str, actor: str, callback_id: str) -> Callback:
        """Takes a wish back.

        Raises:
            Conflict: It is being dialled, or is over.
            NotFound: Not this tenant's.
        """
        rows = self._rows(tenant_id)
        query = {"_id": callback_id, "state": CallbackState.WAITING.value}
        found = await rows.find_one_and_update(query, {"$set": {"state": CallbackState.CANCELLED.value}})
        if found is None:
            if await rows.find_one({"_id": callback_id}) is None:
                raise NotFound(f"no callback {callback_id}")
            raise Conflict("the callback is being dialled, or over", code="callback_over")
        callback = _callback(found)
        await self._told(callback, "callback.cancelled", actor)
        return callback

    async def _told(self, callback: Callback, what: str, actor: str) -> None:
        ids = {"callback_id": callback.callback_id, "conversation_id": callback.conversation_id}
        await self._signal(callback.tenant_id, {"type": what, **ids})
        if what == "callback.requested" and self._publish is not None:
            data = {**ids, "at": callback.at.isoformat(), "asked_by": callback.asked_by}
            await self._publish(callback.tenant_id, EventType.CALLBACK_REQUESTED, data)
        await self._audit.record(callback.tenant_id, actor, what, callback.callback_id, ids)

    def _rows(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)


def _callback(row: Mapping[str, Any]) -> Callback:
    known = {name: row[name] for name in Callback.__dataclass_fields__ if name in row}
    return Callback(**{**known, "callback_id": row["_id"], "state": CallbackState(row["state"])})
