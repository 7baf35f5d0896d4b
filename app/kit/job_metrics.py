"""What jobs cost and how they end, for the worker's /metrics."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.registry import Collector, CollectorRegistry

_SECONDS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 120.0)


class JobMetrics:
    """Figures of one worker process, by the job's name."""

    def __init__(self) -> None:
        self._jobs = Counter("vaanisetu_jobs_total", "Runs of jobs", ("job", "outcome"), registry=None)
        self._seconds = Histogram("vaanisetu_job_seconds", "One run", ("job",), buckets=_SECONDS, registry=None)
        self._running = Gauge("vaanisetu_jobs_running", "Jobs at work", registry=None)

    def register(self, registry: CollectorRegistry) -> None:
        """Shows the figures in a registry."""
        collectors: tuple[Collector, ...] = (self._jobs, self._seconds, self._running)
        for collector in collectors:
            registry.register(collector)

    @contextmanager
    def timed(self, job: str) -> Iterator[None]:
        """Measures one run."""
        began = time.perf_counter()
        self._running.inc()
        try:
            yield
        finally:
            self._running.dec()
            self._seconds.labels(job).observe(time.perf_counter() - began)

    def ended(self, job: str, outcome: str) -> None:
        """Takes how a run ended: done, tried_again, failed or crashed."""
        self._jobs.labels(job, outcome).inc()
