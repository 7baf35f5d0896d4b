"""One call of a tenant's system over HTTP: at its own origin, in time, tried again, validated, and never raising."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from string import Formatter
from typing import Any, Final
from urllib.parse import quote

import httpx
import orjson
import structlog

from app.errors import ToolError
from app.integrations.breaker import Breaker
from app.integrations.metrics import ToolMetrics
from app.integrations.tool_contracts import ToolContract
from app.kit.clock import Clock
from app.kit.outbound import AddressRefused
from app.kit.tracing import SpanKind, outgoing, span

MOST_BYTES: Final = 65_536
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
_FIRST_PAUSE_SECONDS: Final = 0.05
_MOST_BREAKERS: Final = 20_000
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one tool is called, and how.

    Attributes:
        contract: What goes in and comes out.
        url: With `{argument}` places.
        origin: The only scheme, host and port that may be called.
        method: HTTP method.
        bearer_token: For `Authorization`.
        headers: Further headers.
        limit_seconds: For all tries together.
        retries: After the first try.
        cache_seconds: How long a read may be kept.
        restricted: A person must approve.
    """

    contract: ToolContract
    url: str
    origin: str
    method: str
    bearer_token: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    limit_seconds: float = 4.0
    retries: int = 2
    cache_seconds: int = 0
    restricted: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call.

    Attributes:
        data: The answer, None if there is none.
        error: Why there is none; None: it was answered, perhaps by "there is no such thing".
        certain: False: a write may have been done although it was not answered.
        attempts: How often it was sent.
        elapsed_ms: In all.
    """

    data: Mapping[str, Any] | None = None
    error: str | None = None
    certain: bool = True
    attempts: int = 0
    elapsed_ms: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the system answered within its contract."""
        return self.error is None


class _Refused(Exception):
    """The call was not made, or its answer is not used. `sent`: the system may have acted on it."""

    def __init__(self, reason: str, *, sent: bool = False) -> None:
        super().__init__(reason)
        self.sent = sent


class _Transient(_Refused):
    """The same call may succeed at once."""


class HttpCalls:
    """Calls systems for all tenants of a process.

    Args:
        client: Shared connections; redirects are off.
        clock: Monotonic time for breakers and figures.
        metrics: Figures.
    """

    def __init__(self, client: httpx.AsyncClient, clock: Clock, metrics: ToolMetrics) -> None:
        self._client = client
        self._clock = clock
        self._metrics = metrics
        self._breakers: dict[tuple[str, str], Breaker] = {}

    def breaker(self, tenant_id: str, tool: str) -> Breaker:
        """Returns the breaker of a tenant's tool."""
        if len(self._breakers) >= _MOST_BREAKERS and (tenant_id, tool) not in self._breakers:
            self._breakers.pop(next(iter(self._breakers)))
        return self._breakers.setdefault((tenant_id, tool), Breaker())

    async def send(
        self, tenant_id: str, endpoint: Endpoint, arguments: Mapping[str, Any], key: str | None = None
    ) -> Outcome:
        """Calls a system, again if that may help; never raises for a failing one.

        Args:
            tenant_id: Whose system.
            endpoint: Where.
            arguments: As the contract types them.
            key: The `Idempotency-Key` of a write, the same on every try.
        """
        tool = endpoint.contract.name
        label = self._metrics.label(tool, own=endpoint.contract.own)
        started = self._clock.monotonic()
        breaker = self.breaker(tenant_id, tool)
        before = breaker.state(started)
        if not breaker.allows(started):
            self._metrics.called(label, "skipped")
            return Outcome(error="the system failed repeatedly and is left alone for a moment")
        ids: dict[str, str | bool] = {"vaanisetu.tenant_id": tenant_id, "tool": label, "write": endpoint.contract.write}
        with span("tool request", ids, SpanKind.CLIENT) as current:
            outcome = await self._tried(endpoint, arguments, key)
            current.set_attribute("ok", outcome.ok)
            current.set_attribute("attempts", outcome.attempts)
        now = self._clock.monotonic()
        breaker.record(outcome.ok, now)
        self._metrics.breaker(label, before, breaker.state(now))
        named = "ok" if outcome.data is not None else "not_found" if outcome.ok else "failed"
        self._metrics.called(label, named if outcome.certain else "unsettled", now - started)
        if not outcome.ok:
            _log.warning("tool.failed", tool=tool, reason=outcome.error, attempts=outcome.attempts)
        return Outcome(outcome.data, outcome.error, outcome.certain, outcome.attempts, (now - started) * 1_000)

    async def _tried(self, endpoint: Endpoint, arguments: Mapping[str, Any], key: str | None) -> Outcome:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + endpoint.limit_seconds
        certain, attempts = True, 0
        while True:
            attempts += 1
            try:
                data = await self._once(endpoint, arguments, key, deadline)
                return Outcome(data, None, True, attempts)
            except _Refused as error:
                certain = certain and not (error.sent and endpoint.contract.write)
                reason = str(error)
                pause = _FIRST_PAUSE_SECONDS * 2 ** (attempts - 1) * random.uniform(0.5, 1.5)
                hopeless = not isinstance(error, _Transient) or attempts > endpoint.retries
                if hopeless or loop.time() + pause >= deadline:
                    return Outcome(None, reason, certain, attempts)
            await asyncio.sleep(pause)

    async def _once(
        self, endpoint: Endpoint, arguments: Mapping[str, Any], key: str | None, deadline: float
    ) -> dict[str, Any] | None:
        request = _request(self._client, endpoint, arguments, key)
        async with _failures(endpoint), asyncio.timeout_at(deadline):
            answer = await self._client.send(request, stream=True, follow_redirects=False)
            try:
                raw = await _bounded(answer)
            finally:
                await answer.aclose()
        return _read(endpoint, answer, raw)


@asynccontextmanager
async def _failures(endpoint: Endpoint) -> AsyncIterator[None]:
    try:
        yield
    except AddressRefused as error:
        raise _Refused(str(error)) from error
    except (httpx.ConnectTimeout, httpx.ConnectError, httpx.PoolTimeout) as error:
        raise _Transient(f"not reached ({type(error).__name__})") from error
    except (TimeoutError, httpx.TimeoutException) as error:
        raise _Transient(f"no answer within {endpoint.limit_seconds * 1_000:.0f} ms", sent=True) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _Transient(f"broke off ({type(error).__name__})", sent=True) from error


def _read(endpoint: Endpoint, answer: httpx.Response, raw: bytes) -> dict[str, Any] | None:
    status = answer.status_code
    if status == 404:
        return None
    if status in (200, 201, 202):
        return _validated(endpoint, answer, raw, sent=True)
    if status == 409 and endpoint.contract.write:
        try:
            return _validated(endpoint, answer, raw, sent=True)
        except _Refused as error:
            raise _Transient("answered 409", sent=True) from error
    if status >= 500 or status in (408, 425):
        raise _Transient(f"answered {status}", sent=True)
    if status == 429:
        raise _Transient("answered 429")
    raise _Refused(f"answered {status}")


def _validated(endpoint: Endpoint, answer: httpx.Response, raw: bytes, *, sent: bool) -> dict[str, Any]:
    kind = answer.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if not (kind == "application/json" or kind.endswith("+json")):
        raise _Refused(f"answered {kind[:60]}, not JSON", sent=sent)
    try:
        return endpoint.contract.answer(orjson.loads(raw))
    except orjson.JSONDecodeError as error:
        raise _Refused("answered no JSON", sent=sent) from error
    except ToolError as error:
        raise _Refused(error.detail, sent=sent) from error
    except RecursionError as error:
        raise _Refused("answered JSON that is nested too deep", sent=sent) from error


async def _bounded(answer: httpx.Response) -> bytes:
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        raise _Refused("answered compressed, though it was asked not to", sent=True)
    raw = bytearray()
    async for part in answer.aiter_raw():
        raw += part
        if len(raw) > MOST_BYTES:
            raise _Refused(f"answered more than {MOST_BYTES} bytes", sent=True)
    return bytes(raw)


def _request(
    client: httpx.AsyncClient, endpoint: Endpoint, arguments: Mapping[str, Any], key: str | None
) -> httpx.Request:
    placed = {name for _, name, _, _ in Formatter().parse(endpoint.url) if name is not None}
    rest = {name: value for name, value in arguments.items() if name not in placed}
    url = _filled(endpoint, {name: arguments[name] for name in placed if name in arguments})
    headers = {**endpoint.headers, **outgoing(), "Accept": "application/json", "Accept-Encoding": "identity"}
    if endpoint.bearer_token:
        headers["Authorization"] = f"Bearer {endpoint.bearer_token}"
    if key is not None:
        headers[IDEMPOTENCY_KEY] = key
    if endpoint.method in ("GET", "DELETE"):
        return client.build_request(endpoint.method, url.copy_merge_params(rest), headers=headers)
    headers["Content-Type"] = "application/json"
    return client.build_request(endpoint.method, url, headers=headers, content=orjson.dumps(rest))


def _filled(endpoint: Endpoint, arguments: Mapping[str, Any]) -> httpx.URL:
    """Puts percent-encoded arguments into the URL, and checks that it stays at the tenant's origin."""
    values = {name: str(value) for name, value in arguments.items()}
    if any(value in {"", ".", ".."} for value in values.values()):
        raise _Refused("an argument is empty or a path step")
    try:
        url = httpx.URL(endpoint.url.format_map({name: quote(value, safe="") for name, value in values.items()}))
        allowed = httpx.URL(endpoint.origin)
    except (KeyError, IndexError, ValueError, httpx.InvalidURL) as error:
        raise _Refused(f"the tool's URL lacks a value ({error})") from error
    if (url.scheme, url.host, url.port) != (allowed.scheme, allowed.host, allowed.port) or url.userinfo:
        raise _Refused(f"host {url.host!r} is not the tenant's tool host")
    return url
