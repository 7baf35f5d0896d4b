"""The committed API description is the one that the routes give."""

import json
from pathlib import Path

import pytest

from app.config import Settings
from app.main import create_app

pytestmark = pytest.mark.unit

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
