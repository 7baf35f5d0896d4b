"""The doors of calls out: ask the gate, place a call, look at it, take it back."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.auth.replay import respond
from app.kit.idempotency import Outcome, RequiredIdempotencyKey
from app.kit.pagination import Page, Paging
from app.kit.problem import responses
from app.outbound.models import OutboundStatus
from app.outbound.schemas import E164, CallCheckView, CallCreate, OutboundCallView
from app.outbound.service import OutboundService

router = APIRouter(tags=["calls"], responses=responses(401, 403, 422, 429, 503))

Reader = Annotated[AuthSubject, Depends(holding("calls:read"))]
Writer = Annotated[AuthSubject, Depends(holding("calls:write"))]


def _service(request: Request) -> OutboundService:
    service: OutboundService = request.app.state.services.outbound
    return service


Outbound = Annotated[OutboundService, Depends(_service)]


@router.post(
    "/calls",
    operation_id="create_call",
    summary="Call somebody",
    status_code=201,
    response_model=OutboundCallView,
    responses=responses(404, 409),
)
async def create_call(
    request: Request, subject: Writer, body: CallCreate, outbound: Outbound, idempotency_key: RequiredIdempotencyKey
) -> JSONResponse:
    """Queues a call. Refused with every reason: 403 `call_refused`, or 409 `call_not_now` where waiting would do."""

    async def place() -> Outcome:
        call = await outbound.place(subject.tenant_id, subject.key_id, body.request())
        return Outcome(201, OutboundCallView.of(call).model_dump(mode="json"))

    return await respond(request, subject.tenant_id, idempotency_key, place)


@router.post(
    "/call-checks", operation_id="check_call", summary="Ask whether a call may be placed", responses=responses(404)
)
async def check_call(subject: Writer, body: CallCreate, outbound: Outbound) -> CallCheckView:
    """Says what placing this call would say, and places nothing; audited like a refusal."""
    return CallCheckView.of(await outbound.check(subject.tenant_id, subject.key_id, body.request()))


@router.delete(
    "/calls/{call_id}",
    operation_id="cancel_call",
    summary="Take a queued call back",
    status_code=204,
    responses=responses(404, 409),
)
async def cancel_call(call_id: str, subject: Writer, outbound: Outbound) -> Response:
    """Cancels a call that is not being dialled yet."""
    await outbound.cancel(subject.tenant_id, subject.key_id, call_id)
    return Response(status_code=204)


@router.get("/outbound-calls", operation_id="list_outbound_calls", summary="List calls out")
async def list_outbound_calls(
    subject: Reader,
    outbound: Outbound,
    paging: Paging,
    status: Annotated[OutboundStatus | None, Query()] = None,
    to_number: Annotated[E164 | None, Query(description="E.164, the + as %2B.")] = None,
) -> Page[OutboundCallView]:
    """Lists calls that were asked for, newest first, the queued ones too."""
    asked = {"status": status.value if status is not None else None, "to_number": to_number}
    query = {name: value for name, value in asked.items() if value is not None}
    found, more = await outbound.calls.page(subject.tenant_id, query, paging.limit, paging.starting_after)
    data = [OutboundCallView.of(call) for call in found]
    return Page(data=data, has_more=more, next_cursor=data[-1].id if more else None)


@router.get(
    "/outbound-calls/{outbound_call_id}",
    operation_id="get_outbound_call",
    summary="Show a call out",
    responses=responses(404),
)
async def get_outbound_call(outbound_call_id: str, subject: Reader, outbound: Outbound) -> OutboundCallView:
    """Shows where a call out stands, with the gate's reasons if it was refused."""
    return OutboundCallView.of(await outbound.get(subject.tenant_id, outbound_call_id))
