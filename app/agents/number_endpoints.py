"""The doors of telephone numbers."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from app.agents.models import PhoneNumber
from app.agents.number_schemas import PhoneNumberCreate, PhoneNumberPatch, PhoneNumberView
from app.agents.phone_numbers import PhoneNumberService
from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.auth.replay import respond
from app.changes.endpoints import HELD, answered, held
from app.kit.etag import IfMatch, tag
from app.kit.idempotency import IdempotencyKey, Outcome
from app.kit.pagination import Page, Paging
from app.kit.problem import responses
from app.kit.wiring import service

router = APIRouter(tags=["phone numbers"], responses=responses(401, 403, 422, 429, 503))

ReadNumbers = Annotated[AuthSubject, Depends(holding("phone_numbers:read"))]
WriteNumbers = Annotated[AuthSubject, Depends(holding("phone_numbers:write"))]
Numbers = Annotated[PhoneNumberService, Depends(service("phone_numbers", PhoneNumberService))]


def _view(numbers: PhoneNumberService, entry: PhoneNumber) -> PhoneNumberView:
    return PhoneNumberView.of(entry, numbers.series(entry))


@router.post(
    "/phone-numbers",
    operation_id="create_phone_number",
    summary="Let a number ring at an agent",
    status_code=201,
    response_model=PhoneNumberView,
    responses={**responses(404, 409), **HELD},
)
async def create_phone_number(
    request: Request,
    subject: WriteNumbers,
    numbers: Numbers,
    body: PhoneNumberCreate,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Adds a number; it must not be in use by any tenant."""

    async def create() -> Outcome:
        if (kept := await held(request, subject, "phone_number.create", subject.tenant_id, body)) is not None:
            return kept
        entry = await numbers.create(subject.tenant_id, subject.key_id, body.values())
        return Outcome(201, _view(numbers, entry).model_dump(mode="json"))

    return await respond(request, subject.tenant_id, idempotency_key, create)


@router.get("/phone-numbers", operation_id="list_phone_numbers", summary="List phone numbers")
async def list_phone_numbers(subject: ReadNumbers, numbers: Numbers, paging: Paging) -> Page[PhoneNumberView]:
    """Lists the tenant's numbers, newest first."""
    found, more = await numbers.page(subject.tenant_id, paging.limit, paging.starting_after)
    data = [_view(numbers, entry) for entry in found]
    return Page(data=data, has_more=more, next_cursor=data[-1].id if more else None)


@router.get(
    "/phone-numbers/{number_id}",
    operation_id="get_phone_number",
    summary="Show a phone number",
    responses=responses(404),
)
async def get_phone_number(
    response: Response, subject: ReadNumbers, numbers: Numbers, number_id: str
) -> PhoneNumberView:
    """Shows one number; its `ETag` is for the `If-Match` of a change."""
    view = _view(numbers, await numbers.get(subject.tenant_id, number_id))
    tag(response, view)
    return view


@router.patch(
    "/phone-numbers/{number_id}",
    operation_id="update_phone_number",
    summary="Change a phone number",
    response_model=PhoneNumberView,
    responses={**responses(404, 409, 412), **HELD},
)
async def update_phone_number(
    request: Request,
    response: Response,
    subject: WriteNumbers,
    numbers: Numbers,
    number_id: str,
    body: PhoneNumberPatch,
    seen: IfMatch,
) -> PhoneNumberView | JSONResponse:
    """Lets a number ring elsewhere, in other languages, or show itself on other calls; calls under way go on."""

    def accept(entry: PhoneNumber) -> None:
        seen.check(_view(numbers, entry))

    if seen.asked:
        accept(await numbers.get(subject.tenant_id, number_id))
    if (kept := await held(request, subject, "phone_number.move", number_id, body)) is not None:
        return answered(kept)
    view = _view(numbers, await numbers.update(subject.tenant_id, subject.key_id, number_id, body.values(), accept))
    tag(response, view)
    return view


@router.delete(
    "/phone-numbers/{number_id}",
    operation_id="delete_phone_number",
    summary="Give a number back",
    status_code=204,
    responses={**responses(404), **HELD},
)
async def delete_phone_number(request: Request, subject: WriteNumbers, numbers: Numbers, number_id: str) -> Response:
    """Removes a number; calls to it are no longer ours."""
    if (kept := await held(request, subject, "phone_number.delete", number_id)) is not None:
        return answered(kept)
    await numbers.delete(subject.tenant_id, subject.key_id, number_id)
    return Response(status_code=204)
