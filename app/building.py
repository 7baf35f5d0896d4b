"""Builds the rooms of one process, from the bottom up."""

from collections.abc import Mapping
from typing import Any

import httpx

from app.agents.changes import AgentChanges
from app.agents.lifecycle import Lifecycle
from app.agents.phone_numbers import PhoneNumberService
from app.agents.service import AgentService
from app.audit.log import AuditLog
from app.auth.access import AccessLog
from app.auth.limits import ApiLimits
from app.auth.members import MemberService
from app.auth.service import KeyService
from app.auth.sessions import SessionService
from app.calls.allowance import CallAllowance
from app.changes.endpoints import LOOSEN
from app.changes.rules import ChangeRules
from app.changes.service import Changes
from app.compliance.consent import ConsentLedger
from app.compliance.killswitch import KillSwitches
from app.compliance.scrubs import Scrubs
from app.compliance.suppression import Suppressions
from app.config import Settings
from app.conversations.deadlines import Deadlines
from app.conversations.handoff import Handoff
from app.conversations.inbox import make_inbox
from app.conversations.service import ConversationService
from app.conversations.topics import PackTopics
from app.flows.service import FlowService
from app.integrations.agent_tools import ToolFactory
from app.integrations.approvals import Publish
from app.integrations.flow_facts import TenantToolFacts
from app.integrations.numbers import NumberDirectory
from app.integrations.second_opinion import SecondOpinions, choices_of
from app.keys import Keys
from app.kit.clock import Clock
from app.kit.crypto import MasterKey
from app.kit.idempotency import Idempotency
from app.kit.jobs import Jobs
from app.kit.mongo import Database
from app.kit.outbound import public_client
from app.kit.sealed import SealedText
from app.kit.tls import trusted
from app.kit.vault import Vault
from app.language.packs import Pack
from app.language.redaction import Redactor
from app.onboarding.readiness import Readiness
from app.onboarding.sign_ups import SignUps
from app.onboarding.test_rings import TestRings
from app.outbound.missed import MissedCalls
from app.outbound.rooms import make_outbound
from app.privacy import room as privacy_room
from app.rooms import Services
from app.shipped import Shipped
from app.speech.notes import Notes, recogniser
from app.telephony.rest import PlivoClients, PlivoDialler
from app.telephony.webhooks import CarrierUrls
from app.tenants.credentials import CredentialService
from app.tenants.limits import Limits, TenantLimits
from app.tenants.service import TenantService
from app.tenants.verification import ProviderChecks
from app.webhooks.delivery import WebhookDelivery
from app.webhooks.repository import WebhookRepository
from app.webhooks.service import Webhooks
from whatsapp import rooms as whatsapp_rooms
from whatsapp.pacing import Pacing


async def _unheard(tenant_id: str, message: Mapping[str, Any]) -> None:
    """Signals nobody."""


def build(
    settings: Settings,
    database: Database,
    jobs: Jobs,
    packs: Mapping[str, Pack],
    shipped: Shipped,
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
        shipped: What no tenant changes.
        clock: Time.
        limits: How much of the API a tenant may use; None: as much as it wants.
        publish: Tells listeners of a tenant what happened.
        keys: As opened by the root; None: the master key of the settings alone.
        pacing: How fast WhatsApp messages leave; None: as fast as they come.
    """
    master = keys.master if keys is not None else MasterKey(settings.master_key.get_secret_value())
    vault = Vault(database, keys.ring if keys is not None else master)
    production = settings.environment == "production"
    sealed = SealedText(vault)
    redact = Redactor(packs)
    audit = AuditLog(database, clock, redact)
    credentials = CredentialService(database, sealed, master, clock)
    change_rules = ChangeRules(database, audit)
    limited = TenantLimits(database, Limits(**settings.default_limits))
    allowance = CallAllowance(database, limited, clock)
    agents = AgentService(database, packs.keys(), shipped.tools, limited, audit, clock)
    phone_numbers = PhoneNumberService(database, agents, shipped.calling, limited, audit, clock)
    lifecycle = Lifecycle(database, master.digest, audit, clock)
    consents = ConsentLedger(database, clock, redact, audit)
    webhook_store = WebhookRepository(database, sealed, clock)
    webhooks = Webhooks(webhook_store, audit, jobs, clock, redact)
    suppressions = Suppressions(database, consents, audit, clock, webhooks.publish, redact)
    deadlines = Deadlines(database)
    conversations = ConversationService(database, sealed, clock, publish, deadlines)
    conversations.on_linked = suppressions.share
    ground = whatsapp_rooms.Ground(
        database=database,
        sealed=sealed,
        credentials=credentials,
        suppressions=suppressions,
        conversations=conversations,
        packs=packs,
        audit=audit,
        signal=publish,
        publish=webhooks.publish,
        jobs=jobs,
        clock=clock,
    )
    purposes = {name: category for name, (category, _) in shipped.packs.templates.items()}
    way_out = whatsapp_rooms.make_way_out(ground, settings.graph_api_url, purposes)
    topics = PackTopics(packs)
    tools = ToolFactory(
        client=public_client(allow_private=not production),
        contracts=shipped.tools,
        credentials=credentials,
        agents=agents,
        conversations=conversations,
        outbox=way_out.outbox,
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
    http = public_client(allow_private=not production)
    tenants, switches = TenantService(database, clock), KillSwitches(database, audit, clock, webhooks.publish)
    facts = TenantToolFacts(shipped.tools, agents)
    flows = FlowService(database, shipped.packs, packs.keys(), facts, change_rules, audit, clock)
    api_keys = KeyService(database, master, audit, settings.operator_key.get_secret_value(), clock)
    members = MemberService(database, master, limited, audit, clock)
    inbox_rooms = make_inbox(
        database=database,
        vault=vault,
        files_dir=settings.data_dir / "attachments",
        members=members,
        conversations=conversations,
        deadlines=deadlines,
        outbox=way_out.outbox,
        packs=packs,
        ledger=consents,
        topics=topics,
        audit=audit,
        clock=clock,
        signal=publish,
        publish=webhooks.publish,
    )
    dnd_scrubs = Scrubs(database, audit)
    handoff = Handoff(
        conversations, way_out.outbox, consents, suppressions, audit, packs, topics, clock, inbox_rooms.router
    )
    outbound_rooms = make_outbound(
        settings=settings,
        rules=shipped.calling,
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
    notes = recogniser(
        settings.asr_engine, settings.asr_model, settings.asr_models, settings.asr_device, settings.speech_threads
    )
    way_in = whatsapp_rooms.make_way_in(
        ground,
        way_out,
        graph_url=settings.graph_api_url,
        people=inbox_rooms,
        ledger=consents,
        notes=Notes(notes),
        pacing=pacing,
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
            httpx.AsyncClient(trust_env=production, verify=trusted(from_environment=production)),
            http,
        ),
        keys=api_keys,
        members=members,
        sign_ups=SignUps(settings, database, master, vault, tenants, members, api_keys, audit, clock),
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
        test_rings=TestRings(database, agents, lifecycle, consents, outbound_rooms.service, topics, clock),
        readiness=Readiness(agents, phone_numbers, credentials, flows, switches, lifecycle, packs),
        phone_numbers=phone_numbers,
        numbers=NumberDirectory(phone_numbers, credentials),
        tools=tools,
        opinions=SecondOpinions(http, credentials, redact, choices_of(shipped.packs), clock),
        webhooks=webhooks,
        webhook_store=webhook_store,
        webhook_delivery=WebhookDelivery(webhook_store, http, audit, jobs, clock),
        http=http,
        conversations=conversations,
        inbox=inbox_rooms,
        handoff=handoff,
        graph=way_out.graph,
        templates=way_out.templates,
        whatsapp_store=way_out.store,
        whatsapp_windows=way_out.windows,
        whatsapp_outbox=way_out.outbox,
        whatsapp_costs=way_out.costs,
        whatsapp_holds=way_out.holds,
        whatsapp_dispatcher=way_in.dispatcher,
        whatsapp_inbox=way_in.raw,
        whatsapp_door=way_in.door,
        whatsapp_account=way_out.account,
        whatsapp_intake=way_in.intake,
        whatsapp_opt_ins=way_in.opt_ins,
    )
