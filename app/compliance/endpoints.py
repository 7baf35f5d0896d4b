"""The compliance officer's doors: kill switches, the audit log and its proof, consents and the do-not-contact list."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from app.audit.log import AuditLog
from app.auth.guard import holding, operator
from app.auth.models import AuthSubject
from app.compliance.consent import ConsentLedger
from app.compliance.killswitch import KillSwitches
from app.compliance.models import ConsentChannel
from app.compliance.schemas import (
    E164,
    AuditEntryView,
    AuditVerification,
    ConsentView,
    KillSwitchList,
    KillSwitchSet,
    KillSwitchView,
    SuppressionCreate,
    SuppressionList,
    SuppressionView,
)
from app.compliance.suppression import Suppressions
from app.kit.pagination import Page, Paging, to_page
from app.kit.problem import responses
from app.kit.wiring import service

router = APIRouter(tags=["compliance"], responses=responses(401, 403, 422, 429, 503))

ReadAudit = Annotated[AuthSubject, Depends(holding("audit:read"))]
ReadCompliance = Annotated[AuthSubject, Depends(holding("compliance:read"))]
WriteCompliance = Annotated[AuthSubject, Depends(holding("compliance:write"))]
ReadSwitch = Annotated[AuthSubject, Depends(holding("kill_switch:read"))]
WriteSwitch = Annotated[AuthSubject, Depends(holding("kill_switch:write"))]
Phone = Annotated[str, Query(pattern=E164, description="E.164, the + as %2B.")]


_switches = service("kill_switches", KillSwitches)
_audit = service("audit", AuditLog)
_consents = service("consents", ConsentLedger)
_suppressions = service("suppressions", Suppressions)


Switches = Annotated[KillSwitches, Depends(_switches)]
Audit = Annotated[AuditLog, Depends(_audit)]
Consents = Annotated[ConsentLedger, Depends(_consents)]
Blocked = Annotated[Suppressions, Depends(_suppressions)]


@router.get("/kill-switch", operation_id="list_kill_switches", summary="Show the kill switches")
async def list_kill_switches(subject: ReadSwitch, switches: Switches) -> KillSwitchList:
    """Shows every switch that bears on the tenant, the operator's included; one that was never set is not listed."""
    return KillSwitchList(data=[KillSwitchView.of(switch) for switch in await switches.of(subject.tenant_id)])


@router.put("/kill-switch", operation_id="set_kill_switch", summary="Set the tenant's kill switch")
async def set_kill_switch(subject: WriteSwitch, body: KillSwitchSet, switches: Switches) -> KillSwitchView:
    """Sets what all agents of the tenant may still do: new calls at once, live calls at their next turn.

    `transfer_only` hands every call to a person, `whatsapp_only` moves it to WhatsApp, `stop` ends it; each is said to
    the caller in their language.
    """
    switch = await switches.set(body.mode, actor=subject.key_id, reason=body.reason, tenant_id=subject.tenant_id)
    return KillSwitchView.of(switch)


@router.put(
    "/agents/{agent_id}/kill-switch",
    operation_id="set_agent_kill_switch",
    summary="Set an agent's kill switch",
    responses=responses(404),
)
async def set_agent_kill_switch(
    request: Request, agent_id: str, subject: WriteSwitch, body: KillSwitchSet, switches: Switches
) -> KillSwitchView:
    """Sets what one agent may still do."""
    await request.app.state.services.agents.get(subject.tenant_id, agent_id)
    switch = await switches.set(
        body.mode, actor=subject.key_id, reason=body.reason, tenant_id=subject.tenant_id, agent_id=agent_id
    )
    return KillSwitchView.of(switch)


@router.put(
    "/kill-switches/all",
    operation_id="set_everyones_kill_switch",
    summary="Set everyone's kill switch",
    dependencies=[Depends(operator)],
)
async def set_everyones_kill_switch(body: KillSwitchSet, switches: Switches) -> KillSwitchView:
    """Sets what the agents of all tenants may still do. Needs the operator's key."""
    return KillSwitchView.of(await switches.set(body.mode, actor="operator", reason=body.reason))


@router.get("/audit-entries", operation_id="list_audit_entries", summary="List the audit log")
async def list_audit_entries(subject: ReadAudit, audit: Audit, paging: Paging) -> Page[AuditEntryView]:
    """Lists who did what to which id, newest first."""
    found = await audit.page(subject.tenant_id, paging.limit, paging.starting_after)
    return to_page(found, lambda document: AuditEntryView.of(audit.entry_of(document)))


@router.get(
    "/audit-entries/verification",
    operation_id="verify_audit_log",
    summary="Prove the audit log",
    responses=responses(400),
)
async def verify_audit_log(
    subject: ReadAudit,
    audit: Audit,
    head: Annotated[
        str | None, Query(pattern=r"^\d{1,12}:[0-9a-f]{64}$", description="`head` of an earlier verification.")
    ] = None,
) -> AuditVerification:
    """Walks the whole chain; with an earlier `head`, also proves that nothing up to it was cut off or rewritten."""
    check = await audit.verify(subject.tenant_id, head)
    return AuditVerification(
        intact=check.intact, entries=check.entries, first_broken_seq=check.first_broken_seq, head=check.head
    )


@router.get("/consents", operation_id="list_consents", summary="List a person's consents")
async def list_consents(subject: ReadCompliance, consents: Consents, paging: Paging, phone: Phone) -> Page[ConsentView]:
    """Lists every permission and withdrawal of a person with its evidence, newest first."""
    found = await consents.page(subject.tenant_id, phone, paging.limit, paging.starting_after)
    return to_page(found, lambda document: ConsentView.of(consents.entry_of(document)))


@router.get("/suppressions", operation_id="get_suppressions", summary="Show a number's opt-outs")
async def get_suppressions(subject: ReadCompliance, suppressions: Blocked, phone: Phone) -> SuppressionList:
    """Shows on which channels a number must not be reached, since when and why."""
    found = [await suppressions.find(subject.tenant_id, phone, channel) for channel in ConsentChannel]
    return SuppressionList(data=[SuppressionView.of(line) for line in found if line is not None])


@router.post(
    "/suppressions",
    operation_id="create_suppression",
    summary="Put a number on the do-not-contact list",
    status_code=201,
)
async def create_suppression(
    subject: WriteCompliance, suppressions: Blocked, body: SuppressionCreate
) -> SuppressionList:
    """Stops contact with a number, at once; repeating it changes nothing."""
    evidence = {"source": "api", "key": subject.key_id, "reason": body.reason}
    await suppressions.opt_out(subject.tenant_id, body.phone, body.channels, evidence)
    return await get_suppressions(subject, suppressions, body.phone)
