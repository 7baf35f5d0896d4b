"""The OpenAPI document says of every operation what the application as a whole may answer, not only its own route."""

from typing import Any

from fastapi import FastAPI

from app.kit.problem import responses

_METHODS = frozenset({"get", "put", "post", "delete", "patch", "head", "options", "trace"})
_OF_FASTAPI = ("HTTPValidationError", "ValidationError")


def describe(app: FastAPI) -> None:
    """Completes the application's document: unreadable bodies, and problem documents for wrong input.

    Args:
        app: With all routes; its `openapi()` is replaced.
    """
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(plain())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    for item in document["paths"].values():
        for method, operation in item.items():
            if method not in _METHODS:
                continue
            known = operation["responses"]
            if "requestBody" in operation:
                known.setdefault("400", _problem(400))
                known.setdefault("413", _problem(413))
            if _is_of_fastapi(known.get("422", {})):
                known["422"] = _problem(422)
    for name in _OF_FASTAPI:
        document["components"]["schemas"].pop(name, None)
    return document


def _problem(status: int) -> dict[str, Any]:
    entry = dict(responses(status)[status])
    entry.pop("model")
    return entry


def _is_of_fastapi(entry: dict[str, Any]) -> bool:
    return any(
        content.get("schema", {}).get("$ref", "").endswith(_OF_FASTAPI[0])
        for content in entry.get("content", {}).values()
    )
