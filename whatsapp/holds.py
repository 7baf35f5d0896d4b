"""What Meta told us to spare: a number or account that sends too fast waits, one that is blocked waits for a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from app.audit.log import AuditLog
from app.errors import Conflict, NotFound
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Collection, Database, IndexSpec, StorePage
from app.tenants.models import WhatsAppCredentials
from app.webhooks.models import EventType
from app.webhooks.models import Publish as Tell
from whatsapp.failures import Failure, Remedy, Scope
from whatsapp.templates.ports import Publish as Signal

COLLECTION: Final = "whatsapp_holds"
INDEXES = (IndexSpec(COLLECTION, (("tenant_id", 1), ("what", 1)), unique=True),)
ATTENTION: Final = "whatsapp.attention_needed"
_META: Final = "meta"
_SPARED: Final = (Scope.NUMBER, Scope.ACCOUNT, Scope.APP)


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing leaves from a number or an account. `until` None: until a person lifts it."""

    hold_id: str
    scope: Scope
    subject: str
    failure: str
    error_code: int
    since: datetime
    until: datetime | None


class Holds:
    """Keeps holds, and alerts the tenant to what needs a person."""

    def __init__(self, database: Database, audit: AuditLog, signal: Signal, tell: Tell, clock: Clock) -> None:
        self._database = database
        self._audit = audit
        self._signal = signal
        self._tell = tell
        self._clock = clock

    async def slow_down(self, tenant_id: str, credentials: WhatsAppCredentials, failure: Failure, pause: int) -> None:
        """Spares what a rate limit names for `pause` seconds; a limit of one person concerns no other message."""
        if failure.remedy is Remedy.SLOW_DOWN and failure.scope in _SPARED:
            await self._put(tenant_id, credentials, failure, self._clock.now() + timedelta(seconds=pause))

    async def needs_a_person(
        self, tenant_id: str, credentials: WhatsAppCredentials, failure: Failure, outbox_id: str
    ) -> None:
        """Freezes what Meta blocked, and alerts the tenant, once while it lasts."""
        if failure.remedy is Remedy.FREEZE and not await self._put(tenant_id, credentials, failure, None):
            return
        data = {"failure": failure.name, "code": failure.code, "phone_number_id": credentials.phone_number_id}
        await self._audit.record(tenant_id, _META, ATTENTION, outbox_id, data)
        await self._signal(tenant_id, {"type": ATTENTION, "failure": failure.name, "outbox_id": outbox_id})
        await self._tell(tenant_id, EventType.WHATSAPP_ATTENTION_NEEDED, {**data, "outbox_id": outbox_id})

    async def standing(self, tenant_id: str, credentials: WhatsAppCredentials) -> Hold | None:
        """Returns what holds for a number now: a freeze before a pause, the longest pause first; None: it may send."""
        names = [_what(scope, credentials) for scope in _SPARED]
        found = [hold_of(row) for row in await self._rows(tenant_id).find({"what": {"$in": names}})]
        now = self._clock.now()
        lasting = [hold for hold in found if hold.until is None or hold.until > now]
        return max(lasting, key=lambda hold: (hold.until is None, hold.until or now), default=None)

    async def page(self, tenant_id: str, limit: int, starting_after: str | None) -> StorePage:
        """Returns one page of documents for `hold_of`, newest first."""
        return await self._rows(tenant_id).page({}, limit, starting_after)

    async def lift(self, tenant_id: str, actor: str, hold_id: str) -> None:
        """Lets messages leave again.

        Raises:
            NotFound: There is no such hold.
        """
        found = await self._rows(tenant_id).find_one({"_id": hold_id})
        if found is None or not await self._rows(tenant_id).delete_one({"_id": hold_id}):
            raise NotFound(f"no hold {hold_id}; it may have been lifted")
        hold = hold_of(found)
        data = {"failure": hold.failure, "scope": hold.scope.value, "subject": hold.subject}
        await self._audit.record(tenant_id, actor, "whatsapp.hold_lifted", hold_id, data)

    async def _put(
        self, tenant_id: str, credentials: WhatsAppCredentials, failure: Failure, until: datetime | None
    ) -> bool:
        """Keeps a hold; returns whether it is new. A freeze is never shortened to a pause."""
        scope = failure.scope or Scope.NUMBER
        what = _what(scope, credentials)
        rows = self._rows(tenant_id)
        fields = {"failure": failure.name, "error_code": failure.code, "until": until}
        document = {
            "_id": new_id("whold"),
            "what": what,
            "scope": scope.value,
            "subject": what.partition(":")[2],
            "since": self._clock.now(),
            **fields,
        }
        try:
            await rows.insert_one(document)
        except Conflict:
            known = await rows.find_one({"what": what})
            if known is None or known["until"] is None:
                return False
            await rows.update_one({"_id": known["_id"]}, {"$set": fields})
            return until is None
        return True

    def _rows(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)


def _what(scope: Scope, credentials: WhatsAppCredentials) -> str:
    """Returns the name of what is spared; a tenant has one app of its own, so that it stands for all of the tenant."""
    if scope is Scope.NUMBER:
        return f"number:{credentials.phone_number_id}"
    if scope is Scope.ACCOUNT and credentials.business_account_id is not None:
        return f"account:{credentials.business_account_id}"
    return "app:"


def hold_of(document: Mapping[str, Any]) -> Hold:
    """Returns a stored document as a value."""
    return Hold(
        document["_id"],
        Scope(document["scope"]),
        document["subject"],
        document["failure"],
        document["error_code"],
        document["since"],
        document["until"],
    )
