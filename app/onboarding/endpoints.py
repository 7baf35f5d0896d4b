"""The doors of onboarding: the check-list, an agent's state, going live, pausing, expecting a test call."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from app.agents.lifecycle import AgentState, Lifecycle
from app.agents.phone_numbers import PhoneNumberService
from app.agents.service import AgentService
from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.auth.replay import respond
from app.errors import Conflict, FieldError
from app.kit.idempotency import IdempotencyKey, Outcome, RequiredIdempotencyKey
from app.kit.problem import responses
from app.kit.wiring import service
from app.onboarding.readiness import Readiness
from app.onboarding.schemas import AgentStateView, OnboardingView, TestCallCreate, TestCallView, TestRingCreate
from app.onboarding.test_rings import TestRings
from app.outbound.schemas import OutboundCallView

router = APIRouter(tags=["onboarding"], responses=responses(401, 403, 422, 429, 503))

ReadTenant = Annotated[AuthSubject, Depends(holding("tenant:read"))]
ReadAgents = Annotated[AuthSubject, Depends(holding("agents:read"))]
WriteAgents = Annotated[AuthSubject, Depends(holding("agents:write"))]
WriteCalls = Annotated[AuthSubject, Depends(holding("calls:write"))]
Ready = Annotated[Readiness, Depends(service("readiness", Readiness))]
_agents = service("agents", AgentService)
_numbers = service("phone_numbers", PhoneNumberService)
_lifecycle = service("lifecycle", Lifecycle)
_test_rings = service("test_rings", TestRings)


@router.get("/onboarding", operation_id="get_onboarding", summary="Say what is done and what is missing")
async def get_onboarding(subject: ReadTenant, readiness: Ready) -> OnboardingView:
    """Shows the steps from nothing to an agent that answers; every missing thing has its cure and its link."""
    return OnboardingView.of(await readiness.progress(subject.tenant_id))


@router.get(
    "/agents/{agent_id}/state",
    operation_id="get_agent_state",
    summary="Say whether an agent answers",
    responses=responses(404),
)
async def get_agent_state(subject: ReadAgents, readiness: Ready, agent_id: str) -> AgentStateView:
    """Shows draft, live or paused, and what keeps the agent from going live."""
    found = await readiness.of(subject.tenant_id, agent_id)
    return AgentStateView.of(agent_id, found.standing, found.missing)


@router.post(
    "/agents/{agent_id}/go-live",
    operation_id="go_live",
    summary="Let an agent answer whoever rings",
    response_model=AgentStateView,
    responses=responses(404, 409),
)
async def go_live(
    request: Request, subject: WriteAgents, readiness: Ready, agent_id: str, idempotency_key: IdempotencyKey = None
) -> JSONResponse:
    """Refuses with `not_ready` and every reason at once while anything is missing."""

    async def act() -> Outcome:
        standing = await readiness.go_live(subject.tenant_id, subject.key_id, agent_id)
        return Outcome(200, AgentStateView.of(agent_id, standing).model_dump(mode="json"))

    return await respond(request, subject.tenant_id, idempotency_key, act)


@router.post(
    "/agents/{agent_id}/pause",
    operation_id="pause_agent",
    summary="Let an agent answer nobody but test calls",
    response_model=AgentStateView,
    responses=responses(404, 409),
)
async def pause_agent(
    request: Request, subject: WriteAgents, agent_id: str, idempotency_key: IdempotencyKey = None
) -> JSONResponse:
    """Takes effect for the next call; calls under way go on. To end those too, set the kill switch."""

    async def act() -> Outcome:
        await _agents(request).get(subject.tenant_id, agent_id)
        standing = await _lifecycle(request).put(subject.tenant_id, subject.key_id, agent_id, AgentState.PAUSED)
        return Outcome(200, AgentStateView.of(agent_id, standing).model_dump(mode="json"))

    return await respond(request, subject.tenant_id, idempotency_key, act)


@router.post(
    "/agents/{agent_id}/test-calls",
    operation_id="expect_test_call",
    summary="Expect a test call",
    status_code=201,
    response_model=TestCallView,
    responses=responses(404, 409),
)
async def expect_test_call(
    request: Request, subject: WriteAgents, agent_id: str, body: TestCallCreate, idempotency_key: IdempotencyKey = None
) -> JSONResponse:
    """Lets calls from one number through to an agent that is not live, for fifteen minutes: ring one of `ring`."""

    async def act() -> Outcome:
        tenant_id = subject.tenant_id
        await _agents(request).get(tenant_id, agent_id)
        number = await _numbers(request).number_of_agent(tenant_id, agent_id)
        if number is None:
            place = FieldError("/v1/phone-numbers", "no number rings at the agent; POST /v1/phone-numbers")
            raise Conflict("there is no number to ring", code="no_number", errors=[place])
        until = await _lifecycle(request).expect_test(tenant_id, subject.key_id, agent_id, body.from_number)
        return Outcome(201, TestCallView(ring=[number], expires_at=until).model_dump(mode="json"))

    return await respond(request, subject.tenant_id, idempotency_key, act)


@router.post(
    "/agents/{agent_id}/test-rings",
    operation_id="ring_tester",
    summary="Have the agent ring a tester",
    status_code=201,
    response_model=OutboundCallView,
    responses=responses(404, 409),
)
async def ring_tester(
    request: Request, subject: WriteCalls, agent_id: str, body: TestRingCreate, idempotency_key: RequiredIdempotencyKey
) -> JSONResponse:
    """Queues a call to a phone from which an expected test call came within 30 days, also by an agent that is not live.

    It goes through the gate as every call out, calling hours and opt-outs included; asking for tests is its consent.
    """

    async def act() -> Outcome:
        rings = _test_rings(request)
        call = await rings.ring(subject.tenant_id, subject.key_id, agent_id, body.to_number, body.language)
        return Outcome(201, OutboundCallView.of(call).model_dump(mode="json"))

    return await respond(request, subject.tenant_id, idempotency_key, act)
