"""Traces by OpenTelemetry, off unless an endpoint is configured: W3C context in and out, nothing personal in a span.

OpenTelemetry's own provider is the one global of the process; without one every span is empty and costs microseconds.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_W3C = TraceContextTextMapPropagator()
_TRACER = trace.get_tracer("vaanisetu")

Attribute = str | int | float | bool


def start_tracing(endpoint: str | None, part: str, share: float = 1.0) -> Callable[[], None]:
    """Begins to send spans; called once by a root.

    Args:
        endpoint: The collector's OTLP/HTTP traces URL, `http://collector:4318/v1/traces`; None: nothing is traced.
        part: `server` or `worker`.
        share: Of the traces that begin here, how many are kept, 0 to 1; what arrives sampled is.

    Returns:
        What sends the last spans at the end of the process.
    """
    if endpoint is None:
        return lambda: None
    resource = Resource.create({"service.namespace": "vaanisetu", "service.name": f"vaanisetu-{part}"})
    provider = TracerProvider(resource=resource, sampler=ParentBased(TraceIdRatioBased(share)))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=5)))
    trace.set_tracer_provider(provider)
    return provider.shutdown


@contextmanager
def span(
    name: str,
    attributes: Mapping[str, Any],
    kind: SpanKind = SpanKind.INTERNAL,
    parent: Mapping[str, str] | None = None,
) -> Iterator[Span]:
    """Makes a span around a block; an exception marks it with its type only, as messages may hold personal data.

    Args:
        name: Low in variety: `POST /v1/agents/{agent_id}`, `job webhooks.deliver`.
        attributes: Ids, codes, figures: no words, numbers of telephones or addresses.
        kind: Which side of a request it is.
        parent: Headers with a `traceparent` from outside; None: the current span.
    """
    context = _W3C.extract(parent) if parent is not None else None
    with _TRACER.start_as_current_span(
        name, context, kind, attributes, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except Exception as error:
            current.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def begin_span(name: str, attributes: Mapping[str, Any]) -> Span:
    """Returns a span that its holder ends; a child of the current one."""
    return _TRACER.start_span(name, attributes=attributes, record_exception=False, set_status_on_exception=False)


def past_span(
    parent: Span, name: str, began_ns: int, ended_ns: int, attributes: Mapping[str, Any] | None = None
) -> Span:
    """Records what is over, as a child of `parent`; times in nanoseconds since 1970."""
    context = trace.set_span_in_context(parent)
    made = _TRACER.start_span(name, context, attributes=attributes, start_time=began_ns)
    made.end(ended_ns)
    return made


@contextmanager
def within(parent: Span) -> Iterator[None]:
    """Makes `parent` the current span of a block, and of the tasks that it starts; does not end it."""
    with trace.use_span(parent, end_on_exit=False, record_exception=False, set_status_on_exception=False):
        yield


def outgoing() -> dict[str, str]:
    """Returns the headers that carry the current trace to another system; empty outside a trace."""
    headers: dict[str, Any] = {}
    _W3C.inject(headers)
    return headers


__all__ = ["Span", "SpanKind", "begin_span", "outgoing", "past_span", "span", "start_tracing", "within"]
