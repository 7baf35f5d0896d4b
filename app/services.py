"""The composition root: connects the stores, builds the rooms from the bottom up, and takes everything down again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.auth.limits import ApiLimits
from app.building import build
from app.calls.sweep import CALL_SWEEP, CallSweep
from app.calls.transcripts import CallTranscripts
from app.config import Settings
from app.conversations.standing import WhatsAppStandings
from app.errors import ConfigError
from app.indexes import INDEXES
from app.integrations.directory import ConfiguredAgents
from app.integrations.flow_facts import flow_facts
from app.intents.minds import OwnMinds
from app.intents.service import TRAIN as TRAIN_INTENTS
from app.intents.service import IntentService
from app.keys import open_keys
from app.kit.clock import SystemClock
from app.kit.embedded import celery_url
from app.kit.jobs import CeleryJobs, JobFunction, make_celery
from app.kit.mongo import Database
from app.kit.ratelimit import RateLimiter
from app.kit.redis_client import open_redis
from app.kit.sealed import SealedText
from app.kit.signals import Signals
from app.language.loader import PackRegistry
from app.languages.mind import LiveMind, LivePacks, Mind, make_mind
from app.languages.reload import PackReloads
from app.rehearsal.replays import REPLAY, ReplayService
from app.rooms import Services
from app.shipped import Shipped
from app.speech.asr.checkpoint.readiness import check_recogniser
from whatsapp.brain import DialogueBrain
from whatsapp.pacing import Pacing

IDEMPOTENCY_SWEEP: Final = "idempotency.sweep"
_log = structlog.get_logger("services")


@dataclass(frozen=True, slots=True)
class Process:
    """What every process of the service has: the rooms, the mind, the stores."""

    settings: Settings
    rooms: Services
    mind: LiveMind
    reloads: PackReloads
    agents: ConfiguredAgents
    brain: DialogueBrain
    redis: Redis
    metrics: CollectorRegistry
    intents: IntentService
    replays: ReplayService

    def job_functions(self) -> Mapping[str, JobFunction]:
        """Returns every job by name."""
        calls = CallSweep(self.rooms.database, self.rooms.clock, self.settings.max_call_seconds)
        return {
            **self.rooms.job_functions(self.brain),
            IDEMPOTENCY_SWEEP: self.rooms.idempotency.sweep,
            CALL_SWEEP: calls.run,
            TRAIN_INTENTS: self.intents.train,
            REPLAY: self.replays.run,
        }


async def preflight(settings: Settings) -> None:
    """Checks what a start-up depends on, so that a root can say in one line what is wrong.

    Raises:
        ConfigError: The stores' addresses are missing, Redis does not answer, or there is no such recogniser.
        ModelError: The recogniser's model is damaged, or cannot write a loaded language.
        PackError: The packs' contract is wrong, or not one pack is right.
        Unavailable: The store does not answer.
    """
    if settings.mongodb_url is None or settings.redis_url is None:
        raise ConfigError("the root must be given the addresses of its stores")
    registry = await asyncio.to_thread(PackRegistry.open, settings.packs_dir)
    await asyncio.to_thread(
        check_recogniser, settings.asr_engine, settings.asr_model, settings.asr_models, registry.packs
    )
    database = await Database.connect(settings.mongodb_url, settings.mongodb_database, SystemClock())
    try:
        await database.ping()
    finally:
        database.close()
    try:
        async with open_redis(settings.redis_url) as redis:
            await redis.ping()
    except (RedisError, ValueError) as error:
        raise ConfigError(f"VAANISETU_REDIS_URL: Redis does not answer: {error}") from error


@asynccontextmanager
async def open_process(settings: Settings) -> AsyncIterator[Process]:
    """Builds what every process has and closes its connections at the end.

    Raises:
        ConfigError: The stores' addresses are missing.
        PackError: The packs' contract is wrong, or not one pack is right.
        Unavailable: The store does not answer.
    """
    if settings.mongodb_url is None or settings.redis_url is None:
        raise ConfigError("the root must be given the addresses of its stores")
    clock = SystemClock()
    models_dir = settings.data_dir / "models"
    shipped = await asyncio.to_thread(Shipped.load, settings.packs_dir)
    make = partial(make_mind, tools=flow_facts(shipped.tools))
    mind = LiveMind(await asyncio.to_thread(_load_mind, settings, models_dir, make))
    async with AsyncExitStack() as exits:
        database = await Database.connect(settings.mongodb_url, settings.mongodb_database, clock)
        exits.callback(database.close)
        await database.ensure_indexes(INDEXES)
        redis = open_redis(settings.redis_url)
        exits.push_async_callback(redis.aclose)
        jobs = CeleryJobs(make_celery(celery_url(settings.redis_url)))
        packs = LivePacks(mind)
        limits = ApiLimits(
            RateLimiter(redis),
            settings.api_requests_per_second,
            settings.api_burst,
            settings.key_guesses,
            settings.api_concurrency,
        )
        keys = await exits.enter_async_context(open_keys(settings, database))
        pacing = Pacing(RateLimiter(redis))
        rooms = build(settings, database, jobs, packs, shipped, clock, limits, Signals(redis).publish, keys, pacing)
        exits.push_async_callback(rooms.aclose)
        intents = IntentService(
            database, rooms.agents, rooms.flows, rooms.change_rules, mind, models_dir, rooms.audit, jobs, clock
        )
        minds = OwnMinds(intents, mind, models_dir, clock)
        exits.push_async_callback(minds.close)
        agents = ConfiguredAgents(
            rooms.agents,
            rooms.tools,
            rooms.conversations,
            packs,
            rooms.flows,
            rooms.opinions,
            minds,
            rooms.phone_numbers,
            WhatsAppStandings(rooms.consents, rooms.suppressions, rooms.whatsapp_outbox, clock),
        )
        replays = ReplayService(
            database,
            CallTranscripts(database, SealedText(rooms.vault)),
            agents,
            intents,
            minds,
            rooms.flows,
            mind,
            rooms.audit,
            jobs,
            clock,
        )
        metrics = _figures(rooms)
        first = mind.current
        brain = DialogueBrain(
            first.understander,
            first.dialogue,
            agents,
            rooms.conversations,
            rooms.suppressions,
            rooms.kill_switches,
            rooms.inbox.romanisers,
        )
        reloads = PackReloads(mind, models_dir, Signals(redis), make=make)
        reloads.follow(partial(_renew_brain, brain))
        exits.push_async_callback(reloads.close)
        listening = asyncio.create_task(reloads.listen(), name="packs.listen")
        exits.push_async_callback(ended, listening)
        yield Process(settings, rooms, mind, reloads, agents, brain, redis, metrics, intents, replays)


def _figures(rooms: Services) -> CollectorRegistry:
    """Returns the registry of a process, with what its rooms count."""
    metrics = CollectorRegistry()
    ProcessCollector(registry=metrics)
    rooms.tools.metrics.register(metrics)
    rooms.opinions.metrics.register(metrics)
    rooms.outbound.metrics.register(metrics)
    metrics.register(rooms.webhook_delivery.attempts)
    metrics.register(rooms.whatsapp_outbox.refusals)
    return metrics


def _load_mind(settings: Settings, models_dir: Path, make: Callable[[PackRegistry, Path], Mind]) -> Mind:
    return make(PackRegistry.open(settings.packs_dir), models_dir)


async def ended(task: asyncio.Task[None]) -> None:
    """Cancels a task and waits until it is gone."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _renew_brain(brain: DialogueBrain, mind: Mind) -> None:
    brain.think_with(mind.understander, mind.dialogue)
