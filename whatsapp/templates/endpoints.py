"""The doors to templates: what Meta knows of them, asking it again, submitting, previews, what serves which purpose."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse

from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.auth.replay import respond
from app.kit.idempotency import IdempotencyKey, Outcome
from app.kit.pagination import Page, Paging, to_page
from app.kit.problem import responses
from app.kit.wiring import service
from whatsapp.templates.models import TemplateStatus
from whatsapp.templates.registry import template_of
from whatsapp.templates.room import TemplateRoom
from whatsapp.templates.schemas import (
    OutcomeList,
    OutcomeView,
    PreviewBody,
    PreviewView,
    SubmissionBody,
    SyncedList,
    SyncedView,
    TemplateCreate,
    TemplateView,
    UseBody,
    UseList,
    UseView,
)

router = APIRouter(prefix="/whatsapp", tags=["whatsapp"], responses=responses(401, 403, 422, 429, 503))
Reader = Annotated[AuthSubject, Depends(holding("inbox:read"))]
Writer = Annotated[AuthSubject, Depends(holding("inbox:write"))]
Room = Annotated[TemplateRoom, Depends(service("templates", TemplateRoom))]
_Name = Annotated[str | None, Query(pattern=r"^[a-z0-9_]{1,512}$", description="Meta's name.")]
_Language = Annotated[str | None, Query(pattern=r"^[a-z]{2,3}(_[A-Z]{2})?$", description="Meta's code.")]


@router.get("/templates", operation_id="list_whatsapp_templates", summary="List message templates")
async def list_templates(
    subject: Reader,
    room: Room,
    paging: Paging,
    status: TemplateStatus | None = None,
    name: _Name = None,
    language: _Language = None,
) -> Page[TemplateView]:
    """Lists the templates of the tenant's business account as Meta last told of them, newest first."""
    wanted = {"status": status.value if status else None, "name": name, "language": language}
    query = {field: value for field, value in wanted.items() if value is not None}
    found = await room.registry.page(subject.tenant_id, query, paging.limit, paging.starting_after)
    return to_page(found, lambda document: TemplateView.of(template_of(document)))


@router.get(
    "/templates/{template_id}",
    operation_id="get_whatsapp_template",
    summary="Show a message template",
    responses=responses(404),
)
async def get_template(template_id: str, subject: Reader, room: Room) -> TemplateView:
    """Shows one template."""
    return TemplateView.of(await room.registry.get(subject.tenant_id, template_id))


@router.post(
    "/templates/sync",
    operation_id="sync_whatsapp_templates",
    summary="Fetch Meta's list of templates",
    responses=responses(409),
)
async def sync_templates(request: Request, subject: Writer, room: Room) -> SyncedList:
    """Makes what is known of templates like Meta's list; done every hour without being asked, and after doubts."""
    synced = await room.sync.sync(subject.tenant_id)
    audit = request.app.state.services.audit
    for one in synced:
        data = {"templates": one.templates, "changed": one.changed}
        await audit.record(subject.tenant_id, subject.key_id, "whatsapp.templates_synced", one.account_id, data)
    return SyncedList(data=[SyncedView.of(one) for one in synced])


@router.post(
    "/templates",
    operation_id="create_whatsapp_template",
    summary="Submit a template of your own",
    status_code=201,
    response_model=TemplateView,
    responses=responses(409),
)
async def create_template(
    request: Request, subject: Writer, room: Room, body: TemplateCreate, idempotency_key: IdempotencyKey = None
) -> JSONResponse:
    """Checks a template by Meta's rules and submits it for review; it is sent to nobody before Meta approved it."""

    async def create() -> Outcome:
        taken = await room.submissions.one(subject.tenant_id, subject.key_id, body.wanted())
        return Outcome(201, TemplateView.of(taken).model_dump(mode="json"))

    return await respond(request, subject.tenant_id, idempotency_key, create)


@router.post(
    "/templates/submissions",
    operation_id="submit_whatsapp_templates",
    summary="Submit the packs' templates",
    status_code=202,
    response_model=OutcomeList,
    responses=responses(409),
)
async def submit_templates(
    request: Request, subject: Writer, room: Room, body: SubmissionBody, idempotency_key: IdempotencyKey = None
) -> JSONResponse:
    """Submits the packs' handoff and follow-up templates in every language that Meta does not have yet."""

    async def submit() -> Outcome:
        outcomes = await room.submissions.of_packs(subject.tenant_id, subject.key_id, body.names, body.languages)
        shown = OutcomeList(data=[OutcomeView.of(outcome) for outcome in outcomes])
        return Outcome(202, shown.model_dump(mode="json"))

    return await respond(request, subject.tenant_id, idempotency_key, submit)


@router.post(
    "/templates/{template_id}/preview",
    operation_id="preview_whatsapp_template",
    summary="Preview a template",
    responses=responses(404),
)
async def preview_template(template_id: str, subject: Reader, room: Room, body: PreviewBody) -> PreviewView:
    """Shows what the customer would read, or why the values do not fit."""
    return PreviewView.of(await room.registry.get(subject.tenant_id, template_id), body.values)


@router.get("/template-uses", operation_id="list_whatsapp_template_uses", summary="List what serves which purpose")
async def list_uses(subject: Reader, room: Room) -> UseList:
    """Lists every purpose of the packs' templates with the template that serves it and those that step in."""
    uses = await room.uses.all(subject.tenant_id)
    return UseList(data=[UseView.of(use, room.uses.purposes[use.purpose]) for use in uses])


@router.put(
    "/template-uses/{name}",
    operation_id="put_whatsapp_template_use",
    summary="Say what serves a purpose",
    responses=responses(404),
)
async def put_use(name: str, subject: Writer, room: Room, body: UseBody) -> UseView:
    """Sets the template of a purpose and its alternates, by Meta's names; they take the same values."""
    use = await room.uses.put(subject.tenant_id, subject.key_id, name, body.template, body.alternates)
    return UseView.of(use, room.uses.purposes[name])
