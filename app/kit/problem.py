"""Errors as a client sees them: RFC 9457 problem documents, and a Request-Id on every response."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from redis.exceptions import RedisError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import AppError, FieldError, Unavailable
from app.kit.ids import new_id

MEDIA_TYPE = "application/problem+json"
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{8,64}")
_DEFAULT_RETRY_AFTER_SECONDS = 1
_STORE_RETRY_AFTER_SECONDS = 2
_TITLES = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    412: "Precondition failed",
    413: "Payload too large",
    415: "Unsupported media type",
    422: "Unprocessable",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}
_log = structlog.get_logger(__name__)


class ProblemField(BaseModel):
    """One wrong input."""

    pointer: str = Field(description="Where it stands in the request (RFC 6901).", examples=["/body/phone"])
    detail: str = Field(description="What would be right.")


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(examples=["Not found"])
    status: int = Field(examples=[404])
    detail: str
    code: str = Field(description="Stable name of the error; branch on this.", examples=["not_found"])
    request_id: str = Field(description="Quote it when asking for help.", examples=["req_01k4n5c9t2v8x7q6m3b1a0zdef"])
    errors: list[ProblemField] = []


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Returns the OpenAPI entry of the named error statuses, for a route's or router's `responses`."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"model": Problem, "description": _title(status), "content": {MEDIA_TYPE: schema}}
        for status in statuses
    }


def request_id(request: Request) -> str:
    """Returns the id that RequestIdMiddleware gave the request."""
    return str(request.scope.get("state", {}).get("request_id", ""))


class RequestIdMiddleware:
    """Gives each HTTP request an id: the client's `Request-Id` where it is well formed, else a new one.

    The id is in `request.state.request_id`, in the log context and on the response; so are the headers that a guard put
    into `request.state.response_headers`; what it put into `request.state.at_end` is called in the end. An error that
    no handler took leaves as a 500 problem from here, so that it bears the id too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection; web sockets pass untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"request-id"), b"").decode("latin-1")
        identity = given if _REQUEST_ID.fullmatch(given) else new_id("req")
        scope.setdefault("state", {})["request_id"] = identity
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers["Request-Id"] = identity
                headers.update(scope["state"].get("response_headers", {}))
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=identity):
            try:
                await self._app(scope, receive, send_with_id)
            except Exception:
                _log.exception("http.failed", method=scope["method"], path=scope["path"])
                if started:
                    raise
                response = _response(identity, 500, "internal_error", "Something went wrong on our side.")
                await response(scope, receive, send_with_id)
            finally:
                for release in scope["state"].pop("at_end", ()):
                    release()


def install(app: FastAPI) -> None:
    """Adds the error handlers and the request ids to an application; call it after all other middleware."""
    app.add_exception_handler(AppError, _on_app_error)
    app.add_exception_handler(RedisError, _on_redis_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_middleware(RequestIdMiddleware)


async def _on_app_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AppError)
    detail = error.detail
    if error.status >= 500:
        _log.error("http.error", code=error.code, detail=error.detail, exc_info=error)
        if error.status == 500:
            detail = "Something went wrong on our side."
    headers = {}
    if error.status in (429, 503):
        headers["Retry-After"] = str(error.retry_after_seconds or _DEFAULT_RETRY_AFTER_SECONDS)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return _response(request_id(request), error.status, error.code, detail, error.errors, headers)


async def _on_redis_error(request: Request, error: Exception) -> JSONResponse:
    away = Unavailable("live signals and queues do not answer", retry_after_seconds=_STORE_RETRY_AFTER_SECONDS)
    away.__cause__ = error
    return await _on_app_error(request, away)


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    unreadable = any(item["type"] == "json_invalid" for item in error.errors())
    errors = [_unreadable(item) if unreadable else _field_error(item) for item in error.errors()]
    status, code = (400, "bad_request") if unreadable else (422, "unprocessable")
    named = ", ".join(item.pointer for item in errors[:3])
    return _response(request_id(request), status, code, f"The request is not valid: {named}.", errors)


def _field_error(item: Mapping[str, Any]) -> FieldError:
    return FieldError(_pointer(item["loc"]), str(item["msg"]))


def _unreadable(item: Mapping[str, Any]) -> FieldError:
    reason = str(item.get("ctx", {}).get("error", item["msg"]))
    return FieldError("/body", f"is not JSON from character {item['loc'][-1]} on: {reason}")


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    title = _title(error.status_code)
    headers = dict(error.headers or {})
    if error.status_code == 405 and (allowed := _allowed_methods(request)):
        headers = {**{name: value for name, value in headers.items() if name.lower() != "allow"}, "Allow": allowed}
    code = title.lower().replace(" ", "_")
    return _response(request_id(request), error.status_code, code, str(error.detail), headers=headers)


def _allowed_methods(request: Request) -> str:
    """Returns the `Allow` header of a path over all routes that it matches; the framework names those of one route."""
    path, allowed = request.scope["path"], set()
    for template, item in request.app.openapi()["paths"].items():
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path):
            allowed |= {method.upper() for method in item}
    return ", ".join(sorted(allowed))


def _pointer(location: Sequence[Any]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def _title(status: int) -> str:
    return _TITLES.get(status, "Error")


def _response(
    identity: str,
    status: int,
    code: str,
    detail: str,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    problem = Problem(
        title=_title(status),
        status=status,
        detail=detail,
        code=code,
        request_id=identity,
        errors=[ProblemField(pointer=item.pointer, detail=item.detail) for item in errors],
    )
    return JSONResponse(problem.model_dump(), status, headers=dict(headers or {}), media_type=MEDIA_TYPE)
