"""The consent ledger: every permission and withdrawal per person, channel and purpose, added and never changed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.audit.log import AuditLog
from app.compliance.models import ConsentChannel, ConsentEntry, Decision, Purpose
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Database, IndexSpec, StorePage
from app.kit.redaction import Redact, redact_figures, redacted

COLLECTION = "consents"
INDEXES = (IndexSpec(COLLECTION, (("tenant_id", 1), ("identity", 1), ("channel", 1), ("purpose", 1), ("at", -1))),)


class ConsentLedger:
    """Appends to the ledger and answers what holds."""

    def __init__(
        self, database: Database, clock: Clock, redact: Redact = redact_figures, audit: AuditLog | None = None
    ) -> None:
        self._audit = audit
        self._database = database
        self._clock = clock
        self._redact = redact

    async def record(
        self,
        tenant_id: str,
        identity: str,
        channel: ConsentChannel,
        purpose: Purpose,
        decision: Decision,
        *,
        evidence: Mapping[str, Any],
        language: str | None = None,
        wording: str | None = None,
        expires_at: datetime | None = None,
        given_at: datetime | None = None,
    ) -> ConsentEntry:
        """Adds a line.

        Args:
            tenant_id: Towards whom.
            identity: The person: E.164 number, or the id on the channel.
            channel: For which channel.
            purpose: For what.
            decision: Granted or withdrawn.
            evidence: How we know; JSON values. Words are redacted.
            language: In which language it was said.
            wording: What the person was asked or told, if anything.
            expires_at: When a grant ends by itself, if it does.
            given_at: When the person decided; None: now.
        """
        entry = ConsentEntry(
            new_id("consent"),
            identity,
            channel,
            purpose,
            decision,
            self._clock.now(),
            language,
            self._redact(wording) if wording else wording,
            redacted(dict(evidence), self._redact),
            expires_at,
            given_at,
        )
        await self._database.tenant(tenant_id).collection(COLLECTION).insert_one(_document(entry))
        if self._audit is not None:
            data = {"channel": channel.value, "purpose": purpose.value, "identity": self._redact(identity)}
            await self._audit.record(tenant_id, "customer", f"consent.{decision.value}", entry.consent_id, data)
        return entry

    async def page(self, tenant_id: str, identity: str, limit: int, starting_after: str | None) -> StorePage:
        """Returns one page of a person's lines as stored, newest first; `entry_of` reads them."""
        collection = self._database.tenant(tenant_id).collection(COLLECTION)
        return await collection.page({"identity": identity}, limit, starting_after)

    @staticmethod
    def entry_of(document: Mapping[str, Any]) -> ConsentEntry:
        """Returns the line that a stored document holds."""
        return _entry(document)

    async def latest(
        self,
        tenant_id: str,
        identity: str,
        channel: ConsentChannel,
        purpose: Purpose,
        *,
        not_by: str | None = None,
    ) -> ConsentEntry | None:
        """Returns what holds for a person, channel and purpose, or None if they never said.

        Args:
            tenant_id: Towards whom.
            identity: The person.
            channel: For which channel.
            purpose: For what.
            not_by: Leave out lines whose evidence has this `source`.
        """
        query: dict[str, Any] = {"identity": identity, "channel": channel.value, "purpose": purpose.value}
        if not_by is not None:
            query["evidence.source"] = {"$ne": not_by}
        found = (
            await self._database.tenant(tenant_id)
            .collection(COLLECTION)
            .find(
                query,
                sort=[("at", -1), ("_id", -1)],
                limit=1,
            )
        )
        return _entry(found[0]) if found else None


def _document(entry: ConsentEntry) -> dict[str, Any]:
    return {
        "_id": entry.consent_id,
        "identity": entry.identity,
        "channel": entry.channel.value,
        "purpose": entry.purpose.value,
        "decision": entry.decision.value,
        "at": entry.at,
        "language": entry.language,
        "wording": entry.wording,
        "evidence": dict(entry.evidence),
        "expires_at": entry.expires_at,
        "given_at": entry.given_at,
    }


def _entry(document: Mapping[str, Any]) -> ConsentEntry:
    return ConsentEntry(
        document["_id"],
        document["identity"],
        ConsentChannel(document["channel"]),
        Purpose(document["purpose"]),
        Decision(document["decision"]),
        document["at"],
        document["language"],
        document["wording"],
        document["evidence"],
        document.get("expires_at"),
        document.get("given_at"),
    )
