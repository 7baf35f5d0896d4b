"""The doors of what the calling gate knows of people: consents, preference scrubs, the operator's do-not-call list."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from app.auth.guard import holding, operator
from app.auth.models import AuthSubject
from app.compliance.calling_schemas import ConsentCreate, ScrubImport, ScrubImported, ScrubView
from app.compliance.killswitch import OPERATOR_CHAIN
from app.compliance.schemas import E164, ConsentView, SuppressionCreate, SuppressionList, SuppressionView
from app.errors import FieldError, NotFound, Unprocessable
from app.kit.problem import responses

router = APIRouter(tags=["compliance"], responses=responses(401, 403, 422, 429, 503))

ReadCompliance = Annotated[AuthSubject, Depends(holding("compliance:read"))]
WriteCompliance = Annotated[AuthSubject, Depends(holding("compliance:write"))]
Phone = Annotated[str, Query(pattern=E164, description="E.164, the + as %2B.")]
_SKEW = timedelta(minutes=5)


@router.post("/consents", operation_id="record_consent", summary="Record a consent or its withdrawal", status_code=201)
async def record_consent(request: Request, subject: WriteCompliance, body: ConsentCreate) -> ConsentView:
    """Adds a line to the ledger, with its evidence. It does not lift an opt-out."""
    services = request.app.state.services
    if body.given_at > services.clock.now() + _SKEW:
        place = FieldError("/body/given_at", "must not lie in the future")
        raise Unprocessable("a consent is recorded after it was given", errors=[place])
    evidence = {
        "source": body.source,
        "artefact_sha256": body.artefact_sha256,
        "recorded_by": subject.key_id,
    }
    entry = await services.consents.record(
        subject.tenant_id,
        body.phone,
        body.channel,
        body.purpose,
        body.decision,
        evidence=evidence,
        language=body.language,
        wording=body.wording,
        expires_at=body.expires_at,
        given_at=body.given_at,
    )
    data = {"phone": body.phone, "channel": body.channel.value, "purpose": body.purpose.value}
    action = f"consent.{body.decision.value}"
    await services.audit.record(subject.tenant_id, subject.key_id, action, entry.consent_id, data)
    return ConsentView.of(entry)


@router.post("/dnd-scrubs", operation_id="import_dnd_scrub", summary="Import what the national list says")
async def import_dnd_scrub(request: Request, subject: WriteCompliance, body: ScrubImport) -> ScrubImported:
    """Stores a scrub's results; those that are older than what is known of a number are left out."""
    services = request.app.state.services
    if body.scrubbed_at > services.clock.now() + _SKEW:
        place = FieldError("/body/scrubbed_at", "must not lie in the future")
        raise Unprocessable("a scrub is imported after it was made", errors=[place])
    stored = await services.scrubs.store(subject.tenant_id, subject.key_id, body.source, body.scrubs())
    return ScrubImported(stored=stored)


@router.get(
    "/dnd-scrubs", operation_id="get_dnd_scrub", summary="Show what is known of a number", responses=responses(404)
)
async def get_dnd_scrub(request: Request, subject: ReadCompliance, phone: Phone) -> ScrubView:
    """Shows the newest result for a number."""
    found = await request.app.state.services.scrubs.find(subject.tenant_id, phone)
    if found is None:
        raise NotFound(f"{phone} was never checked against the national list")
    return ScrubView.of(found)


@router.post(
    "/platform-suppressions",
    operation_id="create_platform_suppression",
    summary="Put a number on the operator's do-not-call list",
    status_code=201,
    dependencies=[Depends(operator)],
)
async def create_platform_suppression(request: Request, body: SuppressionCreate) -> SuppressionList:
    """Lets no tenant call a number, at once. Needs the operator's key."""
    suppressions = request.app.state.services.suppressions
    evidence = {"source": "operator", "reason": body.reason}
    await suppressions.opt_out(OPERATOR_CHAIN, body.phone, body.channels, evidence)
    found = [await suppressions.find(OPERATOR_CHAIN, body.phone, channel) for channel in body.channels]
    return SuppressionList(data=[SuppressionView.of(line) for line in found if line is not None])
