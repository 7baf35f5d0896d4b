"""The root of background work: a Celery worker whose jobs are async functions on one loop with one set of services."""

import asyncio
import os
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from celery import Celery
from celery.signals import worker_init, worker_shutdown
from prometheus_client import start_http_server

from app.calls.sweep import CALL_SWEEP, CALL_SWEEP_SECONDS
from app.config import Settings
from app.conversations.sweep import SWEEP as CONVERSATION_SWEEP
from app.conversations.sweep import SWEEP_SECONDS as CONVERSATION_SWEEP_SECONDS
from app.errors import Unavailable
from app.integrations.approvals import DECIDED
from app.integrations.tasks import SWEEP as TOOLS_SWEEP
from app.integrations.tasks import SWEEP_SECONDS as TOOLS_SWEEP_SECONDS
from app.intents.service import TRAIN as TRAIN_INTENTS
from app.kit.embedded import celery_url
from app.kit.heartbeat import WORKER, Heartbeat
from app.kit.job_metrics import JobMetrics
from app.kit.jobs import JOBS_NICENESS, JobFunction, JobLoop, make_celery, register
from app.kit.logging import setup_logging
from app.kit.tracing import start_tracing
from app.outbound.dialling import SWEEP as OUTBOUND_SWEEP
from app.outbound.dialling import SWEEP_SECONDS as OUTBOUND_SWEEP_SECONDS
from app.outbound.service import DIAL
from app.privacy.room import JOBS as PRIVACY_JOBS
from app.privacy.room import SWEEP as PRIVACY_SWEEP
from app.privacy.room import SWEEP_SECONDS as PRIVACY_SWEEP_SECONDS
from app.rehearsal.replays import REPLAY as REPLAY_CALLS
from app.services import IDEMPOTENCY_SWEEP, Process, open_process
from app.webhooks.delivery import SWEEP as WEBHOOK_SWEEP
from app.webhooks.delivery import SWEEP_SECONDS as WEBHOOK_SWEEP_SECONDS
from app.webhooks.service import DELIVER
from whatsapp.tasks import DISPATCH, FETCH, INGEST, REPLAY, SWEEP, SWEEP_SECONDS, SYNC

JOB_NAMES = (
    *PRIVACY_JOBS,
    DIAL,
    OUTBOUND_SWEEP,
    CONVERSATION_SWEEP,
    DISPATCH,
    INGEST,
    FETCH,
    REPLAY,
    SYNC,
    SWEEP,
    IDEMPOTENCY_SWEEP,
    CALL_SWEEP,
    DELIVER,
    WEBHOOK_SWEEP,
    DECIDED,
    TRAIN_INTENTS,
    REPLAY_CALLS,
    TOOLS_SWEEP,
)
IDEMPOTENCY_SWEEP_SECONDS = 3_600


class _Jobs:
    """The functions behind the names: there once the worker has started."""

    def __init__(self, settings: Settings, loop: JobLoop, metrics: JobMetrics) -> None:
        self._metrics = metrics
        self._settings = settings
        self._loop = loop
        self._exits = AsyncExitStack()
        self._functions: dict[str, JobFunction] = {}

    def start(self, **_: Any) -> None:
        settings = self._settings
        os.nice(JOBS_NICENESS)
        self._exits.callback(start_tracing(settings.otlp_traces_url, "worker", settings.trace_share))
        self._loop.start()
        process = self._loop.run(self._exits.enter_async_context(open_process(settings)))
        self._functions = dict(process.job_functions())
        self._metrics.register(process.metrics)
        if settings.worker_metrics_port:
            server, _thread = start_http_server(settings.worker_metrics_port, registry=process.metrics)
            self._exits.callback(server.shutdown)
        self._loop.run(self._say_alive(process))

    async def _say_alive(self, process: Process) -> None:
        beating = asyncio.create_task(Heartbeat(process.redis, WORKER).run(), name="heartbeat")

        async def leave() -> None:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

        self._exits.push_async_callback(leave)

    def stop(self, **_: Any) -> None:
        self._loop.run(self._exits.aclose())
        self._loop.stop()

    async def run(self, name: str, **payload: Any) -> None:
        if name not in self._functions:
            raise Unavailable(f"the worker has no job {name}, or is still starting")
        await self._functions[name](**payload)


def make_worker(settings: Settings) -> Celery:
    """Returns the Celery application with every room's jobs and the beat schedule.

    Args:
        settings: With the addresses of the stores.
    """
    setup_logging(json=settings.environment == "production", level=settings.log_level)
    celery = make_celery(celery_url(settings.redis_url or ""))
    loop = JobLoop()
    metrics = JobMetrics()
    jobs = _Jobs(settings, loop, metrics)
    register(celery, loop, {name: partial(jobs.run, name) for name in JOB_NAMES}, metrics)
    celery.conf.beat_schedule = {
        OUTBOUND_SWEEP: {"task": OUTBOUND_SWEEP, "schedule": OUTBOUND_SWEEP_SECONDS},
        SWEEP: {"task": SWEEP, "schedule": SWEEP_SECONDS},
        IDEMPOTENCY_SWEEP: {"task": IDEMPOTENCY_SWEEP, "schedule": IDEMPOTENCY_SWEEP_SECONDS},
        TOOLS_SWEEP: {"task": TOOLS_SWEEP, "schedule": TOOLS_SWEEP_SECONDS},
        WEBHOOK_SWEEP: {"task": WEBHOOK_SWEEP, "schedule": WEBHOOK_SWEEP_SECONDS},
        PRIVACY_SWEEP: {"task": PRIVACY_SWEEP, "schedule": PRIVACY_SWEEP_SECONDS},
        CONVERSATION_SWEEP: {"task": CONVERSATION_SWEEP, "schedule": CONVERSATION_SWEEP_SECONDS},
        CALL_SWEEP: {"task": CALL_SWEEP, "schedule": CALL_SWEEP_SECONDS},
    }
    worker_init.connect(jobs.start, weak=False)
    worker_shutdown.connect(jobs.stop, weak=False)
    return celery
