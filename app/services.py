"""The composition root: builds every service once, from the bottom of the house to the top, and takes it down again."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import httpx
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from app.agents import service as agents_room
from app.agents.service import AgentService, PhoneNumberService
from app.audit import log as audit_room
from app.audit.log import AuditLog
from app.auth import service as auth_room
from app.auth.service import KeyService
from app.calls import repository as calls_room
from app.calls.actions import CallActions
from app.calls.ports import CarrierAccount, NumberRoute
from app.calls.service import CallService
from app.calls.thinking import Thinker
from app.compliance import consent as consent_room
from app.compliance import suppression as suppression_room
from app.compliance.consent import ConsentLedger
from app.compliance.suppression import Suppressions
from app.config import Settings
from app.conversations import repository as conversations_room
from app.conversations.handoff import Handoff
from app.conversations.service import ConversationService
from app.conversations.topics import PackTopics
from app.dialogue.agents import AgentSetup
from app.dialogue.engine import DialogueEngine
from app.dialogue.turn import AgentProfile
from app.errors import ConfigError
from app.integrations.http_tools import Breaker, HttpTools, ToolEndpoint
from app.kit import idempotency as idempotency_room
from app.kit.clock import Clock, SystemClock
from app.kit.crypto import MasterKey
from app.kit.embedded import celery_url
from app.kit.idempotency import Idempotency
from app.kit.jobs import CeleryJobs, Jobs, make_celery
from app.kit.mongo import Database
from app.kit.signals import Signals
from app.kit.vault import Vault
from app.language.loader import PackRegistry
from app.language.packs import Pack
from app.nlu.understander import Understander
from app.speech.ear import Ears
from app.speech.mouth import Mouth
from app.telephony.media import MediaEndpoint
from app.telephony.metrics import TelephonyMetrics
from app.telephony.rest import PlivoCallControl, PlivoClients
from app.telephony.tokens import StreamTokens, TransferTargets
from app.telephony.webhooks import CarrierUrls, PlivoWebhooks
from app.tenants import credentials as credentials_room
from app.tenants import service as tenants_room
from app.tenants.credentials import CredentialService
from app.tenants.service import TenantService
from whatsapp import inbox as inbox_room
from whatsapp import outbox as outbox_room
from whatsapp import windows as windows_room
from whatsapp.brain import DialogueBrain
from whatsapp.dispatch import Dispatcher
from whatsapp.inbox import RawInbox
from whatsapp.ingest import Ingest
from whatsapp.outbox import OutboxStore
from whatsapp.sender import GraphSender
from whatsapp.service import WhatsAppOutbox
from whatsapp.webhook import WebhookDoor
from whatsapp.windows import Windows

_ROOMS: Final = (
    tenants_room,
    credentials_room,
    auth_room,
    audit_room,
    agents_room,
    consent_room,
    suppression_room,
    conversations_room,
    outbox_room,
    inbox_room,
    windows_room,
    calls_room,
    idempotency_room,
)


@dataclass(frozen=True, slots=True)
class Services:
    """What the API, the worker and the media process share; one instance a process."""

    settings: Settings
    clock: Clock
    database: Database
    redis: Redis
    registry: PackRegistry
    packs: Mapping[str, Pack]
    vault: Vault
    audit: AuditLog
    keys: KeyService
    tenants: TenantService
    credentials: CredentialService
    agents: AgentService
    phone_numbers: PhoneNumberService
    suppressions: Suppressions
    conversations: ConversationService
    idempotency: Idempotency
    signals: Signals
    jobs: Jobs
    directory: "ConfiguredAgents"
    understander: Understander
    dialogue: DialogueEngine
    handoff: Handoff
    whatsapp_outbox: WhatsAppOutbox
    whatsapp_door: WebhookDoor
    whatsapp_dispatcher: Dispatcher
    whatsapp_ingest: Ingest


@dataclass(frozen=True, slots=True)
class MediaServices:
    """What only the process that carries calls has."""

    calls: CallService
    ears: Ears
    mouth: Mouth
    thinker: Thinker
    media: MediaEndpoint
    webhooks: PlivoWebhooks
    metrics: CollectorRegistry


class ConfiguredAgents:
    """Implements `AgentDirectory` and `Numbers` on what tenants configured."""

    def __init__(
        self,
        agents: AgentService,
        numbers: PhoneNumberService,
        credentials: CredentialService,
        conversations: ConversationService,
        client: httpx.AsyncClient,
        clock: Clock,
    ) -> None:
        self._agents = agents
        self._numbers = numbers
        self._credentials = credentials
        self._conversations = conversations
        self._client = client
        self._clock = clock
        self._breakers: dict[str, dict[str, Breaker]] = {}

    async def setup(self, tenant_id: str, agent_id: str) -> AgentSetup:
        """Returns the agent that answers, with its tools; see `AgentDirectory`."""
        agent = await self._agents.get(tenant_id, agent_id)
        endpoints: dict[str, ToolEndpoint] = {}
        systems = await self._credentials.tools(tenant_id)
        if agent.order_status is not None and systems is not None:
            url = agent.order_status.url or f"{systems.base_url.rstrip('/')}/orders/{{order_id}}"
            parts = urlsplit(systems.base_url)
            endpoints["order_status"] = ToolEndpoint(
                "order_status", url, f"{parts.scheme}://{parts.netloc}", systems.bearer_token
            )
        tools = HttpTools(self._client, endpoints, self._breakers.setdefault(tenant_id, {}), self._clock)
        return AgentSetup(agent.profile, tools, agent.recording)

    async def language_for(self, tenant_id: str, contact_number: str, profile: AgentProfile) -> str:
        """Returns the contact's own language if the agent speaks it, else the agent's default."""
        contact = await self._conversations.find_contact(tenant_id, contact_number)
        known = contact.language if contact is not None else None
        return known if known in profile.languages and known is not None else profile.default_language

    async def resolve(self, e164: str) -> NumberRoute | None:
        """Returns where calls of a number go, or None if it is not ours or its tenant has no carrier account."""
        number = await self._numbers.find(e164)
        if number is None:
            return None
        account = await self._credentials.plivo(number.tenant_id)
        if account is None:
            return None
        return NumberRoute(number.tenant_id, number.agent_id, e164, account.auth_id, account.auth_token)

    async def account_of(self, tenant_id: str) -> CarrierAccount | None:
        """Returns a tenant's carrier account."""
        account = await self._credentials.plivo(tenant_id)
        return None if account is None else CarrierAccount(account.auth_id, account.auth_token)


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Services]:
    """Builds the shared services and closes their connections at the end.

    Raises:
        ConfigError: The stores' addresses are missing.
        PackError: A language pack is wrong.
        Unavailable: The store does not answer.
    """
    if settings.mongodb_url is None or settings.redis_url is None:
        raise ConfigError("the root must be given the addresses of its stores")
    clock = SystemClock()
    registry = await asyncio.to_thread(PackRegistry.load, settings.packs_dir)
    packs = {tag: registry.get(tag) for tag in registry.tags}
    understander = await asyncio.to_thread(Understander, registry, settings.data_dir / "models")
    async with AsyncExitStack() as exits:
        database = await Database.connect(settings.mongodb_url, settings.mongodb_database, clock)
        exits.callback(database.close)
        await database.ensure_indexes([index for room in _ROOMS for index in room.INDEXES])
        redis = Redis.from_url(settings.redis_url)
        exits.push_async_callback(redis.aclose)
        client = httpx.AsyncClient(follow_redirects=False)
        exits.push_async_callback(client.aclose)
        sender = GraphSender(settings.graph_api_url)
        exits.push_async_callback(sender.aclose)
        yield _assemble(settings, clock, database, redis, client, sender, registry, packs, understander)


def _assemble(
    settings: Settings,
    clock: Clock,
    database: Database,
    redis: Redis,
    client: httpx.AsyncClient,
    sender: GraphSender,
    registry: PackRegistry,
    packs: Mapping[str, Pack],
    understander: Understander,
) -> Services:
    master = MasterKey(settings.master_key.get_secret_value())
    vault = Vault(database, master)
    audit = AuditLog(database, clock)
    ledger = ConsentLedger(database, clock)
    suppressions = Suppressions(database, ledger, audit, clock)
    credentials = CredentialService(database, vault, master, clock)
    agents = AgentService(database, packs, audit, clock)
    numbers = PhoneNumberService(database, agents, audit, clock)
    conversations = ConversationService(database, clock)
    jobs = CeleryJobs(make_celery(celery_url(settings.redis_url or "")))
    directory = ConfiguredAgents(agents, numbers, credentials, conversations, client, clock)
    dialogue = DialogueEngine(registry)
    windows, store, inbox = Windows(database, clock), OutboxStore(database, clock), RawInbox(database, clock)
    outbox = WhatsAppOutbox(store, windows, credentials, suppressions, conversations, packs, jobs, clock)
    dispatcher = Dispatcher(
        store, outbox, windows, sender, conversations, credentials, suppressions, packs, jobs, clock
    )
    brain = DialogueBrain(understander, dialogue, directory, conversations, suppressions)
    ingest = Ingest(
        inbox, conversations, windows, store, outbox, dispatcher, suppressions, ledger, packs, brain, jobs, clock
    )
    return Services(
        settings=settings,
        clock=clock,
        database=database,
        redis=redis,
        registry=registry,
        packs=packs,
        vault=vault,
        audit=audit,
        keys=KeyService(database, master, audit, settings.operator_key.get_secret_value(), clock),
        tenants=TenantService(database, clock),
        credentials=credentials,
        agents=agents,
        phone_numbers=numbers,
        suppressions=suppressions,
        conversations=conversations,
        idempotency=Idempotency(database, vault),
        signals=Signals(redis),
        jobs=jobs,
        directory=directory,
        understander=understander,
        dialogue=dialogue,
        handoff=Handoff(conversations, outbox, ledger, suppressions, audit, packs, PackTopics(packs), clock),
        whatsapp_outbox=outbox,
        whatsapp_door=WebhookDoor(credentials, inbox, jobs),
        whatsapp_dispatcher=dispatcher,
        whatsapp_ingest=ingest,
    )


@asynccontextmanager
async def build_media(settings: Settings, shared: Services) -> AsyncIterator[MediaServices]:
    """Builds what carries calls, starts the speech workers, and ends every call at the end.

    Raises:
        SpeechWorkerLost: A speech worker did not start.
    """
    metrics = CollectorRegistry()
    counters = TelephonyMetrics(metrics)
    ears = Ears(model=settings.asr_model, threads=settings.speech_threads, capacity=settings.max_calls)
    mouth = Mouth()
    thinker = Thinker(shared.registry, shared.understander, shared.dialogue, mouth)
    clients = PlivoClients(settings.plivo_api_url)
    async with AsyncExitStack() as exits:
        exits.callback(clients.close)
        exits.push_async_callback(mouth.close)
        exits.push_async_callback(ears.close)
        exits.callback(thinker.close)
        await asyncio.gather(ears.start(), mouth.start())
        await thinker.start()
        calls = CallService(
            database=shared.database,
            clock=shared.clock,
            ears=ears,
            thinker=thinker,
            agents=shared.directory,
            actions=CallActions(shared.handoff, shared.suppressions, shared.conversations),
            vault=shared.vault,
            signals=shared.signals,
            recordings_dir=settings.data_dir / "recordings",
            max_call_seconds=settings.max_call_seconds,
            account_of=shared.directory.account_of,
        )
        urls = CarrierUrls(settings.public_url)
        tokens = StreamTokens(shared.redis, max_call_seconds=settings.max_call_seconds)
        transfers = TransferTargets(shared.redis)
        control = PlivoCallControl(
            registry=calls,
            clients=clients,
            transfers=transfers,
            urls=urls,
            max_call_seconds=settings.max_call_seconds,
        )
        media = MediaEndpoint(tokens=tokens, live_calls=calls.live, control=control, metrics=counters)
        webhooks = PlivoWebhooks(
            urls=urls,
            numbers=shared.directory,
            registry=calls,
            tokens=tokens,
            transfers=transfers,
            metrics=counters,
            max_call_seconds=settings.max_call_seconds,
            require_signatures=settings.require_signatures,
        )
        exits.push_async_callback(calls.live.drain, 0.0)
        exits.callback(media.shut_down)
        yield MediaServices(calls, ears, mouth, thinker, media, webhooks, metrics)
