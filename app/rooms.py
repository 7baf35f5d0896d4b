"""The rooms behind the REST face: what routes and jobs share."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

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
from app.changes.rules import ChangeRules
from app.changes.service import Changes
from app.compliance.consent import ConsentLedger
from app.compliance.killswitch import KillSwitches
from app.compliance.scrubs import Scrubs
from app.compliance.suppression import Suppressions
from app.config import Settings
from app.conversations.handoff import Handoff
from app.conversations.inbox import Inbox
from app.conversations.service import ConversationService
from app.conversations.sweep import SWEEP as CONVERSATION_SWEEP
from app.flows.service import FlowService
from app.integrations.agent_tools import ToolFactory
from app.integrations.numbers import NumberDirectory
from app.integrations.second_opinion import SecondOpinions
from app.kit.clock import Clock
from app.kit.idempotency import Idempotency
from app.kit.jobs import JobFunction, Jobs
from app.kit.mongo import Database
from app.kit.vault import Vault
from app.language.packs import Pack
from app.onboarding.readiness import Readiness
from app.onboarding.sign_ups import SignUps
from app.onboarding.test_rings import TestRings
from app.outbound.rooms import OutboundRooms
from app.outbound.service import OutboundService
from app.privacy.room import PrivacyRoom
from app.tenants.credentials import CredentialService
from app.tenants.limits import TenantLimits
from app.tenants.service import TenantService
from app.tenants.verification import ProviderChecks
from app.webhooks.delivery import SWEEP as WEBHOOK_SWEEP
from app.webhooks.delivery import WebhookDelivery
from app.webhooks.repository import WebhookRepository
from app.webhooks.service import DELIVER, Webhooks
from whatsapp import (
    tasks,
)
from whatsapp.account import AccountUpdates
from whatsapp.costs.ledger import Costs
from whatsapp.dispatch import Dispatcher
from whatsapp.holds import Holds
from whatsapp.inbox import RawInbox
from whatsapp.ingest import Ingest
from whatsapp.intake import Intake
from whatsapp.opt_ins import OptIns
from whatsapp.outbox import OutboxStore
from whatsapp.ports import ChatBrain
from whatsapp.sender import GraphSender
from whatsapp.service import WhatsAppOutbox
from whatsapp.templates.room import TemplateRoom
from whatsapp.webhook import WebhookDoor
from whatsapp.windows import Windows


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
    sign_ups: SignUps
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
    test_rings: TestRings
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
