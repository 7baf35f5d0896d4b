"""Works off one raw webhook: every item by itself, repeatable, in the order rules, opt-out, answer."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
import structlog

from app.compliance.consent import ConsentLedger
from app.compliance.models import ConsentChannel, Decision, Purpose
from app.conversations.ports import OutboxState
from app.conversations.service import ConversationService
from app.errors import AppError
from app.kit.clock import Clock
from app.kit.jobs import Jobs
from whatsapp.account import AccountUpdates
from whatsapp.dispatch import Dispatcher
from whatsapp.failures import failure_of
from whatsapp.inbox import RawInbox
from whatsapp.outbox import OutboxStore
from whatsapp.payload import Item, ItemKind, items
from whatsapp.receiving import TARGET_UNKNOWN, Receiving
from whatsapp.window import meta_time

INGEST = "whatsapp.ingest"
REPLAY = "whatsapp.replay"
_REPLAY_SECONDS = (5, 60, 600, 3600)
_PREFERENCES = "user_preferences"
_POISON = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_STRANDED = timedelta(seconds=60)
_STATES = {
    "sent": OutboxState.SENT,
    "delivered": OutboxState.DELIVERED,
    "read": OutboxState.READ,
    "played": OutboxState.PLAYED,
    "failed": OutboxState.FAILED,
}
_log = structlog.get_logger(__name__)


class Ingest:
    """Turns webhooks into messages, states and opt-outs; run by the job `whatsapp.ingest`."""

    def __init__(
        self,
        inbox: RawInbox,
        conversations: ConversationService,
        store: OutboxStore,
        dispatcher: Dispatcher,
        ledger: ConsentLedger,
        receiving: Receiving,
        account: AccountUpdates,
        jobs: Jobs,
        clock: Clock,
    ) -> None:
        self._inbox = inbox
        self._conversations = conversations
        self._store = store
        self._dispatcher = dispatcher
        self._ledger = ledger
        self._receiving = receiving
        self._account = account
        self._jobs = jobs
        self._clock = clock

    async def ingest(self, raw_id: str) -> None:
        """Works off a webhook; repeating it changes nothing.

        Raises:
            AppError: Some item met a passing failure; the job comes again, and the other items are done.
        """
        raw = await self._inbox.get(raw_id)
        if raw is None or raw.done:
            return
        problems: list[str] = []
        passing: AppError | None = None
        for item in items(orjson.loads(raw.body)):
            tenant_id = raw.routes.get(item.route)
            if tenant_id is None:
                problems.append(f"{item.place}: belongs to no tenant that signed")
                continue
            try:
                reason = await self._attempt(tenant_id, item)
            except AppError as error:
                passing = error
                continue
            if reason is not None:
                problems.append(f"{item.place}: {reason}")
                await self._park(tenant_id, raw_id, item, reason)
        if passing is not None:
            raise passing
        if problems:
            _log.warning("whatsapp.items_parked", raw_id=raw_id, problems=problems[:20], count=len(problems))
        await self._inbox.finish(raw_id, problems)

    async def _park(self, tenant_id: str, raw_id: str, item: Item, reason: str) -> None:
        """Keeps an item; what changes a message that has not come yet is tried again by itself for a while."""
        item_id = await self._inbox.parked.park(tenant_id, raw_id, item, reason)
        if reason == TARGET_UNKNOWN and item_id is not None:
            await self._later(tenant_id, item_id, 0)

    async def _later(self, tenant_id: str, item_id: str, replays: int) -> None:
        if replays < len(_REPLAY_SECONDS):
            payload = {"tenant_id": tenant_id, "item_id": item_id}
            await self._jobs.enqueue(REPLAY, payload, delay_seconds=_REPLAY_SECONDS[replays])

    async def replay(self, tenant_id: str, item_id: str) -> None:
        """Works a parked item off again; it stays parked if it fails again.

        Raises:
            AppError: A passing failure; the job comes again.
        """
        item = await self._inbox.parked.content(tenant_id, item_id)
        if item is None:
            return
        reason = await self._attempt(tenant_id, item)
        if reason is None:
            await self._inbox.parked.remove(tenant_id, item_id)
        else:
            replays = await self._inbox.parked.failed_again(tenant_id, item_id, reason)
            if reason == TARGET_UNKNOWN:
                await self._later(tenant_id, item_id, replays)

    async def _attempt(self, tenant_id: str, item: Item) -> str | None:
        """Works an item off; returns why it cannot be, None if it was. A passing failure is raised."""
        try:
            await self._item(tenant_id, item)
        except AppError as error:
            if error.retryable:
                raise
            return error.code
        except _POISON as error:
            return f"{type(error).__name__} {error}"
        return None

    async def sweep(self) -> int:
        """Enqueues webhooks again that a lost worker left behind, and forgets old ones; returns how many were left."""
        stranded = await self._inbox.stranded(_STRANDED)
        for raw_id in stranded:
            await self._jobs.enqueue(INGEST, {"raw_id": raw_id})
        await self._inbox.forget()
        return len(stranded)

    async def _item(self, tenant_id: str, item: Item) -> None:
        if item.kind is ItemKind.MESSAGE:
            await self._receiving.message(tenant_id, item)
        elif item.kind is ItemKind.ECHO:
            await self._receiving.echo(tenant_id, item)
        elif item.kind is ItemKind.USER_ID:
            await self._receiving.renamed(tenant_id, item)
        elif item.kind is ItemKind.STATUS:
            await self._status(tenant_id, item)
        elif item.kind is ItemKind.PREFERENCE:
            await self._preference(tenant_id, item)
        else:
            await self._account.take(tenant_id, item)

    async def _status(self, tenant_id: str, item: Item) -> None:
        body = item.body
        wamid, state = str(body["id"]), _STATES.get(str(body["status"]))
        if state is None:
            return
        errors = body.get("errors") or [{}]
        code = int(errors[0].get("code", 0)) if state is OutboxState.FAILED else None
        tracker = body.get("biz_opaque_callback_data")
        row = await self._store.get(tenant_id, tracker) if isinstance(tracker, str) else None
        row = row or await self._store.by_wamid(tenant_id, wamid)
        failure = failure_of(code) if code is not None else None
        told = body.get("pricing")
        pricing = told if isinstance(told, Mapping) else None
        if row is None:
            await self._store.park(tenant_id, wamid, state, failure, pricing)
            return
        if row.wamid is None:
            await self._store.name(row, wamid)
        await self._identify(tenant_id, item)
        changed = await self._store.advance(
            tenant_id,
            row.outbox_id,
            state,
            failure=failure.name if failure else None,
            error_code=code,
            pricing=pricing,
        )
        if failure is not None and changed is not None:
            await self._dispatcher.learn(row, item.phone_number_id, failure)
        elif failure is None:
            await self._dispatcher.show(tenant_id, row.outbox_id, at=_when(body, self._clock.now()))

    async def _identify(self, tenant_id: str, item: Item) -> None:
        """Learns from a delivery which business-scoped id the person has whom we wrote to by number."""
        number = item.body.get("recipient_id")
        if item.body["status"] == "delivered" and item.bsuid and isinstance(number, str) and number.isdigit():
            await self._conversations.contact_of_identities(tenant_id, f"+{number}", item.bsuid)

    async def _preference(self, tenant_id: str, item: Item) -> None:
        """Meta's own switch for marketing messages, kept in the ledger for every address of the person.

        Switching them on again restores what the person had agreed to before, and grants nothing new.
        """
        shown = item.body.get("wa_id")
        phone = f"+{shown}" if isinstance(shown, str) and shown.isdigit() else None
        contact = await self._conversations.contact_of_identities(tenant_id, phone, item.bsuid)
        stopped = str(item.body["value"]) == "stop"
        evidence = {"source": _PREFERENCES, "timestamp": str(item.body.get("timestamp", ""))}
        for identity in await self._conversations.addresses(contact):
            before = await self._ledger.latest(
                tenant_id, identity, ConsentChannel.WHATSAPP, Purpose.MARKETING, not_by=_PREFERENCES
            )
            if not stopped and (before is None or before.decision is not Decision.GRANTED):
                continue
            decision = Decision.WITHDRAWN if stopped else Decision.GRANTED
            now = await self._ledger.latest(tenant_id, identity, ConsentChannel.WHATSAPP, Purpose.MARKETING)
            if now is None or now.decision is not decision:
                await self._ledger.record(
                    tenant_id, identity, ConsentChannel.WHATSAPP, Purpose.MARKETING, decision, evidence=evidence
                )


def _when(body: Mapping[str, Any], now: datetime) -> datetime:
    """Returns Meta's time of a status, `now` where it cannot be read."""
    try:
        return meta_time(str(body.get("timestamp")))
    except ValueError:
        return now
