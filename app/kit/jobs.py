"""Work for later: rooms enqueue by name through `Jobs`, the worker runs their async functions under these names."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import structlog
from celery import Celery
from kombu.exceptions import KombuError

from app.errors import AppError, Unavailable
from app.kit.ids import new_id
from app.kit.job_metrics import JobMetrics
from app.kit.queues import QUEUE, queue_names, queue_of
from app.kit.tracing import SpanKind, outgoing, span

T = TypeVar("T")
JobFunction = Callable[..., Awaitable[Any]]

MAX_DELAY_SECONDS = 3600
_CARRIED = ("traceparent", "tracestate")
MAX_RETRIES = 8
TIME_LIMIT_SECONDS = 120
JOBS_NICENESS = 5
"""How far a worker stands back from calls and requests where they share cores. Source: nice(2)."""
PUBLISH_SECONDS = 5.0
_PUBLISHERS = 4
_BROKER_SECONDS = 3
_VISIBILITY_SECONDS = 2 * MAX_DELAY_SECONDS
_log = structlog.get_logger(__name__)


class Jobs(Protocol):
    """Where rooms leave work."""

    async def enqueue(self, name: str, payload: Mapping[str, Any], *, delay_seconds: float = 0) -> str:
        """Leaves one job.

        Args:
            name: The registered name, `area.verb`.
            payload: Its keyword arguments, as JSON can say them: ids rather than content.
            delay_seconds: Not before; at most an hour, longer waits belong in the store with a sweep.

        Returns:
            The job's id.

        Raises:
            Unavailable: The queue cannot be reached.
        """
        ...


class CeleryJobs:
    """Jobs through Celery, published from threads of their own: a broker that hangs takes nobody else's."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery
        self._threads = ThreadPoolExecutor(_PUBLISHERS, thread_name_prefix="jobs-publish")

    async def enqueue(self, name: str, payload: Mapping[str, Any], *, delay_seconds: float = 0) -> str:
        """See `Jobs.enqueue`."""
        _check_delay(delay_seconds)
        job_id = new_id("job")
        publish = partial(
            self._celery.send_task,
            name,
            kwargs=dict(payload),
            task_id=job_id,
            queue=queue_of(payload),
            headers=outgoing() or None,
            countdown=delay_seconds or None,
            retry_policy={"max_retries": 2, "interval_start": 0.1, "interval_step": 0.2, "interval_max": 0.5},
        )
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                await asyncio.get_running_loop().run_in_executor(self._threads, publish)
        except (KombuError, OSError) as error:
            raise Unavailable("the job queue does not answer", retry_after_seconds=2) from error
        return job_id


@dataclass(frozen=True, slots=True)
class Job:
    """One job left with RecordedJobs."""

    name: str
    payload: dict[str, Any]
    delay_seconds: float = 0


class RecordedJobs:
    """Jobs in memory: tests look at `jobs`, or run them with `drain`."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    async def enqueue(self, name: str, payload: Mapping[str, Any], *, delay_seconds: float = 0) -> str:
        """See `Jobs.enqueue`."""
        _check_delay(delay_seconds)
        self.jobs.append(Job(name, dict(payload), delay_seconds))
        return new_id("job")

    async def drain(self, functions: Mapping[str, JobFunction]) -> int:
        """Runs every job, and those that they leave, in order and without delay; returns how many ran."""
        ran = 0
        while self.jobs:
            job = self.jobs.pop(0)
            await functions[job.name](**job.payload)
            ran += 1
        return ran


def _check_delay(delay_seconds: float) -> None:
    if not 0 <= delay_seconds <= MAX_DELAY_SECONDS:
        raise ValueError(f"delay_seconds is 0 to {MAX_DELAY_SECONDS}; keep longer waits in the store")


def make_celery(broker_url: str) -> Celery:
    """Returns the Celery application: JSON only, acknowledged after the work, no results kept.

    Args:
        broker_url: `redis://`, `redis+socket://` or `amqp://`.
    """
    celery = Celery("vaanisetu", broker=broker_url, set_as_current=False)
    celery.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_default_queue=QUEUE,
        task_queues={name: {} for name in queue_names()},
        task_time_limit=TIME_LIMIT_SECONDS + 30,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "visibility_timeout": _VISIBILITY_SECONDS,
            "socket_connect_timeout": _BROKER_SECONDS,
            "socket_timeout": _BROKER_SECONDS,
        },
        enable_utc=True,
        timezone="UTC",
    )
    return celery


class JobLoop:
    """One event loop in one thread, on which a worker process runs all its async jobs and keeps its connections."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="jobs", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout_seconds: float | None = None) -> T:
        """Runs `work` on the loop and waits for it, from any other thread.

        Raises:
            Unavailable: It took longer than `timeout_seconds` and was cancelled.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_seconds)
        except FutureTimeout as error:
            if future.done():
                raise
            future.cancel()
            raise Unavailable(f"the job took longer than {timeout_seconds} s", code="job_timed_out") from error

    def stop(self) -> None:
        """Cancels what still runs and ends the thread."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
        self._loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def register(
    celery: Celery, loop: JobLoop, functions: Mapping[str, JobFunction], metrics: JobMetrics | None = None
) -> None:
    """Makes async functions runnable by name.

    A retryable AppError is tried again, MAX_RETRIES times at growing distance; any other error ends the job, logged.

    Args:
        celery: From `make_celery`.
        loop: Where the functions run.
        functions: Name to function; the payload's fields are its keyword arguments.
        metrics: Figures of the worker.
    """
    metrics = metrics or JobMetrics()
    for name, function in functions.items():
        celery.task(bind=True, name=name, max_retries=MAX_RETRIES)(_runner(loop, name, function, metrics))


def _backoff_seconds(attempt: int) -> float:
    return float(2 ** (attempt + 1))


def _runner(loop: JobLoop, name: str, function: JobFunction, metrics: JobMetrics) -> Callable[..., None]:
    async def work(job_id: str, payload: dict[str, Any], carried: Mapping[str, str]) -> None:
        ids = {"job_id": job_id, "job": name}
        if isinstance(tenant_id := payload.get("tenant_id"), str):
            ids["tenant_id"] = tenant_id
        with structlog.contextvars.bound_contextvars(**ids), metrics.timed(name):
            attributes = {f"vaanisetu.{key}": value for key, value in ids.items()}
            with span(f"job {name}", attributes, SpanKind.CONSUMER, carried):
                await function(**payload)

    def run(task: Any, **payload: Any) -> None:
        carried = {key: str(value) for key, value in (task.request.headers or {}).items() if key in _CARRIED}
        try:
            loop.run(work(task.request.id or "", payload, carried), TIME_LIMIT_SECONDS)
            metrics.ended(name, "done")
        except AppError as error:
            attempt = task.request.retries
            if not error.retryable or attempt >= MAX_RETRIES:
                metrics.ended(name, "failed")
                _log.error("job.failed", job=name, code=error.code, detail=error.detail, attempt=attempt)
                return
            metrics.ended(name, "tried_again")
            wait = error.retry_after_seconds or 0
            raise task.retry(
                exc=error, countdown=min(MAX_DELAY_SECONDS, max(wait, _backoff_seconds(attempt))), headers=carried
            ) from error
        except Exception:
            metrics.ended(name, "crashed")
            _log.exception("job.crashed", job=name)

    return run
