"""The committed API description is the one that the routes give."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.main import create_app

pytestmark = pytest.mark.unit

_PLAIN = ("boolean", "integer", "number")
COMMITTED = Path(__file__).parents[1] / "docs" / "openapi.json"


def test_the_committed_description_is_current() -> None:
    served = json.loads(json.dumps(create_app(Settings()).openapi()))
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == served, "run `make openapi` and review the difference"


def test_every_operation_is_named_once_and_documents_its_refusals() -> None:
    document = create_app(Settings()).openapi()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    for operation in operations:
        if operation.get("security"):
            assert "401" in operation["responses"], operation["operationId"]


def test_every_body_has_an_example_of_each_field_that_it_must_have() -> None:
    document = create_app(Settings()).openapi()
    schemas = document["components"]["schemas"]

    def resolved(schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            schema = schemas[schema["$ref"].rpartition("/")[2]]
        return schema

    def shown(schema: dict[str, Any]) -> bool:
        whole = {**resolved(schema), **schema}
        return bool({"examples", "example", "enum", "const"} & whole.keys()) or whole.get("type") in _PLAIN

    lacking = []
    for path in document["paths"].values():
        for operation in path.values():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is None or {"example", "examples"} & {*content, *resolved(content["schema"])}:
                continue
            body = resolved(content["schema"])
            lacking += [
                (operation["operationId"], name)
                for name in body.get("required", [])
                if not shown(body["properties"][name])
            ]
    assert lacking == []


def test_schemas_have_plain_names() -> None:
    names = create_app(Settings()).openapi()["components"]["schemas"]
    assert [name for name in names if "__" in name] == [], "two schemas share a name: give one another"
