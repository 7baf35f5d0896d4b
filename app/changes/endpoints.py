"""The doors of changes that take two people: rules, list, approving and refusing; and `held` for other doors."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.auth.replay import respond
from app.changes.kinds import Area
from app.changes.rules import ChangeRules
from app.changes.schemas import ChangeDecision, ChangeRulesBody, ChangeRulesView, ChangeView
from app.changes.service import Change, Changes, ChangeStatus
from app.kit.idempotency import IdempotencyKey, Outcome
from app.kit.pagination import Page, Paging
from app.kit.problem import responses

router = APIRouter(tags=["changes"], responses=responses(401, 403, 422, 429, 503))

Read = Annotated[AuthSubject, Depends(holding("changes:read"))]
Write = Annotated[AuthSubject, Depends(holding("changes:write"))]

HELD: Final[dict[int | str, dict[str, Any]]] = {
    202: {"model": ChangeView, "description": "It takes two people here: kept as a proposed change."}
}
"""A route's response where the tenant asks for two people."""
LOOSEN: Final = "rules.loosen"


def _changes(request: Request) -> Changes:
    changes: Changes = request.app.state.services.changes
    return changes


def _rules(request: Request) -> ChangeRules:
    rules: ChangeRules = request.app.state.services.change_rules
    return rules


Proposed = Annotated[Changes, Depends(_changes)]
Rules = Annotated[ChangeRules, Depends(_rules)]


async def held(
    request: Request, subject: AuthSubject, kind: str, target: str, body: BaseModel | None = None
) -> Outcome | None:
    """Keeps a change for another person where the tenant asks for two; None: the route goes on.

    Args:
        request: The request.
        subject: Who asks.
        kind: Such as `agent.update`.
        target: What is changed.
        body: The request's body; only the fields that it names are kept.

    Raises:
        NotFound: The target is not this tenant's.
    """
    payload = body.model_dump(mode="json", exclude_unset=True) if body is not None else {}
    change = await _changes(request).hold(subject.tenant_id, subject.key_id, kind, target, payload)
    return None if change is None else Outcome(202, ChangeView.of(change).model_dump(mode="json"))


def answered(outcome: Outcome) -> JSONResponse:
    """Returns what `held` kept as a response."""
    return JSONResponse(outcome.body, outcome.status)


@router.get("/change-rules", operation_id="get_change_rules", summary="Show what takes two people")
async def get_change_rules(subject: Read, rules: Rules) -> ChangeRulesView:
    """Shows which areas take two people."""
    return ChangeRulesView.of(await rules.areas(subject.tenant_id))


@router.put(
    "/change-rules",
    operation_id="set_change_rules",
    summary="Set what takes two people",
    response_model=ChangeRulesView,
    responses=HELD,
)
async def set_change_rules(
    request: Request, subject: Write, rules: Rules, body: ChangeRulesBody
) -> ChangeRulesView | JSONResponse:
    """Sets the rules. Asking for two people holds at once; to ask for one again takes two itself."""
    loosened = await put_rules(request, subject, body.changes())
    return ChangeRulesView.of(await rules.areas(subject.tenant_id)) if loosened is None else answered(loosened)


async def put_rules(request: Request, subject: AuthSubject, wanted: Mapping[Area, bool]) -> Outcome | None:
    """Sets rules: stricter ones at once; what is looser is kept for another person, which is returned."""
    rules, tenant_id = _rules(request), subject.tenant_id
    before = await rules.areas(tenant_id)
    looser = {area.value: False for area, two in wanted.items() if before[area] and not two}
    await rules.set(tenant_id, subject.key_id, {area: True for area, two in wanted.items() if two})
    if not looser:
        return None
    change = await _changes(request).propose(tenant_id, subject.key_id, LOOSEN, tenant_id, looser)
    return Outcome(202, ChangeView.of(change).model_dump(mode="json"))


@router.get("/changes", operation_id="list_changes", summary="List proposed changes")
async def list_changes(
    subject: Read, changes: Proposed, paging: Paging, status: Annotated[ChangeStatus | None, Query()] = None
) -> Page[ChangeView]:
    """Lists them, newest first."""
    found, more = await changes.page(subject.tenant_id, paging.limit, paging.starting_after, status)
    data = [ChangeView.of(change) for change in found]
    return Page(data=data, has_more=more, next_cursor=data[-1].id if more else None)


@router.get(
    "/changes/{change_id}", operation_id="get_change", summary="Show a proposed change", responses=responses(404)
)
async def get_change(subject: Read, changes: Proposed, change_id: str) -> ChangeView:
    """Shows one."""
    return ChangeView.of(await changes.get(subject.tenant_id, change_id))


@router.post(
    "/changes/{change_id}/approve",
    operation_id="approve_change",
    summary="Approve and apply a change",
    response_model=ChangeView,
    responses=responses(404, 409),
)
async def approve_change(
    request: Request,
    subject: Write,
    changes: Proposed,
    change_id: str,
    body: ChangeDecision | None = None,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Applies a change that another person proposed: another member, or a key that another member made."""
    return await respond(
        request, subject.tenant_id, idempotency_key, partial(_decided, changes.approve, subject, change_id, body)
    )


@router.post(
    "/changes/{change_id}/refuse",
    operation_id="refuse_change",
    summary="Refuse a change",
    response_model=ChangeView,
    responses=responses(404, 409),
)
async def refuse_change(
    request: Request,
    subject: Write,
    changes: Proposed,
    change_id: str,
    body: ChangeDecision | None = None,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Refuses a change, or takes one's own back; nothing is changed."""
    return await respond(
        request, subject.tenant_id, idempotency_key, partial(_decided, changes.refuse, subject, change_id, body)
    )


async def _decided(
    decide: Callable[[str, str, str, str | None], Awaitable[Change]],
    subject: AuthSubject,
    change_id: str,
    body: ChangeDecision | None,
) -> Outcome:
    change = await decide(subject.tenant_id, subject.key_id, change_id, body.note if body is not None else None)
    return Outcome(200, ChangeView.of(change).model_dump(mode="json"))
