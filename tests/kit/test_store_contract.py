"""Every query form that the service relies on, against each server in TEST_MONGODB_URLS (default: the embedded one)."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from app.errors import Conflict
from app.kit.clock import SystemClock
from app.kit.mongo import Collection, Database, IndexSpec
from tests.conftest import database_name

pytestmark = pytest.mark.integration

NOW = datetime(2026, 3, 1, 9, 30, 15, 123000, tzinfo=UTC)
URLS = [url.strip() for url in os.environ.get("TEST_MONGODB_URLS", "embedded").split(",") if url.strip()]


@pytest.fixture(params=URLS)
def store_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("embedded").mongodb_url if request.param == "embedded" else request.param)


@pytest_asyncio.fixture
async def store(store_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(store_url, database_name(), SystemClock())
    try:
        yield database
    finally:
        await database.drop()
        database.close()


@pytest_asyncio.fixture
async def things(store: Database) -> Collection:
    things = store.tenant("ten_a").collection("things")
    await things.insert_many(
        [
            {"_id": "th_1", "n": 1, "name": "one", "on": True, "at": NOW, "who": {"lang": "hi-IN", "no": 7}},
            {"_id": "th_2", "n": 2, "name": "two", "on": False, "at": NOW + timedelta(hours=1), "gone": None},
            {"_id": "th_3", "n": 3, "name": "तीन'\"$", "on": True, "at": NOW + timedelta(hours=2), "gone": "x"},
            {"_id": "th_4", "n": 4.5, "name": "four", "labels": ["new", "late"]},
        ]
    )
    return things


def ids(documents: list[dict[str, Any]]) -> list[str]:
    return [document["_id"] for document in documents]


async def test_every_type_comes_back_as_it_was(things: Collection) -> None:
    document = {
        "_id": "th_9",
        "text": "नमस्ते 'q' \"d\" $x {y}",
        "whole": 2**53,
        "real": 0.1,
        "true": True,
        "none": None,
        "at": NOW,
        "raw": b"\x00\x01\xff",
        "list": [1, "a", False, None, NOW, {"deep": [b"\x02"]}],
        "nested": {"a": {"b": {"ok": False, "at": NOW}}},
        "empty": {},
        "none_in": [],
    }
    await things.insert_one(document)
    assert await things.find_one({"_id": "th_9"}) == {**document, "tenant_id": "ten_a"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"_id": "th_1"}, ["th_1"]),
        ({"name": "two"}, ["th_2"]),
        ({"name": "तीन'\"$"}, ["th_3"]),
        ({"n": 4.5}, ["th_4"]),
        ({"on": True}, ["th_1", "th_3"]),
        ({"on": False}, ["th_2"]),
        ({"at": NOW}, ["th_1"]),
        ({"who.lang": "hi-IN"}, ["th_1"]),
        ({"who.no": {"$gte": 7}}, ["th_1"]),
        ({"gone": None}, ["th_1", "th_2", "th_4"]),
        ({"gone": {"$ne": None}}, ["th_3"]),
        ({"name": {"$eq": "two"}}, ["th_2"]),
        ({"name": {"$ne": "two"}}, ["th_1", "th_3", "th_4"]),
        ({"gone": {"$ne": "x"}}, ["th_1", "th_2", "th_4"]),
        ({"gone": {"$exists": True}}, ["th_2", "th_3"]),
        ({"gone": {"$exists": False}}, ["th_1", "th_4"]),
        ({"who.lang": {"$exists": True}, "on": True}, ["th_1"]),
        ({"name": {"$in": ["four", None]}}, ["th_4"]),
        ({"gone": {"$in": ["x", None]}}, ["th_1", "th_2", "th_3", "th_4"]),
        ({"gone": {"$nin": ["x"]}}, ["th_1", "th_2", "th_4"]),
        ({"gone": {"$nin": ["x", None]}}, []),
        ({"name": {"$nin": []}, "n": 1}, ["th_1"]),
        ({"n": {"$gt": 2}}, ["th_3", "th_4"]),
        ({"n": {"$gte": 2, "$lt": 4}}, ["th_2", "th_3"]),
        ({"name": {"$lte": "one"}}, ["th_1", "th_4"]),
        ({"at": {"$gt": NOW}}, ["th_2", "th_3"]),
        ({"at": {"$gte": NOW, "$lte": NOW + timedelta(hours=1)}}, ["th_1", "th_2"]),
        ({"at": {"$lt": NOW + timedelta(milliseconds=1)}, "on": True}, ["th_1"]),
        ({"n": {"$in": [1, 3, 99]}}, ["th_1", "th_3"]),
        ({"name": {"$in": []}}, []),
        ({"name": {"$nin": ["one", "two"]}}, ["th_3", "th_4"]),
        ({"_id": {"$in": ["th_4", "th_1", "th_x"]}}, ["th_1", "th_4"]),
        ({"_id": {"$gt": "th_2"}}, ["th_3", "th_4"]),
        ({"_id": {"$gte": "th_2", "$lt": "th_4"}}, ["th_2", "th_3"]),
        ({"_id": {"$ne": "th_1"}, "n": {"$lt": 3}}, ["th_2"]),
        ({"$or": [{"n": 1}, {"name": "four"}]}, ["th_1", "th_4"]),
        ({"$or": [{"n": {"$lt": 2}}, {"gone": "x"}], "on": True}, ["th_1", "th_3"]),
        ({"$and": [{"n": {"$gt": 1}}, {"n": {"$lt": 3}}]}, ["th_2"]),
    ],
)
async def test_filters(things: Collection, query: dict[str, Any], expected: list[str]) -> None:
    assert ids(await things.find(query)) == expected
    assert await things.count(query) == len(expected)
    assert (await things.find_one(query) or {}).get("_id") in (expected or [None])
    assert await things.update_many(query, {"$set": {"touched": True}}) == len(expected)
    assert ids(await things.find({"touched": True})) == expected
    assert await things.update_one(query, {"$inc": {"touches": 1}}) is bool(expected)
    taken = await things.find_one_and_update(query, {"$set": {"taken": True}}, sort=[("_id", -1)])
    assert (taken["_id"] if taken else None) == (expected[-1] if expected else None)
    assert await things.delete_many(query) == len(expected)
    assert await things.count({}) == 4 - len(expected)


async def test_a_collection_that_does_not_exist_yet_is_empty(store: Database) -> None:
    nothing = store.tenant("ten_a").collection("later")
    assert await nothing.find({"n": 1}) == []
    assert await nothing.find_one({"_id": "x"}) is None
    assert await nothing.count({}) == 0
    assert await nothing.update_one({"_id": "x"}, {"$set": {"n": 1}}) is False
    assert await nothing.find_one_and_update({"_id": "x"}, {"$set": {"n": 1}}) is None
    assert await nothing.delete_one({"_id": "x"}) is False
    assert await nothing.delete_many({}) == 0
    assert await nothing.update_one({"_id": "x"}, {"$set": {"n": 1}}, upsert=True) is False
    assert await nothing.count({}) == 1


async def test_a_filter_does_not_reach_beyond_an_index(store: Database, things: Collection) -> None:
    await store.ensure_indexes([IndexSpec("things", (("tenant_id", 1), ("name", 1), ("at", -1)))])
    assert ids(await things.find({"name": "two"})) == ["th_2"]
    assert ids(await things.find({"name": {"$in": ["two", "four"]}, "at": {"$gt": NOW}})) == ["th_2"]
    assert ids(await things.find({"at": {"$gt": NOW}}, sort=[("at", -1)])) == ["th_3", "th_2"]


async def test_sort_limit_and_projection(things: Collection) -> None:
    assert ids(await things.find({}, sort=[("n", -1)], limit=2)) == ["th_4", "th_3"]
    assert ids(await things.find({"on": {"$in": [True, False]}}, sort=[("on", 1), ("at", -1)])) == [
        "th_2",
        "th_3",
        "th_1",
    ]
    assert ids(await things.find({"at": {"$gte": NOW}}, sort=[("at", -1)], limit=1)) == ["th_3"]
    assert ids(await things.find({"who.no": 7}, sort=[("who.no", 1)])) == ["th_1"]
    assert await things.find({"_id": "th_1"}, projection=["n", "who"]) == [
        {"_id": "th_1", "n": 1, "who": {"lang": "hi-IN", "no": 7}}
    ]
    assert await things.find_one({"_id": "th_1"}, projection=[]) == {"_id": "th_1"}


async def test_many_documents_come_in_one_answer(things: Collection) -> None:
    await things.insert_many([{"_id": f"many_{n:04}", "kind": "many"} for n in range(450)])
    assert len(await things.find({"kind": "many"})) == 450
    assert len(await things.find({"kind": "many"}, limit=333)) == 333
    assert await things.delete_many({"kind": "many", "_id": {"$lt": "many_0100"}}) == 100
    assert await things.count({"kind": "many"}) == 350


@pytest.mark.parametrize(
    ("update", "expected"),
    [
        ({"$set": {"n": 5, "on": False, "at": NOW, "gone": None}}, {"n": 5, "on": False, "at": NOW, "gone": None}),
        (
            {"$set": {"fresh": True, "raw": b"\xfe", "list": [True, NOW]}},
            {"fresh": True, "raw": b"\xfe", "list": [True, NOW]},
        ),
        ({"$set": {"who.lang": "ta-IN"}}, {"who": {"lang": "ta-IN", "no": 7}}),
        ({"$set": {"a.b.c": NOW, "a.b.d": True}}, {"a": {"b": {"c": NOW, "d": True}}}),
        ({"$set": {"by.hi-IN": {"x": 1}}}, {"by": {"hi-IN": {"x": 1}}}),
        ({"$unset": {"name": "", "who.no": ""}}, {"name": None, "who": {"lang": "hi-IN"}}),
        ({"$inc": {"n": 2, "fresh": 1, "who.no": -3}}, {"n": 3, "fresh": 1, "who": {"lang": "hi-IN", "no": 4}}),
        ({"$push": {"log": {"at": NOW, "ok": True}}}, {"log": [{"at": NOW, "ok": True}]}),
        ({"$push": {"log": {"$each": [{"ok": True}, {"ok": None}]}}}, {"log": [{"ok": True}, {"ok": None}]}),
        ({"$push": {"who.said": "haan"}}, {"who": {"lang": "hi-IN", "no": 7, "said": ["haan"]}}),
        (
            {"$set": {"name": "uno"}, "$inc": {"version": 1}, "$push": {"log": "x"}, "$unset": {"on": ""}},
            {"name": "uno", "version": 1, "log": ["x"], "on": None},
        ),
    ],
)
@pytest.mark.parametrize("form", ["update_one", "update_many", "find_one_and_update"])
async def test_updates(things: Collection, form: str, update: dict[str, Any], expected: dict[str, Any]) -> None:
    change: Callable[..., Any] = getattr(things, form)
    returned = await change({"_id": "th_1"}, update)
    stored = await things.find_one({"_id": "th_1"})
    assert stored is not None
    assert {field: stored.get(field) for field in expected} == expected
    for operator in update.get("$unset", {}):
        assert operator not in stored
    if form == "find_one_and_update":
        assert returned == stored
    booleans = {field: value for field, value in expected.items() if isinstance(value, bool)}
    assert all(stored[field] is value for field, value in booleans.items())


async def test_appending_keeps_what_was_there(things: Collection) -> None:
    for n in range(3):
        await things.update_one({"_id": "th_1"}, {"$push": {"log": {"n": n, "at": NOW, "ok": n == 1}}})
    await things.update_one({"_id": "th_1"}, {"$set": {"log.1.ok": False}})
    stored = await things.find_one({"_id": "th_1"})
    assert stored is not None
    assert stored["log"] == [{"n": n, "at": NOW, "ok": False} for n in range(3)]


async def test_updates_say_whether_something_matched(things: Collection) -> None:
    assert await things.update_one({"_id": "th_1"}, {"$set": {"n": 1}}) is True
    assert await things.update_one({"_id": "nobody"}, {"$set": {"n": 1}}) is False
    assert await things.update_many({"on": True}, {"$set": {"seen": True}}) == 2
    assert await things.count({"seen": True}) == 2
    assert await things.delete_one({"_id": "th_1"}) is True
    assert await things.delete_one({"_id": "th_1"}) is False
    assert await things.find_one_and_update({"_id": "th_1"}, {"$set": {"n": 1}}) is None


async def test_upsert_sets_on_insert_only_once(things: Collection) -> None:
    update = {"$set": {"seen": True}, "$inc": {"visits": 1}, "$setOnInsert": {"created_at": NOW, "fresh": False}}
    assert await things.update_one({"_id": "th_7"}, update, upsert=True) is False
    update["$setOnInsert"] = {"created_at": NOW + timedelta(days=1)}
    assert await things.update_one({"_id": "th_7"}, update, upsert=True) is True
    assert await things.find_one({"_id": "th_7"}) == {
        "_id": "th_7",
        "tenant_id": "ten_a",
        "seen": True,
        "visits": 2,
        "created_at": NOW,
        "fresh": False,
    }


async def test_upsert_by_another_field_takes_its_id_from_set_on_insert(things: Collection) -> None:
    update = {"$set": {"n": 8}, "$setOnInsert": {"_id": "th_8"}}
    await things.update_one({"name": "eight"}, update, upsert=True)
    stored = await things.find_one({"name": "eight"})
    assert stored == {"_id": "th_8", "tenant_id": "ten_a", "name": "eight", "n": 8}


async def test_replace(things: Collection) -> None:
    assert await things.replace_one({"_id": "th_1"}, {"_id": "th_1", "only": True, "at": NOW}) is True
    assert await things.find_one({"_id": "th_1"}) == {"_id": "th_1", "tenant_id": "ten_a", "only": True, "at": NOW}
    assert await things.replace_one({"_id": "th_5"}, {"_id": "th_5"}) is False
    assert await things.replace_one({"_id": "th_5"}, {"_id": "th_5", "n": 5}, upsert=True) is False
    assert await things.count({"_id": "th_5", "n": 5}) == 1


async def test_unique_indexes_hold_within_a_tenant(store: Database, things: Collection) -> None:
    unique = IndexSpec("things", (("tenant_id", 1), ("name", 1), ("n", 1)), unique=True)
    await store.ensure_indexes([unique])
    await store.ensure_indexes([unique])
    await things.insert_one({"_id": "th_5", "name": "one", "n": 2})
    await store.tenant("ten_b").collection("things").insert_one({"_id": "th_6", "name": "one", "n": 1})
    with pytest.raises(Conflict, match="unique fields"):
        await things.insert_one({"_id": "th_7", "name": "one", "n": 1})
    with pytest.raises(Conflict):
        await things.insert_many([{"_id": "th_8", "name": "eight", "n": 8}, {"_id": "th_9", "name": "one", "n": 1}])
    with pytest.raises(Conflict):
        await things.update_one({"_id": "th_2"}, {"$set": {"name": "one", "n": 1}})
    with pytest.raises(Conflict):
        await things.replace_one({"_id": "th_2"}, {"_id": "th_2", "name": "one", "n": 1})
    assert await things.count({"name": "one", "n": 1}) == 1
    assert await things.count({"_id": {"$in": ["th_7", "th_8", "th_9"]}}) == 1


async def test_a_unique_optional_field_may_be_missing_or_null_in_many(store: Database) -> None:
    await store.ensure_indexes(
        [IndexSpec("links", (("tenant_id", 1), ("carrier_id", 1)), unique=True, if_string="carrier_id")]
    )
    links = store.tenant("ten_a").collection("links")
    await links.insert_many([{"_id": "l_1"}, {"_id": "l_2"}, {"_id": "l_3", "carrier_id": None}])
    await links.insert_one({"_id": "l_4", "carrier_id": None})
    await links.insert_one({"_id": "l_5", "carrier_id": "abc"})
    with pytest.raises(Conflict):
        await links.insert_one({"_id": "l_6", "carrier_id": "abc"})


async def test_compare_and_set_lets_one_writer_win(things: Collection) -> None:
    await things.update_one({"_id": "th_1"}, {"$set": {"version": 1}})
    claim = {"$set": {"claimed": True}, "$inc": {"version": 1}}
    won = await asyncio.gather(*(things.find_one_and_update({"_id": "th_1", "version": 1}, claim) for _ in range(8)))
    assert [document["version"] for document in won if document] == [2]


async def test_find_one_and_update_takes_the_first_in_order(things: Collection) -> None:
    taken = await things.find_one_and_update({"on": True}, {"$set": {"on": False}}, sort=[("at", -1)])
    assert taken is not None
    assert taken["_id"] == "th_3"


async def test_concurrent_increments_and_appends_are_not_lost(things: Collection) -> None:
    update = {"$inc": {"n": 1}, "$push": {"log": "x"}}
    await asyncio.gather(*(things.update_one({"_id": "th_1"}, update) for _ in range(30)))
    stored = await things.find_one({"_id": "th_1"})
    assert stored is not None
    assert (stored["n"], len(stored["log"])) == (31, 30)


@pytest.mark.parametrize(
    "query",
    [
        {"name": {"$regex": "^o"}},
        {"$where": "true"},
        {"labels": {"$elemMatch": {"$eq": "new"}}},
        {"who": {"lang": "hi-IN"}},
        {"raw": b"x"},
        {"a') OR 1=1 --": 1},
        {"id": "th_1"},
    ],
)
async def test_forms_outside_the_subset_are_refused_before_they_leave(
    things: Collection, query: dict[str, Any]
) -> None:
    with pytest.raises(ValueError):
        await things.find(query)


@pytest.mark.parametrize(
    "update",
    [
        {},
        {"n": 1},
        {"$max": {"n": 1}},
        {"$push": {"l": {"$each": [1], "$slice": -1}}},
        {"$set": {"_id": "x"}},
        {"$set": {"n": 1}, "$inc": {"n": 1}},
        {"$set": {"a b": 1}},
    ],
)
async def test_updates_outside_the_subset_are_refused(things: Collection, update: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        await things.update_one({"_id": "th_1"}, update)
