"""The doors of own intents: draft (trained behind), publish, roll back."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.status import HTTP_202_ACCEPTED

from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.intents.schemas import IntentDraft, IntentVersionView, LiveIntents
from app.intents.service import IntentService
from app.kit.pagination import Page, Paging
from app.kit.problem import responses

router = APIRouter(responses=responses(401, 403, 404, 422, 429, 503), tags=["intents"])

Read = Annotated[AuthSubject, Depends(holding("agents:read"))]
Write = Annotated[AuthSubject, Depends(holding("agents:write"))]
Number = Annotated[int, Path(ge=1, le=1_000_000)]


def _service(request: Request) -> IntentService:
    service: IntentService = request.app.state.intents
    return service


Intents = Annotated[IntentService, Depends(_service)]


@router.put(
    "/agents/{agent_id}/intents/draft",
    operation_id="draft_intents",
    summary="Write a new version of an agent's own intents",
    status_code=HTTP_202_ACCEPTED,
    responses=responses(409),
)
async def draft_intents(subject: Write, intents: Intents, agent_id: str, body: IntentDraft) -> IntentVersionView:
    """Checks the intents and leaves their training to the background; watch the version's status.

    Refused, each with its place: names that exist, too few sentences, and sentences that mean a shipped intent.
    """
    values = [intent.value() for intent in body.intents]
    return IntentVersionView.of(await intents.draft(subject.tenant_id, subject.key_id, agent_id, values))


@router.get(
    "/agents/{agent_id}/intents/versions",
    operation_id="list_intent_versions",
    summary="List the versions of an agent's own intents",
)
async def list_intent_versions(
    subject: Read, intents: Intents, agent_id: str, paging: Paging
) -> Page[IntentVersionView]:
    """Lists an agent's versions, newest first."""
    found, more = await intents.page(subject.tenant_id, agent_id, paging.limit, paging.starting_after)
    data = [IntentVersionView.of(version) for version in found]
    return Page(data=data, has_more=more, next_cursor=data[-1].id if more else None)


@router.get(
    "/agents/{agent_id}/intents/versions/{version}",
    operation_id="get_intent_version",
    summary="Show a version of an agent's own intents",
)
async def get_intent_version(subject: Read, intents: Intents, agent_id: str, version: Number) -> IntentVersionView:
    """Shows a version with its sentences and, once it is trained, how it did."""
    return IntentVersionView.of(await intents.get(subject.tenant_id, agent_id, version))


@router.post(
    "/agents/{agent_id}/intents/versions/{version}/publish",
    operation_id="publish_intents",
    summary="Let a version of own intents serve",
    responses=responses(409),
)
async def publish_intents(subject: Write, intents: Intents, agent_id: str, version: Number) -> IntentVersionView:
    """Publishes a version that passed; the agent's next calls and chats understand it."""
    return IntentVersionView.of(await intents.publish(subject.tenant_id, subject.key_id, agent_id, version))


@router.post(
    "/agents/{agent_id}/intents/rollback",
    operation_id="roll_back_intents",
    summary="Let the own intents serve again that served before",
    responses=responses(409),
)
async def roll_back_intents(subject: Write, intents: Intents, agent_id: str) -> LiveIntents:
    """Goes back to the version that served before the live one, or to the shipped intents alone."""
    before = await intents.roll_back(subject.tenant_id, subject.key_id, agent_id)
    return LiveIntents(live=IntentVersionView.of(before) if before is not None else None)
