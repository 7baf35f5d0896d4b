"""Calls over REST: list, look, listen, end."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.calls.models import Call, CallStatus, call_from_document
from app.calls.schemas import CallEvents, CallEventView, CallView, Transcript, turn_of
from app.calls.service import CallService
from app.errors import Conflict, NotFound
from app.kit.pagination import Page, Paging, to_page
from app.kit.problem import responses

router = APIRouter(prefix="/calls", tags=["calls"], responses=responses(401, 403, 422, 429, 503))

Reader = Annotated[AuthSubject, Depends(holding("calls:read"))]
Writer = Annotated[AuthSubject, Depends(holding("calls:write"))]


def _service(request: Request) -> CallService:
    service: CallService = request.app.state.calls
    return service


Calls = Annotated[CallService, Depends(_service)]


async def _call(calls: CallService, subject: AuthSubject, call_id: str) -> Call:
    call = await calls.calls_of(subject.tenant_id).get(call_id)
    if call is None:
        raise NotFound(f"no call {call_id}")
    return call


@router.get("", operation_id="list_calls")
async def list_calls(
    subject: Reader,
    calls: Calls,
    paging: Paging,
    status: Annotated[CallStatus | None, Query()] = None,
    contact_number: Annotated[str | None, Query(pattern=r"^\+[1-9]\d{6,14}$", description="E.164")] = None,
) -> Page[CallView]:
    """Lists calls, newest first."""
    query = {"status": status, "contact_number": contact_number}
    found = await calls.calls_of(subject.tenant_id).page(
        {name: value for name, value in query.items() if value is not None}, paging.limit, paging.starting_after
    )
    return to_page(found, lambda document: _view(call_from_document(document)))


@router.get("/{call_id}", operation_id="get_call", responses=responses(404))
async def get_call(call_id: str, subject: Reader, calls: Calls) -> CallView:
    """Returns one call; a call out also while it waits and rings, and when nobody took it."""
    call = await calls.calls_of(subject.tenant_id).get(call_id)
    if call is not None:
        return _view(call)
    placed = await calls.unanswered(subject.tenant_id, call_id)
    if placed is None:
        raise NotFound(f"no call {call_id}")
    return CallView(direction="outbound", carrier_call_id=None, **asdict(placed))


@router.get("/{call_id}/transcript", operation_id="get_call_transcript", responses=responses(404))
async def get_transcript(call_id: str, subject: Reader, calls: Calls) -> Transcript:
    """Returns what was said and heard, with the language of each turn; also while the call lasts."""
    call = await _call(calls, subject, call_id)
    events = await calls.calls_of(subject.tenant_id).events(call.id, ("caller_turn", "agent_turn"))
    return Transcript(call_id=call.id, data=[turn_of(event) for event in events])


@router.get("/{call_id}/events", operation_id="list_call_events", responses=responses(404))
async def list_events(call_id: str, subject: Reader, calls: Calls) -> CallEvents:
    """Returns everything that happened in the call, in order; also while it lasts."""
    call = await _call(calls, subject, call_id)
    events = await calls.calls_of(subject.tenant_id).events(call.id)
    data = [
        CallEventView(number=event["number"], kind=event["kind"], at_ms=event["at_ms"], data=event["data"])
        for event in events
    ]
    return CallEvents(call_id=call.id, data=data)


@router.get(
    "/{call_id}/recording",
    operation_id="get_call_recording",
    responses={**responses(404), 200: {"content": {"audio/wav": {}}, "description": "The recording"}},
    response_class=Response,
)
async def get_recording(call_id: str, subject: Reader, calls: Calls) -> Response:
    """Returns the recording: stereo WAV, 8 kHz mu-law, left the caller, right the agent."""
    call = await _call(calls, subject, call_id)
    return Response(await calls.closing.recording(call), media_type="audio/wav")


@router.post("/{call_id}/end", operation_id="end_call", status_code=202, responses=responses(404, 409))
async def end_call(call_id: str, subject: Writer, calls: Calls) -> CallView:
    """Hangs a live call up."""
    call = await _call(calls, subject, call_id)
    if call.status.is_final or not await calls.hang_up(call):
        raise Conflict(f"call {call_id} is over", code="call_over")
    return _view(call)


def _view(call: Call) -> CallView:
    return CallView(**{name: getattr(call, name) for name in CallView.model_fields})
