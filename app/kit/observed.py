"""Watches every HTTP request: figures by route for /metrics, and a span that joins the client's trace."""

import time

from prometheus_client import Counter, Histogram
from prometheus_client.registry import CollectorRegistry
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.kit.tracing import SpanKind, span

_QUIET = frozenset({"/metrics", "/healthz", "/readyz"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_KNOWN_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class HttpMetrics:
    """Requests by route template, never by path: labels stay few."""

    def __init__(self) -> None:
        self.requests = Counter(
            "vaanisetu_http_requests_total", "Requests answered", ("method", "route", "status"), registry=None
        )
        self.seconds = Histogram(
            "vaanisetu_http_request_seconds",
            "From the request to the begin of its answer",
            ("method", "route"),
            buckets=_SECONDS,
            registry=None,
        )

    def register(self, registry: CollectorRegistry) -> None:
        """Shows the figures in a registry."""
        registry.register(self.requests)
        registry.register(self.seconds)


class ObservedMiddleware:
    """Counts and traces each HTTP request; web sockets pass untouched."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "http" or scope["path"] in _QUIET:
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in _KNOWN_METHODS else "other"
        began, answered, status = time.perf_counter(), 0.0, 500

        async def noted(message: Message) -> None:
            nonlocal answered, status
            if message["type"] == "http.response.start":
                answered, status = time.perf_counter(), message["status"]
            await send(message)

        carried = {name: value for name, value in _context(scope).items() if value}
        with span(method, {"http.request.method": method}, SpanKind.SERVER, carried) as current:
            try:
                await self._app(scope, receive, noted)
            finally:
                route = route_of(scope)
                self._metrics.requests.labels(method, route, str(status)).inc()
                self._metrics.seconds.labels(method, route).observe((answered or time.perf_counter()) - began)
                if current.is_recording():
                    state = scope.get("state", {})
                    current.update_name(f"{method} {route}")
                    current.set_attribute("http.route", route)
                    current.set_attribute("http.response.status_code", status)
                    current.set_attribute("vaanisetu.request_id", state.get("request_id", ""))
                    current.set_attribute("vaanisetu.tenant_id", state.get("tenant_id", ""))


def route_of(scope: Scope) -> str:
    """Returns the route's template, made from the path and what stood in it; `unmatched` where no route was found."""
    if "endpoint" not in scope:
        return "unmatched"
    parts = scope["path"].split("/")
    for name, value in scope.get("path_params", {}).items():
        if str(value) in parts:
            parts[parts.index(str(value))] = "{" + name + "}"
    return "/".join(parts)


def _context(scope: Scope) -> dict[str, str]:
    wanted = (b"traceparent", b"tracestate")
    return {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in wanted}
