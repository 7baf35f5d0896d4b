"""What the carrier's edge counts; made once by the root and given to the stream endpoint and the webhooks."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class TelephonyMetrics:
    """Counters of the edge, on one registry; every label comes from a small fixed set."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.streams = Gauge("vaanisetu_streams_open", "Media sockets with a call on them", registry=registry)
        self.violations = Counter(
            "vaanisetu_stream_violations", "Frames that the carrier would not send", ["kind"], registry=registry
        )
        self.refusals = Counter(
            "vaanisetu_stream_refusals", "Media sockets that were turned away", ["reason"], registry=registry
        )
        self.disconnections = Counter(
            "vaanisetu_stream_disconnections", "Media sockets that ended", ["reason"], registry=registry
        )
        self.carrier_faults = Counter(
            "vaanisetu_carrier_faults", "Errors that the carrier reported on a media socket", registry=registry
        )
        self.webhooks = Counter(
            "vaanisetu_carrier_webhooks", "Webhooks of the carrier", ["kind", "outcome"], registry=registry
        )
