"""The REST face: the services that its routes need, and `mount`, which puts every router under /v1."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI

from app.agents import endpoints as agent_endpoints
from app.agents import number_endpoints as agent_number_endpoints
from app.agents import phone_numbers as agent_numbers
from app.agents import service as agent_service
from app.agents.changes import AgentChanges
from app.agents.lifecycle import Lifecycle
from app.agents.phone_numbers import PhoneNumberService
from app.agents.service import AgentService
from app.audit import log as audit_log
from app.audit.log import AuditLog
from app.auth import credential_endpoints, member_endpoints, number_endpoints
from app.auth import endpoints as auth_endpoints
from app.auth import members as auth_members
from app.auth import service as auth_service
from app.auth import sessions as auth_sessions
from app.auth.access import AccessLog
from app.auth.limits import ApiLimits
from app.auth.members import MemberService
from app.auth.once import taking_keys
from app.auth.service import KeyService
from app.auth.sessions import SessionService
from app.calls.allowance import CallAllowance
from app.changes import endpoints as change_endpoints
from app.changes import service as changes_service
from app.changes.endpoints import LOOSEN
from app.changes.rules import ChangeRules
from app.changes.service import Changes
from app.compliance import calling_endpoints, consent, killswitch, scrubs, suppression
from app.compliance import endpoints as compliance_endpoints
from app.compliance.calling_rules import load_rules
from app.compliance.consent import ConsentLedger
from app.compliance.killswitch import KillSwitches
from app.compliance.scrubs import Scrubs
from app.compliance.suppression import Suppressions
from app.config import Settings
from app.conversations import attachment_endpoints, desk_endpoints, people_endpoints, picking_endpoints
from app.conversations import endpoints as conversation_endpoints
from app.conversations import inbox as conversation_inbox
from app.conversations import repository as conversation_repository
from app.conversations.attachments import LARGEST_BYTES
from app.conversations.deadlines import Deadlines
from app.conversations.handoff import Handoff
from app.conversations.inbox import Inbox, make_inbox
from app.conversations.service import ConversationService
from app.conversations.sweep import SWEEP as CONVERSATION_SWEEP
from app.conversations.topics import PackTopics
from app.dialogue.flow_source import load_flows
from app.flows import endpoints as flow_endpoints
from app.flows import service as flow_service
from app.flows.service import FlowService
from app.integrations import approvals as tool_approvals
from app.integrations import endpoints as tool_endpoints
from app.integrations import ledger as tool_ledger
from app.integrations.agent_tools import ToolFactory
from app.integrations.approvals import Publish
from app.integrations.flow_facts import TenantToolFacts, flow_facts
from app.integrations.numbers import NumberDirectory
from app.integrations.second_opinion import SecondOpinions, choices_of
from app.integrations.tool_contracts import ToolContracts
from app.keys import Keys
from app.kit import idempotency
from app.kit.clock import Clock
from app.kit.crypto import MasterKey
from app.kit.idempotency import Idempotency
from app.kit.jobs import JobFunction, Jobs
from app.kit.mongo import Database
from app.kit.outbound import public_client
from app.kit.sealed import SealedText
from app.kit.vault import Vault
from app.language.contract import load_contract
from app.language.packs import Pack
from app.language.redaction import Redactor
from app.onboarding import endpoints as onboarding_endpoints
from app.onboarding import limit_endpoints
from app.onboarding.readiness import Readiness
from app.outbound import endpoints as outbound_endpoints
from app.outbound import repository as outbound_repository
from app.outbound.missed import MissedCalls
from app.outbound.rooms import OutboundRooms, make_outbound
from app.outbound.service import OutboundService
from app.privacy import endpoints as privacy_endpoints
from app.privacy import room as privacy_room
from app.privacy.room import PrivacyRoom
from app.speech.notes import Notes, recogniser
from app.telephony.rest import PlivoClients, PlivoDialler
from app.telephony.webhooks import CarrierUrls
from app.tenants import credentials as tenant_credentials
from app.tenants import service as tenant_service
from app.tenants.credentials import CredentialService
from app.tenants.limits import Limits, TenantLimits
from app.tenants.service import TenantService
from app.tenants.verification import ProviderChecks
from app.webhooks import endpoints as webhook_endpoints
from app.webhooks import repository as webhook_repository
from app.webhooks.delivery import SWEEP as WEBHOOK_SWEEP
from app.webhooks.delivery import WebhookDelivery
from app.webhooks.repository import WebhookRepository
from app.webhooks.service import DELIVER, Webhooks
from whatsapp import (
    account,
    account_endpoints,
    failure_endpoints,
    file_endpoints,
    hold_endpoints,
    inbox,
    media,
    opt_in_endpoints,
    outbox,
    parked_endpoints,
    retry_endpoints,
    tasks,
    windows,
)
from whatsapp import holds as hold_book
from whatsapp import opt_ins as opt_in_book
from whatsapp import webhook as whatsapp_webhook
from whatsapp.account import AccountUpdates
from whatsapp.costs import endpoints as cost_endpoints
from whatsapp.costs import ledger as cost_ledger
from whatsapp.costs.ledger import Costs
from whatsapp.dispatch import Dispatcher
from whatsapp.graph_media import GraphMedia
from whatsapp.holds import Holds
from whatsapp.inbox import RawInbox
from whatsapp.ingest import Ingest
from whatsapp.intake import Intake
from whatsapp.media import MediaFetches
from whatsapp.opt_ins import OptIns
from whatsapp.outbox import OutboxStore
from whatsapp.outgoing import OutgoingFiles
from whatsapp.pacing import Pacing
from whatsapp.ports import ChatBrain
from whatsapp.sender import GraphSender
from whatsapp.service import WhatsAppOutbox
from whatsapp.templates import endpoints as template_endpoints
from whatsapp.templates import room as template_room
from whatsapp.templates.room import TemplateRoom
from whatsapp.webhook import WebhookDoor
from whatsapp.windows import Windows

INDEXES = (
    *tenant_service.INDEXES,
    *tenant_credentials.INDEXES,
    *auth_service.INDEXES,
    *auth_members.INDEXES,
    *auth_sessions.INDEXES,
    *audit_log.INDEXES,
    *consent.INDEXES,
    *killswitch.INDEXES,
    *suppression.INDEXES,
    *scrubs.INDEXES,
    *outbound_repository.INDEXES,
    *agent_service.INDEXES,
    *agent_numbers.INDEXES,
    *flow_service.INDEXES,
    *changes_service.INDEXES,
    *tool_ledger.INDEXES,
    *tool_approvals.INDEXES,
    *conversation_repository.INDEXES,
    *conversation_inbox.INDEXES,
    *outbox.INDEXES,
    *windows.INDEXES,
    *inbox.INDEXES,
    *account.INDEXES,
    *template_room.INDEXES,
    *cost_ledger.INDEXES,
    *hold_book.INDEXES,
    *media.INDEXES,
    *opt_in_book.INDEXES,
    *idempotency.INDEXES,
    *webhook_repository.INDEXES,
    *privacy_room.INDEXES,
)
"""For `Database.ensure_indexes`, run by the root at start-up."""

BODY_BYTES = {
    "/v1/attachments": LARGEST_BYTES + 65_536,
    r"/v1/flow-sets/[^/]+/draft": 16_000_000,
    "/v1/whatsapp/webhook": 4_000_000,
}
"""For `BodyLimitMiddleware`: the paths that read more than others. Source: Meta sends updates of up to 3 MB."""


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
    tenant_limits: TenantLimits
    allowance: CallAllowance
    credentials: CredentialService
    provider_checks: ProviderChecks
    keys: KeyService
    members: MemberService
    sessions: SessionService
    limits: ApiLimits | None
    access: AccessLog
    change_rules: ChangeRules
    changes: Changes
    consents: ConsentLedger
    kill_switches: KillSwitches
    scrubs: Scrubs
    outbound_rooms: OutboundRooms
    suppressions: Suppressions
    agents: AgentService
    phone_numbers: PhoneNumberService
    lifecycle: Lifecycle
    readiness: Readiness
    numbers: NumberDirectory
    flows: FlowService
    tools: ToolFactory
    opinions: SecondOpinions
    webhooks: Webhooks
    webhook_store: WebhookRepository
    webhook_delivery: WebhookDelivery
    http: httpx.AsyncClient
    conversations: ConversationService
    privacy: PrivacyRoom
    inbox: Inbox
    handoff: Handoff
    graph: GraphSender
    templates: TemplateRoom
    whatsapp_store: OutboxStore
    whatsapp_windows: Windows
    whatsapp_outbox: WhatsAppOutbox
    whatsapp_costs: Costs
    whatsapp_holds: Holds
    whatsapp_dispatcher: Dispatcher
    whatsapp_inbox: RawInbox
    whatsapp_door: WebhookDoor
    whatsapp_account: AccountUpdates
    whatsapp_intake: Intake
    whatsapp_opt_ins: OptIns

    @property
    def outbound(self) -> OutboundService:
        """Calls that are placed."""
        return self.outbound_rooms.service

    async def aclose(self) -> None:
        """Closes connections to providers; the database belongs to the root."""
        await self.graph.aclose()
        await self.whatsapp_intake.media.aclose()
        await self.provider_checks.aclose()
        await self.tools.aclose()
        self.outbound_rooms.dialler.close()
        await self.http.aclose()

    def ingest(self, brain: ChatBrain) -> Ingest:
        """Returns the ingestion of WhatsApp webhooks, answered by `brain`."""
        return self.whatsapp_intake.ingest(brain)

    def job_functions(self, brain: ChatBrain) -> Mapping[str, JobFunction]:
        """Returns the jobs of these rooms by name, for `app.kit.jobs.register`."""
        return {
            **tasks.functions(
                self.whatsapp_dispatcher, self.ingest(brain), self.templates.sync, self.whatsapp_intake.fetcher(brain)
            ),
            **self.tools.job_functions(),
            **self.privacy.job_functions(),
            **self.outbound_rooms.job_functions(),
            DELIVER: self.webhook_delivery.deliver,
            WEBHOOK_SWEEP: self.webhook_delivery.sweep,
            CONVERSATION_SWEEP: self.inbox.sweep.run,
        }


async def _unheard(tenant_id: str, message: Mapping[str, Any]) -> None:
    """Signals nobody."""


def build(
    settings: Settings,
    database: Database,
    jobs: Jobs,
    packs: Mapping[str, Pack],
    clock: Clock,
    limits: ApiLimits | None = None,
    publish: Publish = _unheard,
    keys: Keys | None = None,
    pacing: Pacing | None = None,
) -> Services:
    """Builds the services of one process.

    Args:
        settings: The configuration.
        database: Connected; the root closes it.
        jobs: Where work for later goes.
        packs: BCP-47 tag -> pack.
        clock: Time.
        limits: How much of the API a tenant may use; None: as much as it wants.
        publish: Tells listeners of a tenant what happened.
        keys: As opened by the root; None: the master key of the settings alone.
        pacing: How fast WhatsApp messages leave; None: as fast as they come.
    """
    master = keys.master if keys is not None else MasterKey(settings.master_key.get_secret_value())
    vault = Vault(database, keys.ring if keys is not None else master)
    sealed = SealedText(vault)
    redact = Redactor(packs)
    audit = AuditLog(database, clock, redact)
    credentials = CredentialService(database, sealed, master, clock)
    contracts, pack_contract = ToolContracts.load(), load_contract(settings.packs_dir)
    load_flows(contract=pack_contract, tools=flow_facts(contracts))
    change_rules = ChangeRules(database, audit)
    limited = TenantLimits(database, Limits(**settings.default_limits))
    allowance = CallAllowance(database, limited, clock)
    agents = AgentService(database, packs.keys(), contracts, limited, audit, clock)
    phone_numbers = PhoneNumberService(database, agents, load_rules(), limited, audit, clock)
    lifecycle = Lifecycle(database, master.digest, audit, clock)
    consents = ConsentLedger(database, clock, redact, audit)
    webhook_store = WebhookRepository(database, sealed, clock)
    webhooks = Webhooks(webhook_store, audit, jobs, clock, redact)
    suppressions = Suppressions(database, consents, audit, clock, webhooks.publish, redact)
    deadlines = Deadlines(database)
    conversations = ConversationService(database, sealed, clock, publish, deadlines)
    conversations.on_linked = suppressions.share
    store, window_store = OutboxStore(database, sealed, clock, publish), Windows(database, clock)
    graph = GraphSender(settings.graph_api_url)
    raw_inbox = RawInbox(database, sealed, clock)
    templates = template_room.build(
        database=database,
        credentials=credentials,
        graph=graph,
        purposes={name: category for name, (category, _) in pack_contract.templates.items()},
        packs=packs,
        audit=audit,
        publish=publish,
        jobs=jobs,
        clock=clock,
    )
    account_updates = AccountUpdates(database, audit, clock)
    templates.updates.listen(account_updates)
    costs, holds = Costs(database, audit), Holds(database, audit, publish, webhooks.publish, clock)
    way_out = WhatsAppOutbox(
        store, window_store, credentials, suppressions, conversations, packs, templates.door, costs, jobs, clock
    )
    topics = PackTopics(packs)
    tools = ToolFactory(
        client=public_client(allow_private=settings.environment != "production"),
        contracts=contracts,
        credentials=credentials,
        agents=agents,
        conversations=conversations,
        outbox=way_out,
        packs=packs,
        topics=topics,
        database=database,
        sealed=sealed,
        master=master,
        audit=audit,
        jobs=jobs,
        clock=clock,
        publish=publish,
        rules=change_rules,
    )
    kinds = {LOOSEN: change_rules.kind(), **AgentChanges(agents, phone_numbers).kinds()}
    http = public_client(allow_private=settings.environment != "production")
    tenants, switches = TenantService(database, clock), KillSwitches(database, audit, clock, webhooks.publish)
    flows = FlowService(database, pack_contract, TenantToolFacts(contracts, agents), change_rules, audit, clock)
    members = MemberService(database, master, limited, audit, clock)
    inbox_rooms = make_inbox(
        database=database,
        vault=vault,
        files_dir=settings.data_dir / "attachments",
        members=members,
        conversations=conversations,
        deadlines=deadlines,
        outbox=way_out,
        packs=packs,
        ledger=consents,
        topics=topics,
        audit=audit,
        clock=clock,
        signal=publish,
        publish=webhooks.publish,
    )
    dnd_scrubs = Scrubs(database, audit)
    handoff = Handoff(conversations, way_out, consents, suppressions, audit, packs, topics, clock, inbox_rooms.router)
    outbound_rooms = make_outbound(
        settings=settings,
        database=database,
        sealed=sealed,
        lifecycle=lifecycle,
        allowance=allowance,
        agents=agents,
        numbers=phone_numbers,
        credentials=credentials,
        consents=consents,
        suppressions=suppressions,
        scrubs=dnd_scrubs,
        kill_switches=switches,
        packs=packs,
        dialler=PlivoDialler(
            PlivoClients(settings.plivo_api_url), CarrierUrls(settings.public_url), settings.max_call_seconds
        ),
        callbacks=inbox_rooms.callbacks,
        missed=MissedCalls(handoff, conversations, agents),
        topics=topics,
        audit=audit,
        jobs=jobs,
        clock=clock,
    )
    graph_media = GraphMedia(settings.graph_api_url)
    dispatcher = Dispatcher(
        store,
        way_out,
        window_store,
        graph,
        conversations,
        credentials,
        suppressions,
        templates.standing,
        costs,
        holds,
        OutgoingFiles(inbox_rooms.attachments, graph_media, graph),
        jobs,
        clock,
        pacing,
    )
    opt_ins = OptIns(database, consents, suppressions, conversations, audit, clock)
    intake = Intake(
        raw=raw_inbox,
        account=account_updates,
        conversations=conversations,
        windows=window_store,
        store=store,
        outbox=way_out,
        dispatcher=dispatcher,
        ledger=consents,
        suppressions=suppressions,
        credentials=credentials,
        packs=packs,
        inbox=inbox_rooms,
        fetches=MediaFetches(database, jobs, clock),
        media=graph_media,
        notes=Notes(
            recogniser(
                settings.asr_engine,
                settings.asr_model,
                settings.asr_models,
                settings.asr_device,
                settings.speech_threads,
            )
        ),
        opt_ins=opt_ins,
        jobs=jobs,
        clock=clock,
    )
    return Services(
        settings=settings,
        clock=clock,
        database=database,
        packs=packs,
        jobs=jobs,
        vault=vault,
        idempotency=Idempotency(database, vault),
        audit=audit,
        tenants=tenants,
        tenant_limits=limited,
        allowance=allowance,
        credentials=credentials,
        provider_checks=ProviderChecks(
            settings.plivo_api_url,
            settings.graph_api_url,
            httpx.AsyncClient(trust_env=settings.environment == "production"),
            http,
        ),
        keys=KeyService(database, master, audit, settings.operator_key.get_secret_value(), clock),
        members=members,
        sessions=SessionService(database, members, sealed, master, audit, clock),
        limits=limits,
        access=AccessLog(audit, clock),
        change_rules=change_rules,
        changes=Changes(database, change_rules, sealed, kinds, audit, clock),
        consents=consents,
        kill_switches=switches,
        scrubs=dnd_scrubs,
        outbound_rooms=outbound_rooms,
        privacy=privacy_room.build(
            database=database,
            vault=vault,
            master=master,
            data_dir=settings.data_dir,
            tenants=tenants,
            switches=switches,
            forget_caller=tools.checks.forget,
            audit=audit,
            jobs=jobs,
            clock=clock,
        ),
        suppressions=suppressions,
        agents=agents,
        flows=flows,
        lifecycle=lifecycle,
        readiness=Readiness(agents, phone_numbers, credentials, flows, switches, lifecycle, packs),
        phone_numbers=phone_numbers,
        numbers=NumberDirectory(phone_numbers, credentials),
        tools=tools,
        opinions=SecondOpinions(http, credentials, redact, choices_of(pack_contract), clock),
        webhooks=webhooks,
        webhook_store=webhook_store,
        webhook_delivery=WebhookDelivery(webhook_store, http, audit, jobs, clock),
        http=http,
        conversations=conversations,
        inbox=inbox_rooms,
        handoff=handoff,
        graph=graph,
        templates=templates,
        whatsapp_store=store,
        whatsapp_windows=window_store,
        whatsapp_outbox=way_out,
        whatsapp_costs=costs,
        whatsapp_holds=holds,
        whatsapp_dispatcher=dispatcher,
        whatsapp_inbox=raw_inbox,
        whatsapp_door=WebhookDoor(credentials, raw_inbox, jobs),
        whatsapp_account=account_updates,
        whatsapp_intake=intake,
        whatsapp_opt_ins=opt_ins,
    )


def mount(app: FastAPI, *more: APIRouter) -> None:
    """Puts the rooms' routers under /v1.

    Args:
        app: The application; the root installs problem documents, and puts a `Services` in `app.state.services`.
        *more: Routers of other rooms, such as calls.
    """
    own = (
        auth_endpoints.router,
        credential_endpoints.router,
        number_endpoints.router,
        member_endpoints.router,
        compliance_endpoints.router,
        privacy_endpoints.router,
        change_endpoints.router,
        calling_endpoints.router,
        outbound_endpoints.router,
        webhook_endpoints.router,
        agent_endpoints.router,
        agent_number_endpoints.router,
        onboarding_endpoints.router,
        limit_endpoints.router,
        flow_endpoints.router,
        tool_endpoints.router,
        conversation_endpoints.router,
        desk_endpoints.router,
        people_endpoints.router,
        picking_endpoints.router,
        attachment_endpoints.router,
        whatsapp_webhook.router,
        parked_endpoints.router,
        failure_endpoints.router,
        retry_endpoints.router,
        account_endpoints.router,
        file_endpoints.router,
        opt_in_endpoints.router,
        template_endpoints.router,
        cost_endpoints.router,
        hold_endpoints.router,
    )
    for router in (*own, *more):
        app.include_router(taking_keys(router), prefix="/v1")
