"""The root of background work: a Celery worker whose jobs are async functions on one loop with one set of services."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from celery import Celery
from celery.signals import worker_init, worker_shutdown

from app.config import Settings
from app.errors import Unavailable
from app.kit.embedded import celery_url
from app.kit.jobs import JobLoop, make_celery, register
from app.kit.logging import setup_logging
from app.services import Services, build
from whatsapp.tasks import SWEEP, SWEEP_SECONDS, TASKS


class _Worker:
    """Builds the services when the worker starts and takes them down when it ends."""

    def __init__(self, settings: Settings, loop: JobLoop) -> None:
        self._settings = settings
        self._loop = loop
        self._exits = AsyncExitStack()
        self._services: Services | None = None

    def start(self, **_: Any) -> None:
        self._loop.start()
        self._services = self._loop.run(self._exits.enter_async_context(build(self._settings)))

    def stop(self, **_: Any) -> None:
        self._loop.run(self._exits.aclose())
        self._loop.stop()

    async def run(self, function: Callable[[Services, Mapping[str, Any]], Any], **payload: Any) -> None:
        if self._services is None:
            raise Unavailable("the worker is still starting")
        await function(self._services, payload)


def make_worker(settings: Settings) -> Celery:
    """Returns the Celery application with every room's jobs and the beat schedule.

    Raises:
        ConfigError: No address of a Redis is given.
    """
    setup_logging(json=settings.environment == "production", level=settings.log_level)
    celery = make_celery(celery_url(settings.redis_url or ""))
    loop = JobLoop()
    worker = _Worker(settings, loop)
    register(celery, loop, {name: partial(worker.run, function) for name, function in TASKS.items()})
    celery.conf.beat_schedule = {SWEEP: {"task": SWEEP, "schedule": SWEEP_SECONDS}}
    worker_init.connect(worker.start, weak=False)
    worker_shutdown.connect(worker.stop, weak=False)
    return celery
