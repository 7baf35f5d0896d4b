"""Builds this room out of the rooms below, for `app.building`."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.agents.lifecycle import Lifecycle
from app.agents.phone_numbers import PhoneNumberService
from app.agents.service import AgentService
from app.audit.log import AuditLog
from app.calls.allowance import CallAllowance
from app.calls.models import CallStatus
from app.calls.ports import CarrierAccount
from app.compliance.calling_rules import CallingRules
from app.compliance.consent import ConsentLedger
from app.compliance.killswitch import KillSwitches
from app.compliance.scrubs import Scrubs
from app.compliance.suppression import Suppressions
from app.config import Settings
from app.conversations.callbacks import Callbacks
from app.kit.clock import Clock
from app.kit.jobs import JobFunction, Jobs
from app.kit.mongo import Database
from app.kit.sealed import SealedText
from app.language.packs import Pack
from app.outbound.callbacks import CallbackDialling, TopicWords
from app.outbound.dialling import SWEEP, Dialling, Lines
from app.outbound.evidence import CallEvidence
from app.outbound.metrics import OutboundMetrics
from app.outbound.missed import MissedCalls
from app.outbound.ports import Dialler
from app.outbound.repository import OutboundRepository
from app.outbound.service import DIAL, OutboundService
from app.tenants.credentials import CredentialService


@dataclass(frozen=True, slots=True)
class OutboundRooms:
    """What routes, jobs and live calls use of it."""

    service: OutboundService
    dialling: Dialling
    dialler: Dialler
    callbacks: CallbackDialling

    def job_functions(self) -> Mapping[str, JobFunction]:
        """Returns the jobs by name."""
        return {DIAL: self.dialling.dial, SWEEP: self.sweep}

    async def sweep(self) -> None:
        """Places the callbacks that are due, then sees to every call that is."""
        await self.callbacks.run()
        await self.dialling.sweep()


def make_outbound(
    *,
    settings: Settings,
    rules: CallingRules,
    database: Database,
    sealed: SealedText,
    agents: AgentService,
    lifecycle: Lifecycle,
    allowance: CallAllowance,
    numbers: PhoneNumberService,
    credentials: CredentialService,
    consents: ConsentLedger,
    suppressions: Suppressions,
    scrubs: Scrubs,
    kill_switches: KillSwitches,
    packs: Mapping[str, Pack],
    dialler: Dialler,
    callbacks: Callbacks,
    missed: MissedCalls,
    topics: TopicWords,
    audit: AuditLog,
    jobs: Jobs,
    clock: Clock,
) -> OutboundRooms:
    """Returns the room."""
    calls = OutboundRepository(database, sealed)
    evidence = CallEvidence(
        agents=agents,
        lifecycle=lifecycle,
        numbers=numbers,
        credentials=credentials,
        consents=consents,
        suppressions=suppressions,
        scrubs=scrubs,
        kill_switches=kill_switches,
        calls=calls,
        packs=packs,
        allowance=allowance,
        most_calls_a_day=settings.outbound_calls_per_day,
    )
    service = OutboundService(
        calls=calls,
        evidence=evidence,
        rules=rules,
        agents=agents,
        numbers=numbers,
        audit=audit,
        jobs=jobs,
        metrics=OutboundMetrics(),
        clock=clock,
    )

    async def account_of(tenant_id: str) -> CarrierAccount | None:
        account = await credentials.plivo(tenant_id)
        return None if account is None else CarrierAccount(account.auth_id, account.auth_token)

    async def is_on_call(tenant_id: str, number: str) -> bool:
        live = {"$in": [CallStatus.RINGING, CallStatus.IN_PROGRESS]}
        query = {"contact_number": number, "status": live}
        return await database.tenant(tenant_id).collection("calls").find_one(query) is not None

    dialling = Dialling(
        service=service,
        dialler=dialler,
        account_of=account_of,
        is_on_call=is_on_call,
        full=allowance.full,
        missed=missed.follow,
        audit=audit,
        lines=Lines(settings.outbound_calls_at_once, settings.outbound_calls_per_second),
        max_call_seconds=settings.max_call_seconds,
        clock=clock,
    )
    wishes = CallbackDialling(callbacks, service, agents, consents, topics)
    return OutboundRooms(service, dialling, dialler, wishes)
