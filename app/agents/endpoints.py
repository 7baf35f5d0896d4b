"""The doors of agents and phone numbers."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from app.agents.schemas import (
    AgentCreate,
    AgentPatch,
    AgentView,
    PhoneNumberCreate,
    PhoneNumberPatch,
    PhoneNumberView,
)
from app.agents.service import AgentService, PhoneNumberService
from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.auth.replay import respond
from app.kit.idempotency import IdempotencyKey, Outcome
from app.kit.pagination import Page, Paging
from app.kit.problem import responses

router = APIRouter(responses=responses(401, 403, 422, 429, 503))

ReadAgents = Annotated[AuthSubject, Depends(holding("agents:read"))]
WriteAgents = Annotated[AuthSubject, Depends(holding("agents:write"))]
ReadNumbers = Annotated[AuthSubject, Depends(holding("phone_numbers:read"))]
WriteNumbers = Annotated[AuthSubject, Depends(holding("phone_numbers:write"))]


def _agents(request: Request) -> AgentService:
    service: AgentService = request.app.state.services.agents
    return service


def _numbers(request: Request) -> PhoneNumberService:
    service: PhoneNumberService = request.app.state.services.phone_numbers
    return service


@router.post(
    "/agents",
    operation_id="create_agent",
    summary="Create a voice agent",
    tags=["agents"],
    status_code=201,
    response_model=AgentView,
    responses=responses(409),
)
async def create_agent(
    request: Request, subject: WriteAgents, body: AgentCreate, idempotency_key: IdempotencyKey = None
) -> JSONResponse:
    """Creates an agent; each of its languages must have a pack."""

    async def create() -> Outcome:
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
async def get_agent(request: Request, subject: ReadAgents, agent_id: str) -> AgentView:
    """Shows one agent."""
    return AgentView.of(await _agents(request).get(subject.tenant_id, agent_id))


@router.patch(
    "/agents/{agent_id}",
    operation_id="update_agent",
    summary="Change a voice agent",
    tags=["agents"],
    responses=responses(404),
)
async def update_agent(request: Request, subject: WriteAgents, agent_id: str, body: AgentPatch) -> AgentView:
    """Changes the fields that are named; calls under way keep what they began with."""
    agent = await _agents(request).update(subject.tenant_id, subject.key_id, agent_id, body.values())
    return AgentView.of(agent)


@router.delete(
    "/agents/{agent_id}",
    operation_id="delete_agent",
    summary="Delete a voice agent",
    tags=["agents"],
    status_code=204,
    responses=responses(404, 409),
)
async def delete_agent(request: Request, subject: WriteAgents, agent_id: str) -> Response:
    """Deletes an agent at which no number rings."""
    await _agents(request).delete(subject.tenant_id, subject.key_id, agent_id)
    return Response(status_code=204)


@router.post(
    "/phone-numbers",
    operation_id="create_phone_number",
    summary="Let a number ring at an agent",
    tags=["phone numbers"],
    status_code=201,
    response_model=PhoneNumberView,
    responses=responses(404, 409),
)
async def create_phone_number(
    request: Request, subject: WriteNumbers, body: PhoneNumberCreate, idempotency_key: IdempotencyKey = None
) -> JSONResponse:
    """Adds a number; it must not be in use by any tenant."""

    async def create() -> Outcome:
        entry = await _numbers(request).create(subject.tenant_id, subject.key_id, body.number, body.agent_id)
        return Outcome(201, PhoneNumberView.of(entry).model_dump(mode="json"))

    return await respond(request, subject.tenant_id, idempotency_key, create)


@router.get("/phone-numbers", operation_id="list_phone_numbers", summary="List phone numbers", tags=["phone numbers"])
async def list_phone_numbers(request: Request, subject: ReadNumbers, paging: Paging) -> Page[PhoneNumberView]:
    """Lists the tenant's numbers, newest first."""
    found, more = await _numbers(request).page(subject.tenant_id, paging.limit, paging.starting_after)
    data = [PhoneNumberView.of(entry) for entry in found]
    return Page(data=data, has_more=more, next_cursor=data[-1].id if more else None)


@router.get(
    "/phone-numbers/{number_id}",
    operation_id="get_phone_number",
    summary="Show a phone number",
    tags=["phone numbers"],
    responses=responses(404),
)
async def get_phone_number(request: Request, subject: ReadNumbers, number_id: str) -> PhoneNumberView:
    """Shows one number."""
    return PhoneNumberView.of(await _numbers(request).get(subject.tenant_id, number_id))


@router.patch(
    "/phone-numbers/{number_id}",
    operation_id="update_phone_number",
    summary="Let a number ring elsewhere",
    tags=["phone numbers"],
    responses=responses(404),
)
async def update_phone_number(
    request: Request, subject: WriteNumbers, number_id: str, body: PhoneNumberPatch
) -> PhoneNumberView:
    """Moves a number to another agent of the tenant."""
    entry = await _numbers(request).move(subject.tenant_id, subject.key_id, number_id, body.agent_id)
    return PhoneNumberView.of(entry)


@router.delete(
    "/phone-numbers/{number_id}",
    operation_id="delete_phone_number",
    summary="Give a number back",
    tags=["phone numbers"],
    status_code=204,
    responses=responses(404),
)
async def delete_phone_number(request: Request, subject: WriteNumbers, number_id: str) -> Response:
    """Removes a number; calls to it are no longer ours."""
    await _numbers(request).delete(subject.tenant_id, subject.key_id, number_id)
    return Response(status_code=204)
