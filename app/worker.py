"""The root of background work: a Celery worker whose jobs are async functions on one loop with one set of services."""

from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from celery import Celery
from celery.signals import worker_init, worker_shutdown

from app.config import Settings
from app.errors import Unavailable
from app.kit.embedded import celery_url
from app.kit.jobs import JobFunction, JobLoop, make_celery, register
from app.kit.logging import setup_logging
from app.services import IDEMPOTENCY_SWEEP, open_process
from whatsapp.tasks import DISPATCH, INGEST, SWEEP, SWEEP_SECONDS

JOB_NAMES = (DISPATCH, INGEST, SWEEP, IDEMPOTENCY_SWEEP)
IDEMPOTENCY_SWEEP_SECONDS = 3_600


class _Jobs:
    """The functions behind the names: there once the worker has started."""

    def __init__(self, settings: Settings, loop: JobLoop) -> None:
        self._settings = settings
        self._loop = loop
        self._exits = AsyncExitStack()
        self._functions: dict[str, JobFunction] = {}

    def start(self, **_: Any) -> None:
        self._loop.start()
        process = self._loop.run(self._exits.enter_async_context(open_process(self._settings)))
        self._functions = dict(process.job_functions())

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
    jobs = _Jobs(settings, loop)
    register(celery, loop, {name: partial(jobs.run, name) for name in JOB_NAMES})
    celery.conf.beat_schedule = {
        SWEEP: {"task": SWEEP, "schedule": SWEEP_SECONDS},
        IDEMPOTENCY_SWEEP: {"task": IDEMPOTENCY_SWEEP, "schedule": IDEMPOTENCY_SWEEP_SECONDS},
    }
    worker_init.connect(jobs.start, weak=False)
    worker_shutdown.connect(jobs.stop, weak=False)
    return celery
