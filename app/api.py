"""The REST face: the services that its routes need, and `mount`, which puts every router under /v1."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from fastapi import APIRouter, FastAPI

from app.agents import endpoints as agent_endpoints
from app.agents import service as agent_service
from app.agents.service import AgentService, PhoneNumberService
from app.audit import log as audit_log
from app.audit.log import AuditLog
from app.auth import endpoints as auth_endpoints
from app.auth import service as auth_service
from app.auth.service import KeyService
from app.compliance import consent, suppression
from app.compliance.consent import ConsentLedger
from app.compliance.suppression import Suppressions
from app.config import Settings
from app.conversations import endpoints as conversation_endpoints
from app.conversations import repository as conversation_repository
from app.conversations.handoff import Handoff
from app.conversations.sealed import SealedText
from app.conversations.service import ConversationService
from app.conversations.topics import PackTopics
from app.integrations.agent_tools import ToolFactory
from app.integrations.numbers import NumberDirectory
from app.kit import idempotency
from app.kit.clock import Clock
from app.kit.crypto import MasterKey
from app.kit.idempotency import Idempotency
from app.kit.jobs import JobFunction, Jobs
from app.kit.mongo import Database
from app.kit.vault import Vault
from app.language.packs import Pack
from app.tenants import credentials as tenant_credentials
from app.tenants import service as tenant_service
from app.tenants.credentials import CredentialService
from app.tenants.service import TenantService
from whatsapp import inbox, outbox, tasks, windows
from whatsapp import webhook as whatsapp_webhook
from whatsapp.dispatch import Dispatcher
from whatsapp.inbox import RawInbox
from whatsapp.ingest import Ingest
from whatsapp.outbox import OutboxStore
from whatsapp.ports import ChatBrain
from whatsapp.sender import GraphSender
from whatsapp.service import WhatsAppOutbox
from whatsapp.webhook import WebhookDoor
from whatsapp.windows import Windows

INDEXES = (
    *tenant_service.INDEXES,
    *tenant_credentials.INDEXES,
    *auth_service.INDEXES,
    *audit_log.INDEXES,
    *consent.INDEXES,
    *suppression.INDEXES,
    *agent_service.INDEXES,
    *conversation_repository.INDEXES,
    *outbox.INDEXES,
    *windows.INDEXES,
    *inbox.INDEXES,
    *idempotency.INDEXES,
)
"""For `Database.ensure_indexes`, run by the root at start-up."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that routes and jobs share, built once per process; a route reads it from `app.state.services`."""

    settings: Settings
    clock: Clock
    database: Database
    packs: Mapping[str, Pack]
    jobs: Jobs
    vault: Vault
    idempotency: Idempotency
    audit: AuditLog
    tenants: TenantService
    credentials: CredentialService
    keys: KeyService
    consents: ConsentLedger
    suppressions: Suppressions
    agents: AgentService
    phone_numbers: PhoneNumberService
    numbers: NumberDirectory
    tools: ToolFactory
    conversations: ConversationService
    handoff: Handoff
    http: httpx.AsyncClient
    graph: GraphSender
    whatsapp_store: OutboxStore
    whatsapp_windows: Windows
    whatsapp_outbox: WhatsAppOutbox
    whatsapp_dispatcher: Dispatcher
    whatsapp_inbox: RawInbox
    whatsapp_door: WebhookDoor

    async def aclose(self) -> None:
        """Closes connections to providers; the database belongs to the root."""
        await self.graph.aclose()
        await self.http.aclose()

    def ingest(self, brain: ChatBrain) -> Ingest:
        """Returns the ingestion of WhatsApp webhooks, answered by `brain`."""
        return Ingest(
            self.whatsapp_inbox,
            self.conversations,
            self.whatsapp_windows,
            self.whatsapp_store,
            self.whatsapp_outbox,
            self.whatsapp_dispatcher,
            self.suppressions,
            self.consents,
            self.packs,
            brain,
            self.jobs,
            self.clock,
        )

    def job_functions(self, brain: ChatBrain) -> Mapping[str, JobFunction]:
        """Returns the jobs of these rooms by name, for `app.kit.jobs.register`."""
        return tasks.functions(self.whatsapp_dispatcher, self.ingest(brain))


def build(settings: Settings, database: Database, jobs: Jobs, packs: Mapping[str, Pack], clock: Clock) -> Services:
    """Builds the services of one process.

    Args:
        settings: The configuration.
        database: Connected; the root closes it.
        jobs: Where work for later goes.
        packs: BCP-47 tag -> pack.
        clock: Time.
    """
    master = MasterKey(settings.master_key.get_secret_value())
    vault = Vault(database, master)
    audit = AuditLog(database, clock)
    credentials = CredentialService(database, vault, master, clock)
    agents = AgentService(database, frozenset(packs), audit, clock)
    phone_numbers = PhoneNumberService(database, agents, audit, clock)
    consents = ConsentLedger(database, clock)
    suppressions = Suppressions(database, consents, audit, clock)
    sealed = SealedText(vault)
    conversations = ConversationService(database, sealed, clock)
    store, window_store = OutboxStore(database, sealed, clock), Windows(database, clock)
    graph = GraphSender(settings.graph_api_url)
    raw_inbox = RawInbox(database, sealed, clock)
    way_out = WhatsAppOutbox(store, window_store, credentials, suppressions, conversations, packs, jobs, clock)
    http = httpx.AsyncClient(follow_redirects=False, timeout=5.0)
    return Services(
        settings=settings,
        clock=clock,
        database=database,
        packs=packs,
        jobs=jobs,
        vault=vault,
        idempotency=Idempotency(database, vault),
        audit=audit,
        tenants=TenantService(database, clock),
        credentials=credentials,
        keys=KeyService(database, master, audit, settings.operator_key.get_secret_value(), clock),
        consents=consents,
        suppressions=suppressions,
        agents=agents,
        phone_numbers=phone_numbers,
        numbers=NumberDirectory(phone_numbers, credentials),
        tools=ToolFactory(http, credentials, clock),
        conversations=conversations,
        handoff=Handoff(conversations, way_out, consents, suppressions, audit, packs, PackTopics(packs), clock),
        http=http,
        graph=graph,
        whatsapp_store=store,
        whatsapp_windows=window_store,
        whatsapp_outbox=way_out,
        whatsapp_dispatcher=Dispatcher(
            store, way_out, window_store, graph, conversations, credentials, suppressions, packs, jobs, clock
        ),
        whatsapp_inbox=raw_inbox,
        whatsapp_door=WebhookDoor(credentials, raw_inbox, jobs),
    )


def mount(app: FastAPI, *more: APIRouter) -> None:
    """Puts the rooms' routers under /v1.

    Args:
        app: The application; the root installs problem documents, and puts a `Services` in `app.state.services`.
        *more: Routers of other rooms, such as calls.
    """
    own = (
        auth_endpoints.router,
        agent_endpoints.router,
        conversation_endpoints.router,
        whatsapp_webhook.router,
    )
    for router in (*own, *more):
        app.include_router(router, prefix="/v1")
