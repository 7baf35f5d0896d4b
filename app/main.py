"""The root of the web process: REST, webhooks, media sockets, health and metrics."""

import asyncio
import gc
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.telemetry import TelemetryConfig
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest
from redis.exceptions import RedisError

from app import __version__, api, events
from app.call_stack import CallStack, open_call_stack
from app.calls import endpoints as call_endpoints
from app.config import Settings
from app.console import mounting as console
from app.errors import AppError, Unavailable
from app.intents import endpoints as intent_endpoints
from app.kit import openapi as openapi_document
from app.kit import problem
from app.kit.body_limit import BodyLimitMiddleware
from app.kit.heartbeat import WORKER, Heartbeat
from app.kit.logging import setup_logging
from app.kit.observed import HttpMetrics, ObservedMiddleware
from app.kit.queues import depths
from app.kit.sealed import SealedText
from app.kit.signals import Signals
from app.kit.tracing import start_tracing
from app.languages import endpoints as language_endpoints
from app.languages.reload import PackReloads
from app.languages.speech import SpeechCoverage
from app.rehearsal import endpoints as rehearsal_endpoints
from app.rehearsal import replay_endpoints
from app.rehearsal.service import Rehearsal
from app.services import Process, open_process
from app.speech.asr.onnx_engine import STARTER_MODEL_DIR

_OUR_SPANS_ONLY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""The spans of the framework hold paths and addresses, in which persons are named; `app.kit.observed` makes ours."""
_READY_SECONDS = 1.5
_COLLECT_AFTER_ALLOCATIONS = 20_000


def create_app(settings: Settings) -> FastAPI:
    """Returns the application; it starts its services with its lifespan.

    Args:
        settings: With the addresses of the stores.
    """
    setup_logging(json=settings.environment == "production", level=settings.log_level)
    requests = HttpMetrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _traced(settings), open_process(settings) as process, open_call_stack(process) as stack:
            requests.register(process.metrics)
            app.state.queue_depth = Gauge(
                "vaanisetu_jobs_waiting", "Jobs in the queues", ("kind",), registry=process.metrics
            )
            app.state.process, app.state.call_stack = process, stack
            app.state.services, app.state.calls = process.rooms, stack.calls
            app.state.signals, app.state.event_streams = Signals(process.redis), Counter()
            app.state.mind, app.state.reloads = process.mind, process.reloads
            app.state.intents, app.state.replays = process.intents, process.replays
            app.state.speech_coverage = SpeechCoverage(settings.asr_model or STARTER_MODEL_DIR)
            app.state.rehearsal = Rehearsal(
                process.mind, process.agents, SealedText(process.rooms.vault), process.rooms.clock
            )
            app.include_router(stack.webhooks.router())
            app.include_router(stack.media.router())
            await asyncio.to_thread(app.openapi)
            _spare_the_collector()
            with _reloading_on_hangup(process.reloads):
                yield

    app = FastAPI(
        title="VaaniSetu",
        version=__version__,
        lifespan=lifespan,
        separate_input_output_schemas=False,
        telemetry=_OUR_SPANS_ONLY,
    )
    app.add_middleware(BodyLimitMiddleware, larger=api.BODY_BYTES)
    problem.install(app)
    app.add_middleware(ObservedMiddleware, metrics=requests)
    api.mount(
        app,
        events.router,
        call_endpoints.router,
        language_endpoints.router,
        rehearsal_endpoints.router,
        replay_endpoints.router,
        intent_endpoints.router,
    )
    console.mount(app)

    @app.get("/healthz", tags=["operation"], operation_id="get_health")
    async def healthz() -> dict[str, str]:
        """Says that the process answers."""
        return {"status": "ok", "version": __version__}

    @app.get("/readyz", tags=["operation"], operation_id="get_readiness", responses={503: {"model": dict[str, str]}})
    async def readyz(request: Request) -> JSONResponse:
        """Says of each dependency whether it works; 503 if this process cannot serve.

        `degraded`: a part that others run is missing; calls and configuration are served, jobs wait.
        """
        states = await _readiness(request.app.state.process, request.app.state.call_stack)
        return JSONResponse(states, 503 if any(state.startswith("failed") for state in states.values()) else 200)

    @app.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        await _measure_queues(request.app.state.process, request.app.state.queue_depth)
        return Response(generate_latest(request.app.state.call_stack.metrics), media_type=CONTENT_TYPE_LATEST)

    openapi_document.describe(app)
    return app


@contextmanager
def _reloading_on_hangup(reloads: PackReloads) -> Iterator[None]:
    """Lets SIGHUP read the packs again, where this loop is the one that may take signals."""
    loop = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop.add_signal_handler(signal.SIGHUP, reloads.announce)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


def _spare_the_collector() -> None:
    """Keeps the garbage collector from walking what lives as long as the process, packs and models, during calls."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER_ALLOCATIONS)


@asynccontextmanager
async def _traced(settings: Settings) -> AsyncIterator[None]:
    """Sends traces while the process lives, if it is told where to."""
    flush = start_tracing(settings.otlp_traces_url, "server", settings.trace_share)
    try:
        yield
    finally:
        await asyncio.to_thread(flush)


async def _measure_queues(process: Process, gauge: Gauge) -> None:
    """Reads the depth of the queues; while Redis is away nothing is said about it."""
    try:
        for kind, jobs in (await depths(process.redis)).items():
            gauge.labels(kind).set(jobs)
    except RedisError:
        gauge.clear()


async def _readiness(process: Process, stack: CallStack) -> dict[str, str]:
    async def check(work: Any) -> str:
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await work
            return "ok"
        except (AppError, RedisError, OSError, TimeoutError) as error:
            return f"failed: {type(error).__name__}"

    async def beats() -> None:
        if not await Heartbeat(process.redis, WORKER).alive():
            raise Unavailable("no worker has said that it lives")

    store, workers, redis = await asyncio.gather(
        check(process.rooms.database.ping()), check(beats()), check(process.redis.ping())
    )
    return {
        "store": store,
        "workers": workers.replace("failed", "degraded"),
        "redis": redis,
        "calls": "failed: draining" if stack.calls.live.is_draining else "ok",
        "listening": "ok" if stack.ears.is_ready else "failed: restarting",
        "speaking": "ok" if stack.mouth.worker.is_ready else "failed: restarting",
    }
