"""What tools cost and how they fare, for /metrics; tenants are not named."""

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.registry import Collector, CollectorRegistry

from app.integrations.breaker import BreakerState

_OWN = "own"


class ToolMetrics:
    """Counts calls, their time, and breakers that are not closed. Tools that tenants wrote are one label."""

    def __init__(self) -> None:
        self._calls = Counter(
            "vaanisetu_tool_calls_total", "Calls of tenants' systems", ("tool", "outcome"), registry=None
        )
        self._seconds = Histogram(
            "vaanisetu_tool_seconds",
            "What a call of a tenant's system takes, retries included",
            ("tool",),
            buckets=(0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4),
            registry=None,
        )
        self._opened = Counter("vaanisetu_tool_breaker_opened_total", "Breakers that opened", ("tool",), registry=None)
        self._open = Gauge("vaanisetu_tool_breakers_open", "Breakers that are not closed", ("tool",), registry=None)

    def register(self, registry: CollectorRegistry) -> None:
        """Shows the figures in a registry."""
        collectors: tuple[Collector, ...] = (self._calls, self._seconds, self._opened, self._open)
        for collector in collectors:
            registry.register(collector)

    def called(self, tool: str, outcome: str, seconds: float | None = None) -> None:
        """Takes a call: ok, not_found, failed, unsettled, skipped or cached; and how long it took, if it was made."""
        self._calls.labels(tool, outcome).inc()
        if seconds is not None:
            self._seconds.labels(tool).observe(seconds)

    def breaker(self, tool: str, before: BreakerState, after: BreakerState) -> None:
        """Takes a breaker's change."""
        if (before is BreakerState.CLOSED) != (after is BreakerState.CLOSED):
            (self._open.labels(tool).dec if after is BreakerState.CLOSED else self._open.labels(tool).inc)()
        if after is BreakerState.OPEN and before is not BreakerState.OPEN:
            self._opened.labels(tool).inc()

    @staticmethod
    def label(tool: str, *, own: bool) -> str:
        """Returns the label of a tool."""
        return _OWN if own else tool
