"""The audit chain: whole under concurrent writers, and broken by any change."""

import asyncio

import pytest

from app.audit.log import COLLECTION, INDEXES, AuditLog
from app.errors import BadRequest
from app.kit.clock import SystemClock
from app.kit.mongo import Database

pytestmark = pytest.mark.integration


async def written(database: Database, count: int = 6) -> AuditLog:
    await database.ensure_indexes(INDEXES)
    log = AuditLog(database, SystemClock())
    await asyncio.gather(
        *(log.record("tenant_a", "key_1", "agent.changed", f"agent_{n}", {"n": n}) for n in range(count))
    )
    return log


async def test_concurrent_writers_make_one_chain(database: Database) -> None:
    log = await written(database)
    entries = await log.entries("tenant_a")
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5, 6]
    assert {entry.data["n"] for entry in entries} == set(range(6))
    assert (await log.verify("tenant_a")).intact
    assert (await log.verify("tenant_b")).intact


@pytest.mark.parametrize("change", [{"actor": "nobody"}, {"data": {"n": 99}}, {"target": "agent_x"}])
async def test_a_changed_entry_is_found(database: Database, change: dict[str, object]) -> None:
    log = await written(database)
    await database.tenant("tenant_a").collection(COLLECTION).update_one({"seq": 3}, {"$set": change})
    assert (await log.verify("tenant_a")).first_broken_seq == 3


async def test_a_removed_entry_is_found(database: Database) -> None:
    log = await written(database)
    await database.tenant("tenant_a").collection(COLLECTION).delete_one({"seq": 4})
    assert (await log.verify("tenant_a")).first_broken_seq == 4


async def test_an_end_that_was_cut_off_is_found_by_the_head_kept_elsewhere(database: Database) -> None:
    log = await written(database)
    head = (await log.verify("tenant_a")).head
    collection = database.tenant("tenant_a").collection(COLLECTION)
    for seq in (5, 6):
        await collection.delete_one({"seq": seq})
    assert (await log.verify("tenant_a")).intact, "the hashes alone cannot show it"
    assert (await log.verify("tenant_a", head)).first_broken_seq == 5
    with pytest.raises(BadRequest):
        await log.verify("tenant_a", "6:short")
