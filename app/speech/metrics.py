"""What the speech workers measure of themselves, as Prometheus figures; made by the root, fed by ears and mouth."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28)
_BATCHES: Final = (1, 2, 4, 8, 16, 32, 64)
_RECENT_STEPS: Final = 1_000
_RECENT_BEATS: Final = 150


class SpeechMetrics:
    """Figures of all speech workers of a media process, on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def seconds(name: str, text: str) -> Histogram:
            return Histogram(f"vaanisetu_asr_{name}_seconds", text, buckets=_SECONDS, registry=registry)

        self.queue_wait = seconds("queue_wait", "How long a stream with a whole chunk waited for its batch")
        self.step = seconds("step", "One model run over a batch of streams, decoding included")
        self.final = seconds("final", "Making the final transcripts that were asked for together")
        self.batch_size = Histogram(
            "vaanisetu_asr_batch_size", "Streams in one model run", buckets=_BATCHES, registry=registry
        )
        self.restarts = Counter(
            "vaanisetu_speech_worker_restarts", "Speech workers lost and started again", ["role"], registry=registry
        )
        self.listener_faults = Counter(
            "vaanisetu_speech_listener_faults", "Calls that failed on what they heard", registry=registry
        )
        quantile = Gauge(
            "vaanisetu_asr_step_quantile_seconds", "Step duration, recent steps", ["quantile"], registry=registry
        )
        quantile.labels("0.5").set_function(lambda: _quantile(self._steps, 0.5))
        quantile.labels("0.95").set_function(lambda: _quantile(self._steps, 0.95))
        factor = Gauge(
            "vaanisetu_asr_real_time_factor",
            "Seconds of work per second of call audio, recent: capacity in calls per worker is its inverse",
            registry=registry,
        )
        factor.set_function(self._real_time_factor)
        self._steps: deque[float] = deque(maxlen=_RECENT_STEPS)
        self._work: deque[tuple[float, float]] = deque(maxlen=_RECENT_BEATS)

    def take(self, figures: Mapping[str, Any]) -> None:
        """Takes the figures that came with a listening worker's heartbeat."""
        for wait in figures["waits"]:
            self.queue_wait.observe(wait / 1_000)
        for size in figures["batches"]:
            self.batch_size.observe(size)
        for step in figures["steps"]:
            self.step.observe(step / 1_000)
            self._steps.append(step / 1_000)
        for final in figures["finals"]:
            self.final.observe(final / 1_000)
        self._work.append((figures["busy_ms"], figures["audio_ms"]))

    def _real_time_factor(self) -> float:
        audio_ms = sum(audio for _, audio in self._work)
        return sum(busy for busy, _ in self._work) / audio_ms if audio_ms else 0.0


def _quantile(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0
