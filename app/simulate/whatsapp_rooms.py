"""The rooms of WhatsApp as processes of their own, without speech or understanding: for benches and trials by fire.

`python -m app.simulate.whatsapp_rooms serve` answers the API, `... worker` works the jobs off; both take their settings
from the environment. Whoever writes gets their own words back.
"""

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from typing import Final

import uvicorn
from fastapi import FastAPI

from app import api
from app.building import build
from app.config import Settings
from app.conversations.models import Conversation
from app.errors import ConfigError
from app.indexes import INDEXES
from app.kit import problem
from app.kit.body_limit import BodyLimitMiddleware
from app.kit.clock import SystemClock
from app.kit.embedded import celery_url
from app.kit.jobs import JOBS_NICENESS, CeleryJobs, JobLoop, make_celery, register
from app.kit.logging import setup_logging
from app.kit.mongo import Database
from app.language.loader import PackRegistry
from app.rooms import Services
from app.shipped import Shipped
from whatsapp.ports import ChatReply

ANSWER: Final = "heard: "
_PATIENCE_SECONDS: Final = 60.0


class Echo:
    """Answers a text with the text."""

    async def reply(self, conversation: Conversation, text: str) -> ChatReply:
        """See `ChatBrain`."""
        return ChatReply((f"{ANSWER}{text}",))


async def open_rooms(settings: Settings, exits: AsyncExitStack) -> Services:
    """Builds the rooms on the stores that the settings name.

    Raises:
        ConfigError: They name none.
    """
    if settings.mongodb_url is None or settings.redis_url is None:
        raise ConfigError("set VAANISETU_MONGODB_URL and VAANISETU_REDIS_URL")
    database = await Database.connect(
        settings.mongodb_url, settings.mongodb_database, SystemClock(), timeout_seconds=_PATIENCE_SECONDS
    )
    exits.callback(database.close)
    await database.ensure_indexes(INDEXES)
    packs = {pack.tag: pack for pack in PackRegistry.open(settings.packs_dir).packs}
    jobs = CeleryJobs(make_celery(celery_url(settings.redis_url)))
    services = build(settings, database, jobs, packs, Shipped.load(settings.packs_dir), SystemClock())
    exits.push_async_callback(services.aclose)
    return services


async def serve(settings: Settings) -> None:
    """Answers the API until the process is told to end."""
    async with AsyncExitStack() as exits:
        app = FastAPI()
        app.add_middleware(BodyLimitMiddleware, larger=api.BODY_BYTES)
        problem.install(app)
        app.state.services = await open_rooms(settings, exits)
        api.mount(app)

        @app.get("/readyz")
        async def ready() -> dict[str, str]:
            return {"status": "ok"}

        config = uvicorn.Config(app, host=settings.host, port=settings.port, log_config=None, access_log=False)
        await uvicorn.Server(config).serve()


def work(settings: Settings) -> None:
    """Works jobs off until the process is told to end."""
    os.nice(JOBS_NICENESS)
    celery, loop, exits = make_celery(celery_url(settings.redis_url or "")), JobLoop(), AsyncExitStack()
    loop.start()
    try:
        register(celery, loop, loop.run(open_rooms(settings, exits)).job_functions(Echo()))
        level = f"--loglevel={settings.log_level}"
        celery.worker_main(
            ["worker", "--pool=threads", "--concurrency=4", "--without-gossip", "--without-mingle", level]
        )
    finally:
        loop.run(exits.aclose())
        loop.stop()


if __name__ == "__main__":
    known = Settings()
    setup_logging(json=False, level=known.log_level)
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve(known))
    elif sys.argv[1:] == ["worker"]:
        work(known)
    else:
        raise SystemExit("serve or worker")
