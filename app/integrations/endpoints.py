"""The doors of approvals: restricted writes that wait for a person."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse

from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.auth.replay import respond
from app.integrations.approvals import Approvals, ApprovalStatus
from app.integrations.schemas import ApprovalDecision, ApprovalView
from app.kit.idempotency import IdempotencyKey, Outcome
from app.kit.pagination import Page, Paging
from app.kit.problem import responses
from app.kit.wiring import service

router = APIRouter(tags=["approvals"], responses=responses(401, 403, 422, 429, 503))

Read = Annotated[AuthSubject, Depends(holding("approvals:read"))]
Write = Annotated[AuthSubject, Depends(holding("approvals:write"))]
Wanted = Annotated[Literal["pending", "approved", "refused"] | None, Query(description="Only those.")]


_approvals = service("tools.approvals", Approvals)


@router.get("/approvals", operation_id="list_approvals", summary="List writes that a person decides about")
async def list_approvals(request: Request, subject: Read, paging: Paging, status: Wanted = None) -> Page[ApprovalView]:
    """Lists them, newest first."""
    wanted = ApprovalStatus(status) if status is not None else None
    found, more = await _approvals(request).page(subject.tenant_id, paging.limit, paging.starting_after, wanted)
    data = [ApprovalView.of(approval) for approval in found]
    return Page(data=data, has_more=more, next_cursor=data[-1].id if more else None)


@router.get(
    "/approvals/{approval_id}",
    operation_id="get_approval",
    summary="Show a write that a person decides about",
    responses=responses(404),
)
async def get_approval(request: Request, subject: Read, approval_id: str) -> ApprovalView:
    """Shows one."""
    return ApprovalView.of(await _approvals(request).get(subject.tenant_id, approval_id))


@router.post(
    "/approvals/{approval_id}/approve",
    operation_id="approve",
    summary="Approve a write",
    response_model=ApprovalView,
    responses=responses(404, 409),
)
async def approve(
    request: Request, subject: Write, approval_id: str, body: ApprovalDecision, idempotency_key: IdempotencyKey = None
) -> JSONResponse:
    """Approves: the write is done once, and the caller is told on WhatsApp."""
    return await _decided(request, subject, approval_id, body, idempotency_key, approve=True)


@router.post(
    "/approvals/{approval_id}/refuse",
    operation_id="refuse",
    summary="Refuse a write",
    response_model=ApprovalView,
    responses=responses(404, 409),
)
async def refuse(
    request: Request, subject: Write, approval_id: str, body: ApprovalDecision, idempotency_key: IdempotencyKey = None
) -> JSONResponse:
    """Refuses: nothing is written, and the caller is told on WhatsApp."""
    return await _decided(request, subject, approval_id, body, idempotency_key, approve=False)


async def _decided(
    request: Request, subject: AuthSubject, approval_id: str, body: ApprovalDecision, key: str | None, *, approve: bool
) -> JSONResponse:
    async def decide() -> Outcome:
        approval = await _approvals(request).decide(
            subject.tenant_id, approval_id, subject.key_id, approve=approve, person=body.person, note=body.note
        )
        return Outcome(200, ApprovalView.of(approval).model_dump(mode="json"))

    return await respond(request, subject.tenant_id, key, decide)
