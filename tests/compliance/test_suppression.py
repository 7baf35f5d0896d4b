"""Opt-outs: in force at once, once, per tenant and channel; the ledger only grows."""

import pytest

from app.audit import log as audit_log
from app.audit.log import AuditLog
from app.compliance import consent, suppression
from app.compliance.consent import ConsentLedger
from app.compliance.models import ConsentChannel, Decision, Purpose
from app.compliance.suppression import EVERY_CHANNEL, Suppressions
from app.kit.clock import SystemClock
from app.kit.mongo import Database

pytestmark = pytest.mark.integration
PHONE = "+919812345678"


async def room(database: Database) -> tuple[Suppressions, ConsentLedger, AuditLog]:
    await database.ensure_indexes((*audit_log.INDEXES, *consent.INDEXES, *suppression.INDEXES))
    clock = SystemClock()
    audit, ledger = AuditLog(database, clock), ConsentLedger(database, clock)
    return Suppressions(database, ledger, audit, clock), ledger, audit


async def test_stops_one_channel_of_one_tenant_and_withdraws_every_purpose(database: Database) -> None:
    suppressions, ledger, audit = await room(database)
    evidence = {"call_id": "call_1", "words": "stop calling"}
    assert await suppressions.opt_out("tenant_a", PHONE, [ConsentChannel.CALL], evidence, language="en-IN")
    assert await suppressions.is_suppressed("tenant_a", PHONE, ConsentChannel.CALL)
    assert not await suppressions.is_suppressed("tenant_a", PHONE, ConsentChannel.WHATSAPP)
    assert not await suppressions.is_suppressed("tenant_b", PHONE, ConsentChannel.CALL)
    for purpose in Purpose:
        latest = await ledger.latest("tenant_a", PHONE, ConsentChannel.CALL, purpose)
        assert latest is not None and latest.decision is Decision.WITHDRAWN and latest.evidence == evidence
    [entry] = await audit.entries("tenant_a")
    assert entry.action == "contact.opted_out" and entry.data["channels"] == ["call"]


async def test_repeating_changes_nothing_and_keeps_the_first_moment(database: Database) -> None:
    suppressions, _, audit = await room(database)
    assert await suppressions.opt_out("tenant_a", PHONE, EVERY_CHANNEL, {"n": 1})
    first = await suppressions.find("tenant_a", PHONE, ConsentChannel.WHATSAPP)
    assert not await suppressions.opt_out("tenant_a", PHONE, EVERY_CHANNEL, {"n": 2})
    assert await suppressions.find("tenant_a", PHONE, ConsentChannel.WHATSAPP) == first
    assert len(await audit.entries("tenant_a")) == 1


async def test_restoring_adds_a_line_and_keeps_the_history(database: Database) -> None:
    suppressions, ledger, _ = await room(database)
    await suppressions.opt_out("tenant_a", PHONE, EVERY_CHANNEL, {"n": 1})
    assert await suppressions.restore("tenant_a", PHONE, ConsentChannel.WHATSAPP, {"n": 2})
    assert not await suppressions.restore("tenant_a", PHONE, ConsentChannel.WHATSAPP, {"n": 3})
    assert not await suppressions.is_suppressed("tenant_a", PHONE, ConsentChannel.WHATSAPP)
    assert await suppressions.is_suppressed("tenant_a", PHONE, ConsentChannel.CALL)
    latest = await ledger.latest("tenant_a", PHONE, ConsentChannel.WHATSAPP, Purpose.SERVICE)
    assert latest is not None and latest.decision is Decision.GRANTED
    marketing = await ledger.latest("tenant_a", PHONE, ConsentChannel.WHATSAPP, Purpose.MARKETING)
    assert marketing is not None and marketing.decision is Decision.WITHDRAWN
    assert await database.tenant("tenant_a").collection(consent.COLLECTION).count({}) == 5
