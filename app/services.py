"""The composition root: connects the stores, builds the rooms from the bottom up, and takes everything down again."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Gauge
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app import api
from app.agents.service import AgentService
from app.calls import repository as call_repository
from app.calls.actions import CallActions
from app.calls.ports import CarrierAccount
from app.calls.service import CallService
from app.calls.thinking import Thinker
from app.config import Settings
from app.conversations.service import ConversationService
from app.dialogue.agents import AgentSetup
from app.dialogue.engine import DialogueEngine
from app.dialogue.turn import AgentProfile
from app.errors import ConfigError
from app.integrations.agent_tools import ToolFactory
from app.kit.clock import SystemClock
from app.kit.embedded import celery_url
from app.kit.jobs import CeleryJobs, JobFunction, make_celery
from app.kit.mongo import Database
from app.kit.signals import Signals
from app.language.identify import identifier
from app.language.loader import PackRegistry
from app.language.strangers import load_profiles
from app.nlu.understander import Understander
from app.speech.ear import Ears
from app.speech.mouth import Mouth
from app.telephony.media import MediaEndpoint
from app.telephony.metrics import TelephonyMetrics
from app.telephony.rest import PlivoCallControl, PlivoClients
from app.telephony.tokens import StreamTokens, TransferTargets
from app.telephony.webhooks import CarrierUrls, PlivoWebhooks
from whatsapp.brain import DialogueBrain

IDEMPOTENCY_SWEEP: Final = "idempotency.sweep"


class ConfiguredAgents:
    """Implements `AgentDirectory` on what tenants configured."""

    def __init__(self, agents: AgentService, tools: ToolFactory, conversations: ConversationService) -> None:
        self._agents = agents
        self._tools = tools
        self._conversations = conversations

    async def setup(self, tenant_id: str, agent_id: str) -> AgentSetup:
        """Returns the agent that answers, with its tools; see `AgentDirectory`."""
        agent = await self._agents.get(tenant_id, agent_id)
        return AgentSetup(agent.profile(), await self._tools.tools_of(agent), agent.recording)

    async def language_for(self, tenant_id: str, contact_number: str, profile: AgentProfile) -> str:
        """Returns the contact's own language if the agent speaks it, else the agent's default."""
        contact = await self._conversations.find_contact(tenant_id, contact_number)
        known = contact.language if contact is not None else None
        return known if known is not None and known in profile.languages else profile.default_language


@dataclass(frozen=True, slots=True)
class Mind:
    """What understands and answers, in calls and in chats."""

    registry: PackRegistry
    understander: Understander
    dialogue: DialogueEngine


@dataclass(frozen=True, slots=True)
class Process:
    """What every process of the service has: the rooms, the mind, the stores."""

    settings: Settings
    rooms: api.Services
    mind: Mind
    agents: ConfiguredAgents
    brain: DialogueBrain
    redis: Redis

    def job_functions(self) -> Mapping[str, JobFunction]:
        """Returns every job by name."""
        return {**self.rooms.job_functions(self.brain), IDEMPOTENCY_SWEEP: self.rooms.idempotency.sweep}


@dataclass(frozen=True, slots=True)
class CallStack:
    """What only the process that carries calls has."""

    calls: CallService
    ears: Ears
    mouth: Mouth
    media: MediaEndpoint
    webhooks: PlivoWebhooks
    metrics: CollectorRegistry


async def preflight(settings: Settings) -> None:
    """Checks what a start-up depends on, so that a root can say in one line what is wrong.

    Raises:
        ConfigError: The stores' addresses are missing, or Redis does not answer.
        PackError: A language pack is wrong.
        Unavailable: The store does not answer.
    """
    if settings.mongodb_url is None or settings.redis_url is None:
        raise ConfigError("the root must be given the addresses of its stores")
    await asyncio.to_thread(PackRegistry.load, settings.packs_dir)
    database = await Database.connect(settings.mongodb_url, settings.mongodb_database, SystemClock())
    try:
        await database.ping()
    finally:
        database.close()
    try:
        async with Redis.from_url(settings.redis_url) as redis:
            await redis.ping()
    except (RedisError, ValueError) as error:
        raise ConfigError(f"VAANISETU_REDIS_URL: Redis does not answer: {error}") from error


@asynccontextmanager
async def open_process(settings: Settings) -> AsyncIterator[Process]:
    """Builds what every process has and closes its connections at the end.

    Raises:
        ConfigError: The stores' addresses are missing.
        PackError: A language pack is wrong.
        Unavailable: The store does not answer.
    """
    if settings.mongodb_url is None or settings.redis_url is None:
        raise ConfigError("the root must be given the addresses of its stores")
    clock = SystemClock()
    mind = await asyncio.to_thread(_load_mind, settings)
    async with AsyncExitStack() as exits:
        database = await Database.connect(settings.mongodb_url, settings.mongodb_database, clock)
        exits.callback(database.close)
        await database.ensure_indexes([*api.INDEXES, *call_repository.INDEXES])
        redis = Redis.from_url(settings.redis_url)
        exits.push_async_callback(redis.aclose)
        jobs = CeleryJobs(make_celery(celery_url(settings.redis_url)))
        packs = {tag: mind.registry.get(tag) for tag in mind.registry.tags}
        rooms = api.build(settings, database, jobs, packs, clock)
        exits.push_async_callback(rooms.aclose)
        agents = ConfiguredAgents(rooms.agents, rooms.tools, rooms.conversations)
        brain = DialogueBrain(mind.understander, mind.dialogue, agents, rooms.conversations, rooms.suppressions)
        yield Process(settings, rooms, mind, agents, brain, redis)


def _load_mind(settings: Settings) -> Mind:
    registry = PackRegistry.load(settings.packs_dir)
    load_profiles()
    identifier(registry.packs)
    understander = Understander(registry, settings.data_dir / "models")
    for pack in registry.packs:
        understander.understand(pack.manifest.native_name, enabled=registry.tags, current_language=pack.tag)
    return Mind(registry, understander, DialogueEngine(registry))


@asynccontextmanager
async def open_call_stack(process: Process) -> AsyncIterator[CallStack]:
    """Builds what carries calls and starts the speech workers; at the end every call is ended.

    Raises:
        SpeechWorkerLost: A speech worker did not start.
    """
    settings, rooms, mind = process.settings, process.rooms, process.mind
    ears = Ears(model=settings.asr_model, threads=settings.speech_threads, capacity=settings.max_calls)
    mouth = Mouth()
    thinker = Thinker(mind.registry, mind.understander, mind.dialogue, mouth)
    clients = PlivoClients(settings.plivo_api_url)
    async with AsyncExitStack() as exits:
        exits.callback(clients.close)
        exits.push_async_callback(mouth.close)
        exits.push_async_callback(ears.close)
        exits.callback(thinker.close)
        await asyncio.gather(ears.start(), mouth.start())
        await thinker.start()
        calls = _call_service(process, ears, thinker)
        metrics = CollectorRegistry()
        counters = TelephonyMetrics(metrics)
        Gauge("vaanisetu_calls_live", "Live calls", registry=metrics).set_function(lambda: calls.live.count)
        slots = Gauge("vaanisetu_speech_slots_open", "Calls that the listening worker serves", registry=metrics)
        slots.set_function(lambda: ears.open_count)
        urls = CarrierUrls(settings.public_url)
        tokens = StreamTokens(process.redis, max_call_seconds=settings.max_call_seconds)
        transfers = TransferTargets(process.redis)
        limit = settings.max_call_seconds
        control = PlivoCallControl(
            registry=calls, clients=clients, transfers=transfers, urls=urls, max_call_seconds=limit
        )
        media = MediaEndpoint(tokens=tokens, live_calls=calls.live, control=control, metrics=counters)
        webhooks = PlivoWebhooks(
            urls=urls,
            numbers=rooms.numbers,
            registry=calls,
            tokens=tokens,
            transfers=transfers,
            metrics=counters,
            max_call_seconds=limit,
            require_signatures=settings.require_signatures,
        )
        exits.push_async_callback(calls.live.drain, 0.0)
        exits.callback(media.shut_down)
        yield CallStack(calls, ears, mouth, media, webhooks, metrics)


def _call_service(process: Process, ears: Ears, thinker: Thinker) -> CallService:
    rooms, settings = process.rooms, process.settings

    async def account_of(tenant_id: str) -> CarrierAccount | None:
        account = await rooms.credentials.plivo(tenant_id)
        return None if account is None else CarrierAccount(account.auth_id, account.auth_token)

    return CallService(
        database=rooms.database,
        clock=rooms.clock,
        ears=ears,
        thinker=thinker,
        agents=process.agents,
        actions=CallActions(rooms.handoff, rooms.suppressions, rooms.conversations),
        vault=rooms.vault,
        signals=Signals(process.redis),
        recordings_dir=settings.data_dir / "recordings",
        max_call_seconds=settings.max_call_seconds,
        account_of=account_of,
    )
