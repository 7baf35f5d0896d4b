"""The consent ledger: every permission and withdrawal per person, channel and purpose, added and never changed."""

from collections.abc import Mapping
from typing import Any

from app.compliance.models import ConsentChannel, ConsentEntry, Decision, Purpose
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Database, IndexSpec

COLLECTION = "consents"
INDEXES = (IndexSpec(COLLECTION, (("tenant_id", 1), ("identity", 1), ("channel", 1), ("purpose", 1), ("at", -1))),)


class ConsentLedger:
    """Appends to the ledger and answers what holds."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

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
    ) -> ConsentEntry:
        """Adds a line.

        Args:
            tenant_id: Towards whom.
            identity: The person: E.164 number, or the id on the channel.
            channel: For which channel.
            purpose: For what.
            decision: Granted or withdrawn.
            evidence: How we know; JSON values.
            language: In which language it was said.
            wording: What the person was asked or told, if anything.
        """
        entry = ConsentEntry(
            new_id("consent"), identity, channel, purpose, decision, self._clock.now(), language, wording, evidence
        )
        await self._database.tenant(tenant_id).collection(COLLECTION).insert_one(_document(entry))
        return entry

    async def latest(
        self, tenant_id: str, identity: str, channel: ConsentChannel, purpose: Purpose
    ) -> ConsentEntry | None:
        """Returns what holds for a person, channel and purpose, or None if they never said."""
        found = (
            await self._database.tenant(tenant_id)
            .collection(COLLECTION)
            .find(
                {"identity": identity, "channel": channel.value, "purpose": purpose.value},
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
    )
