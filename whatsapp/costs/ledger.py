"""Keeps one line per delivered message with what it cost, and the rates that it is reckoned by.

Source: Meta, "Pricing": a message is billed when it is delivered; a status tells category, type and whether it is
billable, never an amount, so that amounts follow from the rates that the tenant enters.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from app.audit.log import AuditLog
from app.conversations.ports import OutboxState
from app.errors import Conflict
from app.kit.mongo import Collection, Database, IndexSpec
from whatsapp.costs.models import Cost, Rate, RateCard, Tally, tallies
from whatsapp.costs.models import cost_of as _cost_of
from whatsapp.models import OutboxRow

COLLECTION: Final = "whatsapp_costs"
RATES: Final = "whatsapp_rates"
INDEXES = (
    IndexSpec(COLLECTION, (("tenant_id", 1), ("month", 1), ("outbox_id", 1)), unique=True),
    IndexSpec(COLLECTION, (("tenant_id", 1), ("conversation_id", 1))),
    IndexSpec(RATES, (("tenant_id", 1), ("currency", 1))),
)
_BILLED: Final = (OutboxState.DELIVERED, OutboxState.READ, OutboxState.PLAYED)
_BATCH: Final = 1000


class Costs:
    """The lines and the rates; neither holds what a message says or to whom it went."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit

    async def note(self, row: OutboxRow, at: datetime, *, free_entry: bool = False) -> None:
        """Keeps what a message cost, once; nothing before it was delivered, or where Meta told no pricing.

        Args:
            row: The message as it stands.
            at: Meta's time of the status.
            free_entry: Whether it left within a free entry point; what Meta tells goes before it.
        """
        if row.state not in _BILLED or not row.pricing:
            return
        lines = self._lines(row.tenant_id)
        identity = f"{row.tenant_id}:{row.outbox_id}"
        if await lines.find_one({"_id": identity}, []) is not None:
            return
        card = await self.rates(row.tenant_id)
        cost = _cost_of(row.outbox_id, row.conversation_id, row.phone, row.pricing, card, at, free_entry=free_entry)
        document = {
            "_id": identity,
            "outbox_id": cost.outbox_id,
            "conversation_id": cost.conversation_id,
            "category": cost.category,
            "kind": cost.kind,
            "model": cost.model,
            "billable": cost.billable,
            "amount_micros": cost.amount_micros,
            "currency": cost.currency,
            "month": cost.month,
            "at": cost.at,
        }
        with contextlib.suppress(Conflict):
            await lines.insert_one(document)

    async def of_messages(self, tenant_id: str, outbox_ids: Sequence[str]) -> dict[str, Cost]:
        """Returns what messages cost, by outbox id; at most 100, those not billed yet left out."""
        if not outbox_ids:
            return {}
        identities = [f"{tenant_id}:{outbox_id}" for outbox_id in outbox_ids]
        found = await self._lines(tenant_id).find({"_id": {"$in": identities}}, limit=100)
        return {document["outbox_id"]: _cost(document) for document in found}

    async def of_conversation(self, tenant_id: str, conversation_id: str) -> Sequence[Tally]:
        """Returns the sums of a conversation."""
        return tallies([cost async for cost in self._walk(tenant_id, {"conversation_id": conversation_id})])

    async def of_month(self, tenant_id: str, month: str) -> Sequence[Tally]:
        """Returns the sums of a month (UTC), `2026-11`."""
        return tallies([cost async for cost in self._walk(tenant_id, {"month": month})])

    async def rates(self, tenant_id: str) -> RateCard | None:
        """Returns the tenant's rates, None: none were entered."""
        found = await self._database.tenant(tenant_id).collection(RATES).find_one({"_id": tenant_id})
        if found is None:
            return None
        return RateCard(found["currency"], tuple(Rate(**rate) for rate in orjson.loads(found["rates"])))

    async def set_rates(self, tenant_id: str, actor: str, card: RateCard) -> None:
        """Sets the rates for messages that are delivered from now on."""
        listed = [
            {"category": rate.category, "prefix": rate.prefix, "amount_micros": rate.amount_micros}
            for rate in card.rates
        ]
        document = {"_id": tenant_id, "currency": card.currency, "rates": orjson.dumps(listed).decode()}
        await self._database.tenant(tenant_id).collection(RATES).replace_one({"_id": tenant_id}, document, upsert=True)
        data = {"currency": card.currency, "rates": listed}
        await self._audit.record(tenant_id, actor, "whatsapp.rates_set", card.currency, data)

    async def _walk(self, tenant_id: str, query: Mapping[str, str]) -> AsyncIterator[Cost]:
        after = ""
        while page := await self._lines(tenant_id).find({**query, "_id": {"$gt": after}}, limit=_BATCH):
            after = page[-1]["_id"]
            for document in page:
                yield _cost(document)

    def _lines(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)


def _cost(document: Mapping[str, Any]) -> Cost:
    return Cost(
        document["outbox_id"],
        document["conversation_id"],
        document["category"],
        document["kind"],
        document["model"],
        document["billable"],
        document["amount_micros"],
        document["currency"],
        document["at"],
    )
