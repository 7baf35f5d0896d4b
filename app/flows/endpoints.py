"""The doors of flow sets: draft, approve, publish, roll back."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import JSONResponse

from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.changes.endpoints import HELD, answered, put_rules
from app.changes.kinds import Area
from app.changes.rules import ChangeRules
from app.errors import PreconditionFailed
from app.flows.models import FlowVersion
from app.flows.schemas import FlowApproval, FlowDraft, FlowRules, FlowVersionView, SetName
from app.flows.service import FlowService
from app.kit.etag import IfMatch, tag
from app.kit.pagination import Page, Paging
from app.kit.problem import responses
from app.kit.wiring import service

router = APIRouter(responses=responses(401, 403, 422, 429, 503), tags=["flows"])

ReadFlows = Annotated[AuthSubject, Depends(holding("flows:read"))]
WriteFlows = Annotated[AuthSubject, Depends(holding("flows:write"))]
Name = Annotated[SetName, Path()]
Number = Annotated[int, Path(ge=1, le=1_000_000)]


_flows = service("flows", FlowService)


@router.get("/flow-versions", operation_id="list_flow_versions", summary="List all versions of all flow sets")
async def list_flow_versions(request: Request, subject: ReadFlows, paging: Paging) -> Page[FlowVersionView]:
    """Lists the tenant's flow versions, newest first. Agents without a set follow the shipped flows, `default`."""
    found, more = await _flows(request).page(subject.tenant_id, paging.limit, paging.starting_after)
    data = [FlowVersionView.of(version) for version in found]
    return Page(data=data, has_more=more, next_cursor=data[-1].id if more else None)


@router.get("/flow-rules", operation_id="get_flow_rules", summary="Show how flows go live")
async def get_flow_rules(request: Request, subject: ReadFlows) -> FlowRules:
    """Shows whether a second person must approve; a part of the change rules."""
    rules: ChangeRules = request.app.state.services.change_rules
    return FlowRules(two_persons=await rules.needs_two(subject.tenant_id, Area.FLOWS))


@router.put(
    "/flow-rules",
    operation_id="set_flow_rules",
    summary="Set how flows go live",
    response_model=FlowRules,
    responses=HELD,
)
async def set_flow_rules(request: Request, subject: WriteFlows, body: FlowRules) -> FlowRules | JSONResponse:
    """Sets whether another person than the author must approve; to ask for one person again takes two."""
    loosened = await put_rules(request, subject, {Area.FLOWS: body.two_persons})
    return body if loosened is None else answered(loosened)


@router.put(
    "/flow-sets/{name}/draft",
    operation_id="draft_flows",
    summary="Write a new version of a flow set",
    responses=responses(409, 412),
)
async def draft_flows(
    request: Request, response: Response, subject: WriteFlows, name: Name, body: FlowDraft, seen: IfMatch
) -> FlowVersionView:
    """Keeps a draft; a wrong one is refused with file, line and reason, and the live version keeps serving.

    With the `ETag` of the newest version as `If-Match`, only what was written on top of that one is kept.
    """

    def accept(newest: FlowVersion | None) -> None:
        if newest is None:
            raise PreconditionFailed(f"there is no version of {name}; send no If-Match")
        seen.check(FlowVersionView.of(newest))

    version = await _flows(request).draft(
        subject.tenant_id, subject.key_id, name, body.files, accept if seen.asked else None
    )
    view = FlowVersionView.of(version)
    tag(response, view)
    return view


@router.get(
    "/flow-sets/{name}/versions/{version}",
    operation_id="get_flow_version",
    summary="Show a version of a flow set",
    responses=responses(404),
)
async def get_flow_version(
    request: Request, response: Response, subject: ReadFlows, name: Name, version: Number
) -> FlowVersionView:
    """Shows a version with its files; its `ETag` is for the `If-Match` of the next draft."""
    view = FlowVersionView.of(await _flows(request).get(subject.tenant_id, name, version))
    tag(response, view)
    return view


@router.post(
    "/flow-sets/{name}/versions/{version}/approve",
    operation_id="approve_flows",
    summary="Approve a draft",
    responses=responses(404, 409),
)
async def approve_flows(
    request: Request,
    subject: WriteFlows,
    name: Name,
    version: Number,
    body: FlowApproval | None = None,
) -> FlowVersionView:
    """Approves a draft; another key than the author's, if the tenant asks for two persons."""
    done = await _flows(request).approve(
        subject.tenant_id, subject.key_id, name, version, body.approver if body else None
    )
    return FlowVersionView.of(done)


@router.post(
    "/flow-sets/{name}/versions/{version}/publish",
    operation_id="publish_flows",
    summary="Let an approved version serve",
    responses=responses(404, 409),
)
async def publish_flows(request: Request, subject: WriteFlows, name: Name, version: Number) -> FlowVersionView:
    """Publishes; agents that name the set follow it from the next call or chat on."""
    return FlowVersionView.of(await _flows(request).publish(subject.tenant_id, subject.key_id, name, version))


@router.post(
    "/flow-sets/{name}/rollback",
    operation_id="roll_back_flows",
    summary="Let the version serve again that served before",
    responses=responses(404, 409),
)
async def roll_back_flows(request: Request, subject: WriteFlows, name: Name) -> FlowVersionView:
    """Goes back to the version that served before the live one."""
    return FlowVersionView.of(await _flows(request).roll_back(subject.tenant_id, subject.key_id, name))
