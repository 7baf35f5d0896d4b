"""The doors of replays: past calls against a candidate, and the report."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.status import HTTP_202_ACCEPTED

from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.errors import Forbidden
from app.kit.pagination import Page, Paging
from app.kit.problem import responses
from app.rehearsal.replay_schemas import ReplayCreate, ReplayView
from app.rehearsal.replays import ReplayService

router = APIRouter(responses=responses(401, 403, 404, 422, 429, 503), tags=["rehearsal"])

Read = Annotated[AuthSubject, Depends(holding("agents:read"))]
Write = Annotated[AuthSubject, Depends(holding("agents:write"))]


def _service(request: Request) -> ReplayService:
    service: ReplayService = request.app.state.replays
    return service


Replays = Annotated[ReplayService, Depends(_service)]


@router.post(
    "/agents/{agent_id}/replays",
    operation_id="create_replay",
    summary="Play past calls against a candidate",
    status_code=HTTP_202_ACCEPTED,
    responses=responses(409),
)
async def create_replay(subject: Write, replays: Replays, agent_id: str, body: ReplayCreate) -> ReplayView:
    """Plays the newest finished calls as the agent is and as it would be, in the background; nothing is done."""
    return ReplayView.of(await replays.ask(subject.tenant_id, subject.key_id, agent_id, body.order()))


@router.get("/agents/{agent_id}/replays", operation_id="list_replays", summary="List an agent's replays")
async def list_replays(subject: Read, replays: Replays, agent_id: str, paging: Paging) -> Page[ReplayView]:
    """Lists replays, newest first, without what callers said."""
    found, more = await replays.page(subject.tenant_id, agent_id, paging.limit, paging.starting_after)
    data = [ReplayView.of(replay) for replay in found]
    return Page(data=data, has_more=more, next_cursor=data[-1].id if more else None)


@router.get("/agents/{agent_id}/replays/{replay_id}", operation_id="get_replay", summary="Show a replay")
async def get_replay(subject: Read, replays: Replays, agent_id: str, replay_id: str) -> ReplayView:
    """Shows the report with what callers said in the turns that differ; the look is written into the audit log."""
    replay = await replays.get(subject.tenant_id, agent_id, replay_id)
    if not subject.may("calls:read"):
        raise Forbidden("a replay shows what callers said; the key needs calls:read")
    return ReplayView.of(replay, await replays.words(replay, subject.key_id))
