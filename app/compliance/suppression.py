"""Opt-outs, in force from the moment they are written: who must not be called or messaged any more."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.audit.log import AuditLog
from app.compliance.consent import ConsentLedger
from app.compliance.models import ConsentChannel, Decision, Purpose, Suppression
from app.errors import Conflict
from app.kit.clock import Clock
from app.kit.mongo import Database, IndexSpec

COLLECTION = "suppressions"
INDEXES = (IndexSpec(COLLECTION, (("tenant_id", 1), ("phone", 1), ("channel", 1)), unique=True),)
EVERY_CHANNEL = (ConsentChannel.CALL, ConsentChannel.WHATSAPP)


class Suppressions:
    """Writes and reads opt-outs; each one also withdraws the consents and leaves a line in the audit log."""

    def __init__(self, database: Database, ledger: ConsentLedger, audit: AuditLog, clock: Clock) -> None:
        self._database = database
        self._ledger = ledger
        self._audit = audit
        self._clock = clock

    async def opt_out(
        self,
        tenant_id: str,
        phone: str,
        channels: Sequence[ConsentChannel],
        evidence: Mapping[str, Any],
        *,
        language: str | None = None,
    ) -> bool:
        """Stops contact on the channels, at once; repeating it changes nothing.

        Args:
            tenant_id: Who must stop.
            phone: E.164.
            channels: What is stopped; `EVERY_CHANNEL` for "do not contact me".
            evidence: Call id and words, or message id and words.
            language: The language it was said in.

        Returns:
            Whether any channel was still allowed before.
        """
        collection = self._database.tenant(tenant_id).collection(COLLECTION)
        added = []
        for channel in channels:
            document = {
                "_id": f"{tenant_id}:{phone}:{channel.value}",
                "phone": phone,
                "channel": channel.value,
                "since": self._clock.now(),
                "evidence": dict(evidence),
            }
            try:
                await collection.insert_one(document)
            except Conflict:
                continue
            added.append(channel)
        for channel in added:
            for purpose in Purpose:
                await self._ledger.record(
                    tenant_id, phone, channel, purpose, Decision.WITHDRAWN, evidence=evidence, language=language
                )
        if added:
            data = {"channels": [channel.value for channel in added], "evidence": dict(evidence)}
            await self._audit.record(tenant_id, "customer", "contact.opted_out", phone, data)
        return bool(added)

    async def restore(self, tenant_id: str, phone: str, channel: ConsentChannel, evidence: Mapping[str, Any]) -> bool:
        """Lifts an opt-out because the person asked for it; returns whether there was one."""
        collection = self._database.tenant(tenant_id).collection(COLLECTION)
        if not await collection.delete_one({"phone": phone, "channel": channel.value}):
            return False
        await self._ledger.record(tenant_id, phone, channel, Purpose.SERVICE, Decision.GRANTED, evidence=evidence)
        data = {"channel": channel.value, "evidence": dict(evidence)}
        await self._audit.record(tenant_id, "customer", "contact.opted_in", phone, data)
        return True

    async def find(self, tenant_id: str, phone: str, channel: ConsentChannel) -> Suppression | None:
        """Returns the opt-out of a person for a channel, or None."""
        document = (
            await self._database.tenant(tenant_id)
            .collection(COLLECTION)
            .find_one({"phone": phone, "channel": channel.value})
        )
        if document is None:
            return None
        return Suppression(phone, channel, document["since"], document["evidence"])

    async def is_suppressed(self, tenant_id: str, phone: str, channel: ConsentChannel) -> bool:
        """Returns whether the person must not be reached on the channel."""
        return await self.find(tenant_id, phone, channel) is not None
