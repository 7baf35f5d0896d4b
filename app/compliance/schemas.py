"""What the compliance officer's doors take and show."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from app.audit.log import AuditEntry
from app.compliance.killswitch import KillMode, KillSwitch
from app.compliance.models import ConsentChannel, ConsentEntry, Decision, Purpose, Suppression

E164 = r"^\+[1-9]\d{6,14}$"


class KillSwitchSet(BaseModel):
    """Sets or lifts a kill switch."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"mode": "stop", "reason": "wrong prices"}})

    mode: KillMode = Field(description="`off` lifts it.")
    reason: str = Field(min_length=3, max_length=500, description="Why, for the audit log.")


class KillSwitchView(BaseModel):
    """A kill switch as it stands."""

    scope: str = Field(description="`all`, `tenant` or `agent`.")
    agent_id: str | None = None
    mode: KillMode
    reason: str
    set_by: str
    set_at: datetime

    @classmethod
    def of(cls, switch: KillSwitch) -> Self:
        """Returns the view of a switch."""
        scope = "all" if switch.tenant_id is None else "tenant" if switch.agent_id is None else "agent"
        return cls(
            scope=scope,
            agent_id=switch.agent_id,
            mode=switch.mode,
            reason=switch.reason,
            set_by=switch.set_by,
            set_at=switch.set_at,
        )


class KillSwitchList(BaseModel):
    """Every switch that bears on the tenant."""

    data: list[KillSwitchView]


class AuditEntryView(BaseModel):
    """One line of the audit log; `sha256` covers all of it and `previous`, the hash of the line before."""

    id: str
    seq: int
    at: datetime
    actor: str
    action: str
    target: str
    data: dict[str, Any]
    previous: str
    sha256: str

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        """Returns the view of an entry."""
        return cls(
            id=entry.audit_id,
            seq=entry.seq,
            at=entry.at,
            actor=entry.actor,
            action=entry.action,
            target=entry.target,
            data=dict(entry.data),
            previous=entry.previous,
            sha256=entry.sha256,
        )


class AuditVerification(BaseModel):
    """Whether the chain holds. Keep `head` elsewhere: with it a later check proves that nothing was cut off."""

    intact: bool
    entries: int
    first_broken_seq: int | None = None
    head: str | None = Field(default=None, description="`seq:sha256` of the newest entry.")


class ConsentView(BaseModel):
    """One line of the consent ledger."""

    id: str
    phone: str
    channel: ConsentChannel
    purpose: Purpose
    decision: Decision
    at: datetime
    language: str | None
    wording: str | None
    evidence: dict[str, Any]
    expires_at: datetime | None = None

    @classmethod
    def of(cls, entry: ConsentEntry) -> Self:
        """Returns the view of a line."""
        return cls(
            id=entry.consent_id,
            phone=entry.identity,
            channel=entry.channel,
            purpose=entry.purpose,
            decision=entry.decision,
            at=entry.at,
            language=entry.language,
            wording=entry.wording,
            evidence=dict(entry.evidence),
            expires_at=entry.expires_at,
        )


class SuppressionCreate(BaseModel):
    """Puts a number on the tenant's do-not-contact list."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"phone": "+919812345678", "reason": "asked by letter of 3 May"}},
    )

    phone: str = Field(pattern=E164, description="E.164.")
    channels: list[ConsentChannel] = Field(
        default_factory=lambda: list(ConsentChannel), min_length=1, description="Default: every channel."
    )
    reason: str = Field(min_length=3, max_length=500, description="How we know, for the ledger.")


class SuppressionView(BaseModel):
    """One line of the do-not-contact list."""

    phone: str
    channel: ConsentChannel
    since: datetime
    evidence: dict[str, Any]

    @classmethod
    def of(cls, line: Suppression) -> Self:
        """Returns the view of a line."""
        return cls(phone=line.phone, channel=line.channel, since=line.since, evidence=dict(line.evidence))


class SuppressionList(BaseModel):
    """What a number must not be reached on; empty: nothing is suppressed."""

    data: list[SuppressionView]
