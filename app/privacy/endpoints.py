"""The doors of privacy: requests in a person's name, retention, and the operator's way to forget a tenant."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from app.auth.guard import holding, operator
from app.auth.models import AuthSubject
from app.auth.replay import respond
from app.kit.idempotency import IdempotencyKey, Outcome
from app.kit.pagination import Page, Paging
from app.kit.problem import responses
from app.kit.wiring import service
from app.privacy.room import PrivacyRoom
from app.privacy.schemas import (
    ForgottenTenantView,
    PrivacyRequestCreate,
    PrivacyRequestView,
    RetentionSet,
    RetentionView,
)

router = APIRouter(tags=["privacy"], responses=responses(401, 403, 422, 429, 503))

Read = Annotated[AuthSubject, Depends(holding("privacy:read"))]
Write = Annotated[AuthSubject, Depends(holding("privacy:write"))]


_room = service("privacy", PrivacyRoom)


Room = Annotated[PrivacyRoom, Depends(_room)]


@router.post(
    "/privacy-requests",
    operation_id="create_privacy_request",
    summary="Export or erase a person's data",
    status_code=202,
    response_model=PrivacyRequestView,
    responses=responses(404, 409),
)
async def create_privacy_request(
    request: Request, subject: Write, room: Room, body: PrivacyRequestCreate, idempotency_key: IdempotencyKey = None
) -> JSONResponse:
    """Takes a request, which a job carries out: an archive of all that is held, opened; or its erasure.

    What the law keeps stays: consents, the do-not-contact list, the audit log, and call records without the number.
    Asking again erases what came since, and is no fault. While the person is on the phone an erasure waits.
    """

    async def ask() -> Outcome:
        asked = await room.requests.ask(subject.tenant_id, subject.key_id, body.kind, body.names(), body.reason)
        return Outcome(202, PrivacyRequestView.of(asked).model_dump(mode="json"))

    return await respond(request, subject.tenant_id, idempotency_key, ask)


@router.get("/privacy-requests", operation_id="list_privacy_requests", summary="List privacy requests")
async def list_privacy_requests(subject: Read, room: Room, paging: Paging) -> Page[PrivacyRequestView]:
    """Lists the tenant's requests, newest first."""
    found, more = await room.requests.page(subject.tenant_id, paging.limit, paging.starting_after)
    data = [PrivacyRequestView.of(request) for request in found]
    return Page(data=data, has_more=more, next_cursor=data[-1].id if more else None)


@router.get(
    "/privacy-requests/{request_id}",
    operation_id="get_privacy_request",
    summary="Show a privacy request",
    responses=responses(404),
)
async def get_privacy_request(subject: Read, room: Room, request_id: str) -> PrivacyRequestView:
    """Shows how far a request is, and its evidence."""
    return PrivacyRequestView.of(await room.requests.get(subject.tenant_id, request_id))


@router.get(
    "/privacy-requests/{request_id}/archive",
    operation_id="download_privacy_archive",
    summary="Download an export",
    responses={
        **responses(404, 409),
        200: {"content": {"application/zip": {}}, "description": "data.json, recordings and files"},
    },
    response_class=Response,
)
async def download_privacy_archive(subject: Write, room: Room, request_id: str) -> Response:
    """Returns an export as a ZIP file, for seven days; each download is audited."""
    content = await room.requests.archive(subject.tenant_id, subject.key_id, request_id)
    headers = {"Content-Disposition": f'attachment; filename="{request_id}.zip"'}
    return Response(content, media_type="application/zip", headers=headers)


@router.get("/retention", operation_id="get_retention", summary="Show how long data is kept")
async def get_retention(subject: Read, room: Room) -> RetentionView:
    """Shows the days of each class of data, with its floor and where that comes from."""
    return RetentionView.of(await room.retention.days(subject.tenant_id))


@router.put("/retention", operation_id="set_retention", summary="Set how long data is kept")
async def set_retention(subject: Write, room: Room, body: RetentionSet) -> RetentionView:
    """Changes the classes that are named; a daily job deletes what is older, and the audit log says how much."""
    await room.retention.set(subject.tenant_id, subject.key_id, body.days)
    return RetentionView.of(await room.retention.days(subject.tenant_id))


@router.delete(
    "/tenants/{tenant_id}",
    operation_id="forget_tenant",
    summary="Forget a tenant for good",
    status_code=202,
    responses=responses(404),
    dependencies=[Depends(operator)],
)
async def forget_tenant(
    room: Room,
    tenant_id: str,
    name: Annotated[str, Query(min_length=1, max_length=100, description="The tenant's name, against slips.")],
) -> ForgottenTenantView:
    """Stops the agents, closes the doors and deletes the data key at once; a job deletes the rest. Operator's key.

    Nothing that was sealed can be opened again, by nobody. Logs that the law keeps stay for a year.
    """
    return ForgottenTenantView.of(await room.ending.forget(tenant_id, name))


@router.get(
    "/forgotten-tenants/{tenant_id}",
    operation_id="get_forgotten_tenant",
    summary="Show what became of a forgotten tenant",
    responses=responses(404),
    dependencies=[Depends(operator)],
)
async def get_forgotten_tenant(room: Room, tenant_id: str) -> ForgottenTenantView:
    """Shows when a tenant was forgotten and what was deleted. Needs the operator's key."""
    return ForgottenTenantView.of(await room.ending.get(tenant_id))
