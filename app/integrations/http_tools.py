"""The tenant's own systems over HTTP, as the dialogue's tools: bounded, allow-listed, validated, and never raising."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
import orjson
import structlog
from jsonschema import Draft202012Validator

from app.dialogue.turn import ToolResult
from app.kit.clock import Clock

_log = structlog.get_logger(__name__)

ORDER_STATES = ("placed", "packed", "shipped", "out_for_delivery", "delivered", "cancelled", "returned", "delayed")
ORDER_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["order_id", "status"],
    "properties": {
        "order_id": {"type": "string", "minLength": 1, "maxLength": 64},
        "status": {"enum": list(ORDER_STATES)},
        "date": {"type": ["string", "null"], "pattern": r"^\d{4}-\d{2}-\d{2}$"},
        "city": {"type": ["string", "null"], "maxLength": 80},
    },
}
_MAX_BYTES = 65_536
_FAILURES_TO_OPEN = 5
_OPEN_SECONDS = 10.0


class _Refused(Exception):
    """The call was not made or its answer not used; the text is for the log and the result."""


class _Transient(_Refused):
    """The same read may succeed at once."""


@dataclass(slots=True)
class Breaker:
    """Stops calling a system that fails: after five failures in a row, one trial each ten seconds."""

    failures: int = 0
    open_until: float = 0.0

    def allows(self, now: float) -> bool:
        """Returns whether a call may be made; a trial after the pause holds others back until it is decided."""
        if self.failures < _FAILURES_TO_OPEN:
            return True
        if now < self.open_until:
            return False
        self.open_until = now + _OPEN_SECONDS
        return True

    def record(self, ok: bool, now: float) -> None:
        """Takes the outcome of a call."""
        self.failures = 0 if ok else self.failures + 1
        if self.failures >= _FAILURES_TO_OPEN:
            self.open_until = now + _OPEN_SECONDS


@dataclass(frozen=True, slots=True)
class ToolEndpoint:
    """Where one tool is called: a URL with `{order_id}`-like places, and how.

    `origin` is the only scheme, host and port that may be called.
    """

    tool: str
    url: str
    origin: str
    bearer_token: str | None = None
    timeout_seconds: float = 0.2
    schema: Mapping[str, Any] = field(default_factory=lambda: ORDER_SCHEMA)


class HttpTools:
    """Implements `app.dialogue.turn.Tools` for one agent.

    Args:
        client: Shared connections; redirects must be off.
        endpoints: Tool name -> endpoint.
        breakers: Shared over all calls of the tenant, by tool name.
        clock: Monotonic time for the breaker.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        endpoints: Mapping[str, ToolEndpoint],
        breakers: dict[str, Breaker],
        clock: Clock,
    ) -> None:
        self._client = client
        self._endpoints = dict(endpoints)
        self._breakers = breakers
        self._clock = clock

    async def call(self, name: str, arguments: Mapping[str, str]) -> ToolResult:
        """Calls a tool by name; failing systems give `ok=False`, an unknown id gives `found=False`."""
        started = self._clock.monotonic()
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            return ToolResult(ok=False, found=False, error=f"the agent has no tool {name!r}")
        breaker = self._breakers.setdefault(name, Breaker())
        if not breaker.allows(self._clock.monotonic()):
            return ToolResult(
                ok=False, found=False, error="the system failed repeatedly and is left alone for a moment"
            )
        try:
            data = await self._with_retry(endpoint, arguments)
        except _Refused as error:
            breaker.record(False, self._clock.monotonic())
            _log.warning("tool.failed", tool=name, reason=str(error))
            return ToolResult(ok=False, found=False, elapsed_ms=self._since(started), error=str(error))
        breaker.record(True, self._clock.monotonic())
        return ToolResult(ok=True, found=data is not None, data=data or {}, elapsed_ms=self._since(started))

    def _since(self, started: float) -> float:
        return (self._clock.monotonic() - started) * 1000

    async def _with_retry(self, endpoint: ToolEndpoint, arguments: Mapping[str, str]) -> dict[str, Any] | None:
        try:
            return await self._once(endpoint, arguments)
        except _Transient:
            await asyncio.sleep(random.uniform(0.01, 0.05))
            return await self._once(endpoint, arguments)

    async def _once(self, endpoint: ToolEndpoint, arguments: Mapping[str, str]) -> dict[str, Any] | None:
        url = _filled(endpoint, arguments)
        headers = {"Accept": "application/json"}
        if endpoint.bearer_token:
            headers["Authorization"] = f"Bearer {endpoint.bearer_token}"
        try:
            async with (
                asyncio.timeout(endpoint.timeout_seconds),
                self._client.stream("GET", url, headers=headers, follow_redirects=False) as answer,
            ):
                raw = await _bounded(answer)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise _Transient(f"no answer within {endpoint.timeout_seconds * 1000:.0f} ms") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _Transient(f"not reached ({type(error).__name__})") from error
        if answer.status_code == 404:
            return None
        if answer.status_code >= 500:
            raise _Transient(f"answered {answer.status_code}")
        if answer.status_code != 200:
            raise _Refused(f"answered {answer.status_code}")
        return _validated(raw, endpoint.schema)


def _filled(endpoint: ToolEndpoint, arguments: Mapping[str, str]) -> httpx.URL:
    """Puts percent-encoded arguments into the URL, and checks that it stays at the tenant's origin."""
    if any(value in {"", ".", ".."} for value in arguments.values()):
        raise _Refused("an argument is empty or a path step")
    try:
        url = httpx.URL(endpoint.url.format_map({key: quote(value, safe="") for key, value in arguments.items()}))
        allowed = httpx.URL(endpoint.origin)
    except (KeyError, IndexError, ValueError, httpx.InvalidURL) as error:
        raise _Refused(f"the tool's URL lacks a value ({error})") from error
    if (url.scheme, url.host, url.port) != (allowed.scheme, allowed.host, allowed.port) or url.userinfo:
        raise _Refused(f"host {url.host!r} is not the tenant's tool host")
    return url


async def _bounded(answer: httpx.Response) -> bytes:
    raw = bytearray()
    async for chunk in answer.aiter_bytes():
        raw += chunk
        if len(raw) > _MAX_BYTES:
            raise _Refused(f"answered more than {_MAX_BYTES} bytes")
    return bytes(raw)


def _validated(raw: bytes, schema: Mapping[str, Any]) -> dict[str, Any]:
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _Refused("answered no JSON") from error
    problem = next(iter(Draft202012Validator(schema).iter_errors(data)), None)
    if problem is not None:
        raise _Refused(f"answered outside its contract at {problem.json_path}: {problem.validator}")
    result: dict[str, Any] = data
    return result
