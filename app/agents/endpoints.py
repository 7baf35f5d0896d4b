"""The doors of agents."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from app.agents.lifecycle import Lifecycle
from app.agents.models import Agent
from app.agents.schemas import AgentCreate, AgentPatch, AgentView
from app.agents.service import AgentService
from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.auth.replay import respond
from app.changes.endpoints import HELD, answered, held
from app.errors import FieldError, Unprocessable
from app.kit.etag import IfMatch, tag
from app.kit.idempotency import IdempotencyKey, Outcome
from app.kit.pagination import Page, Paging
from app.kit.problem import responses
from app.kit.wiring import service

router = APIRouter(responses=responses(401, 403, 422, 429, 503))

ReadAgents = Annotated[AuthSubject, Depends(holding("agents:read"))]
WriteAgents = Annotated[AuthSubject, Depends(holding("agents:write"))]

_agents = service("agents", AgentService)


async def _check_flows(request: Request, tenant_id: str, flow_set: str | None) -> None:
    if flow_set is not None and not await request.app.state.services.flows.known(tenant_id, flow_set):
        place = FieldError("/body/flow_set", f"no version of {flow_set} is live; publish one first, or give null")
        raise Unprocessable("the agent's flows do not serve", errors=[place])


_lifecycle = service("lifecycle", Lifecycle)


@router.post(
    "/agents",
    operation_id="create_agent",
    summary="Create a voice agent",
    tags=["agents"],
    status_code=201,
    response_model=AgentView,
    responses={**responses(409), **HELD},
)
async def create_agent(
    request: Request, subject: WriteAgents, body: AgentCreate, idempotency_key: IdempotencyKey = None
) -> JSONResponse:
    """Creates an agent; each of its languages must have a pack."""

    async def create() -> Outcome:
        await _check_flows(request, subject.tenant_id, body.flow_set)
        if (kept := await held(request, subject, "agent.create", subject.tenant_id, body)) is not None:
            return kept
        agent = await _agents(request).create(subject.tenant_id, subject.key_id, body.values())
        return Outcome(201, AgentView.of(agent).model_dump(mode="json"))

    return await respond(request, subject.tenant_id, idempotency_key, create)


@router.get("/agents", operation_id="list_agents", summary="List voice agents", tags=["agents"])
async def list_agents(request: Request, subject: ReadAgents, paging: Paging) -> Page[AgentView]:
    """Lists the tenant's agents, newest first."""
    found, more = await _agents(request).page(subject.tenant_id, paging.limit, paging.starting_after)
    data = [AgentView.of(agent) for agent in found]
    return Page(data=data, has_more=more, next_cursor=data[-1].id if more else None)


@router.get(
    "/agents/{agent_id}",
    operation_id="get_agent",
    summary="Show a voice agent",
    tags=["agents"],
    responses=responses(404),
)
async def get_agent(request: Request, response: Response, subject: ReadAgents, agent_id: str) -> AgentView:
    """Shows one agent; its `ETag` is for the `If-Match` of a change."""
    view = AgentView.of(await _agents(request).get(subject.tenant_id, agent_id))
    tag(response, view)
    return view


@router.patch(
    "/agents/{agent_id}",
    operation_id="update_agent",
    summary="Change a voice agent",
    tags=["agents"],
    response_model=AgentView,
    responses={**responses(404, 409, 412), **HELD},
)
async def update_agent(
    request: Request, response: Response, subject: WriteAgents, agent_id: str, body: AgentPatch, seen: IfMatch
) -> AgentView | JSONResponse:
    """Changes the fields that are named; calls under way keep what they began with."""
    if seen.asked:
        seen.check(AgentView.of(await _agents(request).get(subject.tenant_id, agent_id)))
    await _check_flows(request, subject.tenant_id, body.flow_set)
    if (kept := await held(request, subject, "agent.update", agent_id, body)) is not None:
        return answered(kept)

    def accept(agent: Agent) -> None:
        seen.check(AgentView.of(agent))

    view = AgentView.of(
        await _agents(request).update(subject.tenant_id, subject.key_id, agent_id, body.values(), accept)
    )
    tag(response, view)
    return view


@router.delete(
    "/agents/{agent_id}",
    operation_id="delete_agent",
    summary="Delete a voice agent",
    tags=["agents"],
    status_code=204,
    responses={**responses(404, 409), **HELD},
)
async def delete_agent(request: Request, subject: WriteAgents, agent_id: str) -> Response:
    """Deletes an agent at which no number rings."""
    if (kept := await held(request, subject, "agent.delete", agent_id)) is not None:
        return answered(kept)
    await _agents(request).delete(subject.tenant_id, subject.key_id, agent_id)
    await _lifecycle(request).forget(subject.tenant_id, agent_id)
    return Response(status_code=204)
