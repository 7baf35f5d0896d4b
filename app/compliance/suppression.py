"""Opt-outs, in force from the moment they are written: who must not be called or messaged any more."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.audit.log import AuditLog
from app.compliance.consent import ConsentLedger
from app.compliance.models import ConsentChannel, ConsentEntry, Decision, Purpose, Suppression
from app.errors import Conflict
from app.kit.clock import Clock
from app.kit.mongo import Database, IndexSpec
from app.kit.redaction import Redact, redact_figures, redacted
from app.webhooks.models import EventType, Publish

COLLECTION = "suppressions"
INDEXES = (IndexSpec(COLLECTION, (("tenant_id", 1), ("phone", 1), ("channel", 1)), unique=True),)
EVERY_CHANNEL = (ConsentChannel.CALL, ConsentChannel.WHATSAPP)


class Suppressions:
    """Writes and reads opt-outs; each one also withdraws the consents and leaves a line in the audit log."""

    def __init__(
        self,
        database: Database,
        ledger: ConsentLedger,
        audit: AuditLog,
        clock: Clock,
        publish: Publish | None = None,
        redact: Redact = redact_figures,
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._audit = audit
        self._clock = clock
        self._publish = publish
        self._redact = redact

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
                "evidence": redacted(dict(evidence), self._redact),
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
            if self._publish is not None:
                told = {"phone": phone, "channels": data["channels"]}
                await self._publish(tenant_id, EventType.CONTACT_OPTED_OUT, told)
        return bool(added)

    async def no_marketing(
        self,
        tenant_id: str,
        phone: str,
        channel: ConsentChannel,
        evidence: Mapping[str, Any],
        *,
        language: str | None = None,
    ) -> bool:
        """Keeps that a person wants no marketing on a channel; service goes on. Returns whether that is new."""
        known = await self._ledger.latest(tenant_id, phone, channel, Purpose.MARKETING)
        if known is not None and known.decision is Decision.WITHDRAWN:
            return False
        await self._ledger.record(
            tenant_id, phone, channel, Purpose.MARKETING, Decision.WITHDRAWN, evidence=evidence, language=language
        )
        return True

    async def marketing(
        self, tenant_id: str, identities: Sequence[str], channel: ConsentChannel
    ) -> ConsentEntry | None:
        """Returns what holds for marketing to a person: a withdrawal under any of their addresses, else a grant.

        Args:
            tenant_id: Who would write.
            identities: Every address of the person.
            channel: Where.

        Returns:
            The line of the ledger; None: they never agreed, or what they agreed to has run out.
        """
        found = [await self._ledger.latest(tenant_id, one, channel, Purpose.MARKETING) for one in identities]
        told = [entry for entry in found if entry is not None]
        withdrawn = next((entry for entry in told if entry.decision is Decision.WITHDRAWN), None)
        return withdrawn or next((entry for entry in told if entry.holds_at(self._clock.now())), None)

    async def share(self, tenant_id: str, addresses: Sequence[str]) -> None:
        """Extends the opt-outs of one address to the others, as they turned out to be of one person."""
        for channel in EVERY_CHANNEL:
            found = [await self.find(tenant_id, address, channel) for address in addresses]
            known = next((suppression for suppression in found if suppression is not None), None)
            if known is None:
                continue
            evidence = {**known.evidence, "same_person_since": self._clock.now().isoformat()}
            for address, suppression in zip(addresses, found, strict=True):
                if suppression is None:
                    await self.opt_out(tenant_id, address, [channel], evidence)

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
