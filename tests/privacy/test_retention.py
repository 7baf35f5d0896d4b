"""Data goes when its time is over, not before, and never sooner than the law lets it."""

from datetime import datetime, timedelta

import pytest

from app.privacy.classes import BATCHES, RULES, DataClass
from app.privacy.retention import ENFORCE
from tests.house import House
from tests.privacy.conftest import Person

pytestmark = pytest.mark.integration


def later(house: House, days: float, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Moves the clock of all services."""
    clock, real = house.services.clock, house.services.clock.now
    moved = real() + timedelta(days=days)
    monkeypatch.setattr(type(clock), "now", lambda self: moved)
    return moved


async def test_each_class_goes_at_its_own_time(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    house, tenant_id = person.door.house, person.door.tenant_id
    await person.door.ok("PUT", "/v1/retention", json={"days": {"recordings": 10, "transcripts": 20, "messages": 30}})
    retention = house.services.privacy.retention
    assert await retention.enforce(tenant_id) == {}
    with monkeypatch.context() as moved:
        later(house, 11, moved)
        assert await retention.enforce(tenant_id) == {"recordings": 1}
        assert [call["recording_bytes"] for call in (await person.stored())["calls"]] == [None]
    with monkeypatch.context() as moved:
        later(house, 21, moved)
        assert await retention.enforce(tenant_id) == {"transcripts": 2}
        left = await person.stored()
        assert "call_events" not in left and "call_snapshots" not in left and len(left["calls"]) == 1
    with monkeypatch.context() as moved:
        later(house, 31, moved)
        assert await retention.enforce(tenant_id) == {"messages": 2}
        assert not person.files()
    with monkeypatch.context() as moved:
        later(house, 731, moved)
        gone = await retention.enforce(tenant_id)
        assert gone["calls"] == 1 and "suppressions" not in gone
        left = await person.stored()
        assert "calls" not in left and "consents" in left and "suppressions" in left
    entries = await person.door.ok("GET", "/v1/audit-entries?limit=100")
    counted = [entry["data"]["deleted"] for entry in entries["data"] if entry["action"] == "retention.enforced"]
    assert {"recordings": 1} in counted and {"transcripts": 2} in counted and len(counted) == 4


async def test_only_a_newer_line_lets_a_consent_go(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    house, tenant_id = person.door.house, person.door.tenant_id
    before = (await person.stored())["consents"]
    await person.door.ok("PUT", "/v1/retention", json={"days": {"consents": 365}})
    with monkeypatch.context() as moved:
        later(house, 366, moved)
        assert "consents" not in await house.services.privacy.retention.enforce(tenant_id)
        assert len((await person.stored())["consents"]) == len(before)


async def test_the_audit_log_is_shortened_and_still_proven(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    house, tenant_id = person.door.house, person.door.tenant_id
    audit = house.services.audit
    old = await audit.verify(tenant_id)
    assert old.head is not None
    await person.door.ok("PUT", "/v1/retention", json={"days": {"audit": 365}})
    with monkeypatch.context() as moved:
        later(house, 366, moved)
        gone = await house.services.privacy.retention.enforce(tenant_id)
        assert gone["audit"] == old.entries + 1
        check = await audit.verify(tenant_id)
        assert check.intact and check.entries == 2
        assert (await audit.verify(tenant_id, old.head)).intact
        assert not (await audit.verify(tenant_id, f"{old.entries + 2}:{'0' * 64}")).intact
    await (
        house.services.database.tenant(tenant_id)
        .collection("audit_anchors")
        .update_one({"_id": f"anchor_{tenant_id}"}, {"$set": {"seq": old.entries + 2}})
    )
    assert not (await audit.verify(tenant_id)).intact, "an anchor that the chain does not attest proves nothing"


async def test_the_floors_of_the_law_hold_and_every_fault_is_told(person: Person) -> None:
    body = {"days": {"audit": 30, "suppressions": 365, "calls": None, "recordings": 1, "transcripts": 3650}}
    answer = await person.door.request("PUT", "/v1/retention", json=body)
    assert answer.status_code == 422
    faults = {fault["pointer"]: fault["detail"] for fault in answer.json()["errors"]}
    assert set(faults) == {"/body/days/audit", "/body/days/suppressions", "/body/days/calls"}
    assert "IN-13" in faults["/body/days/audit"] and "US-04" in faults["/body/days/suppressions"]
    shown = {row["data_class"]: row for row in (await person.door.ok("GET", "/v1/retention"))["data"]}
    assert shown["audit"]["days"] == RULES[DataClass.AUDIT].days and set(shown) == set(DataClass)
    for wrong in ({"days": {}}, {"days": {"recordings": 0}}, {"days": {"secrets": 3}}, {}):
        assert (await person.door.request("PUT", "/v1/retention", json=wrong)).status_code == 422


async def test_a_change_is_audited_and_stays_the_tenants(house: House, person: Person) -> None:
    other = await house.tenant("Meera")
    await person.door.ok("PUT", "/v1/retention", json={"days": {"recordings": 7}})
    shown = {row["data_class"]: row["days"] for row in (await other.ok("GET", "/v1/retention"))["data"]}
    assert shown["recordings"] == 90
    [entry] = [
        entry
        for entry in (await person.door.ok("GET", "/v1/audit-entries?limit=100"))["data"]
        if entry["action"] == "retention.changed"
    ]
    assert entry["data"] == {"days": {"recordings": [90, 7]}} and entry["actor"] == person.door.key_id


async def test_every_tenant_has_its_turn_once_a_day(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    tenants = {(await house.tenant(name)).tenant_id for name in ("A", "B", "C")}
    house.jobs.jobs.clear()
    room = house.services.privacy
    await room.sweep()
    assert {job.payload["tenant_id"] for job in house.jobs.jobs if job.name == ENFORCE} == tenants
    await house.work()
    await room.sweep()
    assert not house.jobs.jobs
    with monkeypatch.context() as moved:
        later(house, 1.1, moved)
        assert await room.retention.sweep() == 3


async def test_unfinished_things_stay_however_old(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    house, tenant_id = person.door.house, person.door.tenant_id
    calls = house.services.database.tenant(tenant_id).collection("calls")
    await calls.update_one({"_id": person.call_id}, {"$set": {"status": "in_progress"}})
    with monkeypatch.context() as moved:
        later(house, 4_000, moved)
        gone = await house.services.privacy.retention.enforce(tenant_id)
    assert "calls" not in gone and "webhook_deliveries" not in gone
    left = await person.stored()
    assert len(left["calls"]) == 1 and len(left["call_events"]) == 1 and len(left["webhook_deliveries"]) == 3


async def test_many_go_in_batches(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    house, tenant_id = person.door.house, person.door.tenant_id
    monkeypatch.setattr("app.privacy.retention._BATCH", 50)
    monkeypatch.setattr("app.privacy.retention._MOST_BATCHES", 3)
    rows = house.services.database.tenant(tenant_id).collection("messages")
    now = house.services.clock.now()
    await rows.insert_many(
        [{"_id": f"msg_{n:04}", "dedupe_key": f"k{n}", "conversation_id": "c", "created_at": now} for n in range(200)]
    )
    with monkeypatch.context() as moved:
        later(house, 366, moved)
        retention = house.services.privacy.retention
        assert (await retention.enforce(tenant_id))["messages"] == 151  # with one attachment
        assert tenant_id in {job.payload["tenant_id"] for job in await _swept(house)}, "what is left has its turn soon"
        assert (await retention.enforce(tenant_id))["messages"] == 51
        assert not await _swept(house)


async def _swept(house: House) -> list[object]:
    house.jobs.jobs.clear()
    await house.services.privacy.retention.sweep()
    return list(house.jobs.jobs)


def test_every_class_is_enforced_by_something() -> None:
    special = {DataClass.TRANSCRIPTS, DataClass.RECORDINGS, DataClass.CONSENTS, DataClass.AUDIT}
    assert special | {batch.data_class for batch in BATCHES} == set(DataClass) == set(RULES)
    assert all(rule.days is None or rule.days >= rule.least for rule in RULES.values())
