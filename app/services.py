"""The composition root: connects the stores, builds the rooms from the bottom up, and takes everything down again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Container, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Gauge, ProcessCollector
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.agents.phone_numbers import PhoneNumberService
from app.agents.service import AgentService
from app.auth.limits import ApiLimits
from app.calls.actions import CallActions
from app.calls.closing import CLOSING_SECONDS
from app.calls.observing import CallMetrics
from app.calls.ports import CarrierAccount
from app.calls.service import CallService
from app.calls.sweep import CALL_SWEEP, CallSweep
from app.calls.thinking import Thinker
from app.calls.transcripts import CallTranscripts
from app.config import Settings
from app.conversations.service import ConversationService
from app.conversations.standing import WhatsAppStandings
from app.dialogue.agents import NOBODY, AgentSetup, Caller, ChannelKind
from app.dialogue.turn import AgentProfile, WhatsAppStanding
from app.errors import ConfigError, NotFound, StageError
from app.flows.service import FlowService
from app.indexes import INDEXES
from app.integrations.agent_tools import ToolFactory
from app.integrations.flow_facts import flow_facts
from app.integrations.second_opinion import SecondOpinions
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
from app.language.packs import Pack
from app.languages.mind import LiveMind, LivePacks, Mind, make_mind
from app.languages.reload import PackReloads
from app.nlu.insight import Insight
from app.onboarding.doorway import Doorway
from app.rehearsal.replays import REPLAY, ReplayService
from app.rooms import Services, build
from app.shipped import Shipped
from app.speech.asr.checkpoint.coverage import check_hearing
from app.speech.ear import Ears
from app.speech.metrics import SpeechMetrics
from app.speech.mouth import Mouth
from app.speech.seat import HearingOptions
from app.telephony.media import MediaEndpoint
from app.telephony.metrics import TelephonyMetrics
from app.telephony.rest import PlivoCallControl, PlivoClients
from app.telephony.tokens import Announcements, StreamTokens, TransferTargets
from app.telephony.webhooks import CarrierUrls, PlivoWebhooks
from whatsapp.brain import DialogueBrain
from whatsapp.pacing import Pacing

IDEMPOTENCY_SWEEP: Final = "idempotency.sweep"
_log = structlog.get_logger("services")


class ConfiguredAgents:
    """Implements `AgentDirectory` on what tenants configured, within the languages whose packs serve."""

    def __init__(
        self,
        agents: AgentService,
        tools: ToolFactory,
        conversations: ConversationService,
        packs: Mapping[str, Pack],
        flows: FlowService,
        opinions: SecondOpinions,
        minds: OwnMinds,
        numbers: PhoneNumberService,
        standings: WhatsAppStandings,
    ) -> None:
        self._numbers = numbers
        self._standings = standings
        self._packs = packs
        self._flows = flows
        self._opinions = opinions
        self._minds = minds
        self._agents = agents
        self._tools = tools
        self._conversations = conversations

    async def setup(self, tenant_id: str, agent_id: str, caller: Caller = NOBODY) -> AgentSetup:
        """Returns the agent that answers, with its tools; see `AgentDirectory`."""
        agent = await self._agents.get(tenant_id, agent_id)
        rung = await self._numbers.of_tenant(tenant_id, caller.dialled) if caller.dialled else None
        profile = agent.profile() if rung is None else rung.spoken(agent.profile())
        profile = spoken_now(profile, self._packs)
        flows = await self._flows.serving(tenant_id, agent.flow_set, profile.languages)
        profile = replace(profile, flows=flows, whatsapp=await self._standing(tenant_id, caller))
        understander, own = await self._minds.of(tenant_id, agent_id)
        insight = Insight(understander, await self._opinions.of(agent, own))
        return AgentSetup(profile, await self._tools.tools_of(agent, caller), agent.recording, insight)

    async def _standing(self, tenant_id: str, caller: Caller) -> WhatsAppStanding:
        """Returns whether the caller may be written to; who writes to us may be answered where they write."""
        if caller == NOBODY:
            return WhatsAppStanding.UNASKED
        if caller.kind is ChannelKind.CHAT:
            return WhatsAppStanding.AGREED
        return await self._standings.of(tenant_id, caller.number)

    def expect(self, setup: AgentSetup) -> None:
        """Begins to ask the tenant's system who rings."""
        self._tools.expect(setup.tools)

    async def language_for(self, tenant_id: str, contact_number: str, profile: AgentProfile) -> str:
        """Returns the contact's own language if the agent speaks it, else the agent's default."""
        contact = await self._conversations.find_contact(tenant_id, contact_number)
        known = contact.language if contact is not None else None
        return known if known is not None and known in profile.languages else profile.default_language


def spoken_now(profile: AgentProfile, packs: Container[str]) -> AgentProfile:
    """Returns the profile without the languages whose packs did not load; the rest of the agent goes on.

    Raises:
        NotFound: None is left.
    """
    languages = tuple(tag for tag in profile.languages if tag in packs)
    if not languages:
        detail = f"no language pack serves {', '.join(profile.languages)}; `vaanisetu packs validate` says why"
        raise NotFound(detail, code="language_not_found")
    default = profile.default_language if profile.default_language in languages else languages[0]
    return replace(profile, languages=languages, default_language=default)


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
        PackError: The packs' contract is wrong, or not one pack is right.
        Unavailable: The store does not answer.
    """
    if settings.mongodb_url is None or settings.redis_url is None:
        raise ConfigError("the root must be given the addresses of its stores")
    await asyncio.to_thread(PackRegistry.open, settings.packs_dir)
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
        intents = IntentService(database, rooms.agents, rooms.flows, mind, models_dir, rooms.audit, jobs, clock)
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
        exits.push_async_callback(_ended, listening)
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


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _renew_brain(brain: DialogueBrain, mind: Mind) -> None:
    brain.think_with(mind.understander, mind.dialogue)


@asynccontextmanager
async def open_call_stack(process: Process) -> AsyncIterator[CallStack]:
    """Builds what carries calls and starts the speech workers; at the end every call is ended.

    Raises:
        ConfigError: The recogniser cannot be used as configured.
        ModelError: The recogniser cannot write a loaded language.
        SpeechWorkerLost: A speech worker did not start.
    """
    settings, rooms, mind = process.settings, process.rooms, process.mind.current
    metrics = process.metrics
    speech = SpeechMetrics(metrics)
    await asyncio.to_thread(check_hearing, settings.asr_model, settings.asr_models, mind.registry.packs)
    ears = Ears(_hearing(settings), speech)
    mouth = Mouth(speech)
    thinker = Thinker(mind.registry, mind.understander, mind.dialogue, mouth)
    clients = PlivoClients(settings.plivo_api_url)
    async with AsyncExitStack() as exits:
        exits.callback(clients.close)
        exits.push_async_callback(mouth.close)
        exits.push_async_callback(ears.close)
        exits.callback(thinker.close)
        await asyncio.gather(ears.start(), mouth.start())
        await thinker.start()
        figures = CallMetrics()
        figures.register(metrics)
        calls = _call_service(process, ears, thinker, figures)
        process.reloads.follow(partial(_renew_calls, calls, thinker))
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
            announcements=Announcements(process.redis),
            speak=lambda said: mouth.speak(said.text, thinker.voice(said.language)),
            metrics=counters,
            max_call_seconds=limit,
            require_signatures=settings.require_signatures,
            admission=Doorway(rooms.agents, rooms.lifecycle, rooms.allowance, rooms.packs),
        )
        if calls.watch is not None:
            watching = asyncio.create_task(calls.watch.run(), name="kill-switch-watch")
            exits.callback(watching.cancel)
        replaying = asyncio.create_task(calls.closing.run(), name="call-spool")
        exits.push_async_callback(_ended, replaying)
        exits.push_async_callback(calls.live.drain, 0.0, CLOSING_SECONDS + 2)
        exits.callback(media.shut_down)
        yield CallStack(calls, ears, mouth, media, webhooks, metrics)


def _hearing(settings: Settings) -> HearingOptions:
    return HearingOptions(
        capacity=settings.max_calls,
        engine=settings.asr_engine,
        model=settings.asr_model,
        models=settings.asr_models,
        device=settings.asr_device,
        threads=settings.speech_threads,
        workers=settings.listen_workers,
        max_batch=settings.asr_max_batch,
        max_wait_ms=settings.asr_max_wait_ms,
    )


async def _renew_calls(calls: CallService, first: Thinker, mind: Mind) -> None:
    """Gives new calls the new mind, with the sentences that must sound in any case already spoken."""
    thinker = first.successor(mind.registry, mind.understander, mind.dialogue)
    try:
        await thinker.start()
    except StageError as error:
        _log.warning("packs.sentences_not_prepared", code=error.code)
    calls.think_with(thinker)


def _call_service(process: Process, ears: Ears, thinker: Thinker, figures: CallMetrics) -> CallService:
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
        actions=CallActions(rooms.handoff, rooms.suppressions, rooms.conversations, rooms.consents),
        vault=rooms.vault,
        signals=Signals(process.redis),
        webhooks=rooms.webhooks,
        kill_switches=rooms.kill_switches,
        audit=rooms.audit,
        outbound=rooms.outbound_rooms.dialling,
        recordings_dir=settings.data_dir / "recordings",
        max_call_seconds=settings.max_call_seconds,
        account_of=account_of,
        metrics=figures,
        most_of_a_tenant=settings.tenant_calls or max(1, settings.max_calls * 4 // 5),
    )
