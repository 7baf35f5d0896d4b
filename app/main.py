"""The root of the web process: REST, webhooks, media sockets, health and metrics."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app import __version__, api
from app.calls import endpoints as call_endpoints
from app.config import Settings
from app.errors import AppError
from app.kit import problem
from app.kit.logging import setup_logging
from app.services import CallStack, Process, open_call_stack, open_process

_READY_SECONDS = 1.5
_COLLECT_AFTER_ALLOCATIONS = 20_000


def create_app(settings: Settings) -> FastAPI:
    """Returns the application; it starts its services with its lifespan.

    Args:
        settings: With the addresses of the stores.
    """
    setup_logging(json=settings.environment == "production", level=settings.log_level)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_process(settings) as process, open_call_stack(process) as stack:
            app.state.process, app.state.call_stack = process, stack
            app.state.services, app.state.calls = process.rooms, stack.calls
            app.include_router(stack.webhooks.router())
            app.include_router(stack.media.router())
            _spare_the_collector()
            yield

    app = FastAPI(title="VaaniSetu", version=__version__, lifespan=lifespan, separate_input_output_schemas=False)
    problem.install(app)
    api.mount(app, call_endpoints.router)

    @app.get("/healthz", tags=["operation"], operation_id="get_health")
    async def healthz() -> dict[str, str]:
        """Says that the process answers."""
        return {"status": "ok", "version": __version__}

    @app.get("/readyz", tags=["operation"], operation_id="get_readiness", responses={503: {"model": dict[str, str]}})
    async def readyz(request: Request) -> JSONResponse:
        """Says of each dependency whether it works; 503 if one does not."""
        states = await _readiness(request.app.state.process, request.app.state.call_stack)
        return JSONResponse(states, 200 if all(state == "ok" for state in states.values()) else 503)

    @app.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        return Response(generate_latest(request.app.state.call_stack.metrics), media_type=CONTENT_TYPE_LATEST)

    return app


def _spare_the_collector() -> None:
    """Keeps the garbage collector from walking what lives as long as the process, packs and models, during calls."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER_ALLOCATIONS)


async def _readiness(process: Process, stack: CallStack) -> dict[str, str]:
    async def check(work: Any) -> str:
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await work
            return "ok"
        except (AppError, OSError, TimeoutError) as error:
            return f"failed: {type(error).__name__}"

    return {
        "store": await check(process.rooms.database.ping()),
        "redis": await check(process.redis.ping()),
        "listening": "ok" if stack.ears.worker.is_ready else "failed: restarting",
        "speaking": "ok" if stack.mouth.worker.is_ready else "failed: restarting",
    }
