"""The embedded store's operators, apart from the server."""

import sqlite3
from typing import Any

import pytest

from app.kit.embedded_operators import apply_update, to_sql

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("query", [{"a": {"$regex": "x"}}, {"a'": 1}, {"a": b"x"}, {"a": {"b": 1}}, {"a..b": 1}])
def test_what_it_does_not_know_is_an_error_not_a_guess(query: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        to_sql(query)


def test_equality_uses_the_expression_index() -> None:
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE t (_id TEXT, data TEXT)")
    database.execute("CREATE INDEX i ON t(json_extract(data, '$.tenant_id'), json_extract(data, '$.phone'))")
    condition, parameters = to_sql({"tenant_id": "ten_a", "phone": "+91"})
    plan = database.execute(f"EXPLAIN QUERY PLAN SELECT _id FROM t WHERE {condition}", parameters).fetchall()
    assert "USING INDEX i (<expr>=? AND <expr>=?)" in plan[0][3]


@pytest.mark.parametrize(
    "update",
    [
        {"$inc": {"text": 1}},
        {"$inc": {"flag": 1}},
        {"$push": {"text": "x"}},
        {"$set": {"text.deeper": 1}},
        {"$set": {"list.7": 1}},
        {"$rename": {"text": "other"}},
    ],
)
def test_an_update_that_does_not_fit_is_an_error(update: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        apply_update({"text": "x", "flag": True, "list": []}, update, inserting=False)
