"""The doors for trying an agent in text: understand a sentence, play a conversation turn by turn."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.errors import Forbidden
from app.kit.problem import responses
from app.rehearsal.schemas import SimulateRequest, SimulateView, UnderstandingView, UnderstandRequest
from app.rehearsal.service import Rehearsal

router = APIRouter(responses=responses(401, 403, 404, 422, 429, 503), tags=["rehearsal"])

ReadAgents = Annotated[AuthSubject, Depends(holding("agents:read"))]


def _rehearsal(request: Request) -> Rehearsal:
    rehearsal: Rehearsal = request.app.state.rehearsal
    return rehearsal


Stage = Annotated[Rehearsal, Depends(_rehearsal)]


@router.post("/agents/{agent_id}/understand", operation_id="understand", summary="Understand a sentence")
async def understand(stage: Stage, subject: ReadAgents, agent_id: str, body: UnderstandRequest) -> UnderstandingView:
    """Says what the agent makes of words, and why: languages, scores with thresholds, values, the deciding rule."""
    found, tokens = await stage.understand(
        subject.tenant_id,
        agent_id,
        body.text,
        language=body.language,
        expectation=body.expectation,
        expected_digits=body.expected_digits,
        alternatives=[(reading.text, reading.confidence) for reading in body.alternatives],
    )
    return UnderstandingView.of(found, tokens, body.top)


@router.post("/agents/{agent_id}/simulate", operation_id="simulate", summary="Play one turn of a conversation in text")
async def simulate(stage: Stage, subject: ReadAgents, agent_id: str, body: SimulateRequest) -> SimulateView:
    """Answers one turn as a call would. Actions are named and not carried out; give `state` back with the next turn."""
    if body.tools == "real" and not subject.may("agents:write"):
        raise Forbidden("tools: real asks the tenant's systems, writes included; the key needs agents:write")
    turn = await stage.turn(
        subject.tenant_id,
        agent_id,
        text=body.text,
        digits=body.digits,
        token=body.state,
        language=body.language,
        system=body.system(),
        caller_number=body.caller_number or "",
    )
    return SimulateView.of(turn)
