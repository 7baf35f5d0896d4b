"""The root of the web process: REST, webhooks, media sockets, health and metrics."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app import __version__, api
from app.config import Settings
from app.errors import AppError
from app.kit import problem
from app.kit.logging import setup_logging
from app.services import MediaServices, Services, build, build_media

_READY_SECONDS = 1.5


class Installed:
    """`app.state.services`: the shared services and those of the media process under one roof."""

    def __init__(self, shared: Services, media: MediaServices) -> None:
        self._parts = (media, shared)

    def __getattr__(self, name: str) -> Any:
        for part in self._parts:
            if hasattr(part, name):
                return getattr(part, name)
        raise AttributeError(name)


def create_app(settings: Settings) -> FastAPI:
    """Returns the application; it starts its services with its lifespan.

    Args:
        settings: With the addresses of the stores.
    """
    setup_logging(json=settings.environment == "production", level=settings.log_level)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with build(settings) as shared, build_media(settings, shared) as media:
            app.state.services = Installed(shared, media)
            app.router.routes.extend(media.webhooks.router().routes)
            app.router.routes.extend(media.media.router().routes)
            yield

    app = FastAPI(title="VaaniSetu", version=__version__, lifespan=lifespan, separate_input_output_schemas=False)
    problem.install(app)
    api.mount(app)

    @app.get("/healthz", tags=["operation"], operation_id="get_health")
    async def healthz() -> dict[str, str]:
        """Says that the process answers."""
        return {"status": "ok", "version": __version__}

    @app.get("/readyz", tags=["operation"], operation_id="get_readiness", responses={503: {"model": dict[str, str]}})
    async def readyz(request: Request) -> JSONResponse:
        """Says of each dependency whether it works; 503 if one does not."""
        states = await _readiness(request.app.state.services)
        return JSONResponse(states, 200 if all(state == "ok" for state in states.values()) else 503)

    @app.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        return Response(generate_latest(request.app.state.services.metrics), media_type=CONTENT_TYPE_LATEST)

    return app


async def _readiness(services: Any) -> dict[str, str]:
    async def check(work: Any) -> str:
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await work
            return "ok"
        except (AppError, OSError, TimeoutError) as error:
            return f"failed: {type(error).__name__}"

    return {
        "store": await check(services.database.ping()),
        "redis": await check(services.redis.ping()),
        "listening": "ok" if services.ears.worker.is_ready else "failed: restarting",
        "speaking": "ok" if services.mouth.worker.is_ready else "failed: restarting",
    }
