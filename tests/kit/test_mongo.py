"""Tenancy by construction: no handle of one tenant reads, changes or deletes another's documents."""

import pytest

from app.errors import Conflict, Unavailable
from app.kit.clock import SystemClock
from app.kit.mongo import Database, IndexSpec

pytestmark = pytest.mark.integration


async def test_another_tenants_document_does_not_exist(database: Database) -> None:
    mine, theirs = database.tenant("ten_a").collection("notes"), database.tenant("ten_b").collection("notes")
    await theirs.insert_one({"_id": "note_1", "text": "secret"})

    assert await mine.find_one({"_id": "note_1"}) is None
    assert await mine.find({}) == []
    assert await mine.count({}) == 0
    assert (await mine.page({})).data == []
    assert await mine.update_one({"_id": "note_1"}, {"$set": {"text": "mine"}}) is False
    assert await mine.update_many({}, {"$set": {"text": "mine"}}) == 0
    assert await mine.find_one_and_update({"_id": "note_1"}, {"$set": {"text": "mine"}}) is None
    assert await mine.replace_one({"_id": "note_1"}, {"_id": "note_1", "text": "mine"}) is False
    assert await mine.delete_one({"_id": "note_1"}) is False
    assert await mine.delete_many({}) == 0
    assert await theirs.find_one({"_id": "note_1"}) == {"_id": "note_1", "tenant_id": "ten_b", "text": "secret"}


async def test_another_tenants_id_cannot_be_taken_over_by_an_upsert(database: Database) -> None:
    await database.tenant("ten_b").collection("notes").insert_one({"_id": "note_1"})
    mine = database.tenant("ten_a").collection("notes")
    with pytest.raises(Conflict):
        await mine.update_one({"_id": "note_1"}, {"$set": {"text": "mine"}}, upsert=True)


async def test_naming_another_tenant_is_a_programming_error(database: Database) -> None:
    notes = database.tenant("ten_a").collection("notes")
    with pytest.raises(ValueError, match="another tenant"):
        await notes.find({"tenant_id": "ten_b"})
    with pytest.raises(ValueError, match="another tenant"):
        await notes.insert_one({"_id": "note_1", "tenant_id": "ten_b"})
    with pytest.raises(ValueError, match="tenant_id"):
        await notes.find({"$or": [{"tenant_id": "ten_b"}]})
    with pytest.raises(ValueError, match="tenant_id"):
        await notes.update_one({"_id": "note_1"}, {"$set": {"tenant_id": "ten_b"}})


async def test_a_system_store_sees_every_tenant_and_every_document_has_one(database: Database) -> None:
    for tenant in ("ten_a", "ten_b"):
        await database.tenant(tenant).collection("notes").insert_one({"_id": f"note_{tenant}"})
    notes = database.system("test: count all").collection("notes")
    assert await notes.count({}) == 2
    with pytest.raises(ValueError, match="tenant_id"):
        await notes.insert_one({"_id": "note_x"})
    with pytest.raises(ValueError, match="reason"):
        database.system("")


async def test_an_index_not_led_by_the_tenant_says_why() -> None:
    with pytest.raises(ValueError, match="first key"):
        IndexSpec("numbers", (("e164", 1),))
    IndexSpec("numbers", (("e164", 1),), across_tenants="the called number names the tenant")


async def test_pages_run_from_the_newest_id_to_the_oldest(database: Database) -> None:
    notes = database.tenant("ten_a").collection("notes")
    await notes.insert_many([{"_id": f"note_{n:02}"} for n in range(5)])
    first = await notes.page({}, limit=2)
    second = await notes.page({}, limit=2, starting_after=first.data[-1]["_id"])
    third = await notes.page({}, limit=2, starting_after=second.data[-1]["_id"])
    ids = [[document["_id"] for document in page.data] for page in (first, second, third)]
    assert ids == [["note_04", "note_03"], ["note_02", "note_01"], ["note_00"]]
    assert [page.has_more for page in (first, second, third)] == [True, True, False]


async def test_a_taken_id_is_a_conflict_that_shows_no_values(database: Database) -> None:
    notes = database.tenant("ten_a").collection("notes")
    await notes.insert_one({"_id": "note_1"})
    with pytest.raises(Conflict) as caught:
        await notes.insert_one({"_id": "note_1", "phone": "+919876543210"})
    assert caught.value.code == "already_exists"
    assert "9876" not in caught.value.detail


async def test_a_server_that_is_gone_is_unavailable_and_says_when_to_retry(unused_tcp_port: int) -> None:
    with pytest.raises(Unavailable) as caught:
        await Database.connect(f"mongodb://127.0.0.1:{unused_tcp_port}/", "x", SystemClock(), timeout_seconds=0.2)
    assert caught.value.retry_after_seconds
