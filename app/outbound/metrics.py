"""What the gate refuses and what becomes of dials, for /metrics; tenants and numbers are not named."""

from prometheus_client import Counter
from prometheus_client.registry import CollectorRegistry


class OutboundMetrics:
    """Counts refusals by reason and stage, and attempts by outcome."""

    def __init__(self) -> None:
        self.refusals = Counter(
            "vaanisetu_outbound_refusals_total",
            "Reasons for which the calling gate refused a call",
            ("code", "stage"),
            registry=None,
        )
        self.attempts = Counter(
            "vaanisetu_outbound_attempts_total", "Outbound calls by what became of them", ("outcome",), registry=None
        )

    def register(self, registry: CollectorRegistry) -> None:
        """Shows the figures in a registry."""
        registry.register(self.refusals)
        registry.register(self.attempts)
