"""The doors of a tenant's people: members, invitations, sessions and second factors."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from app.auth.guard import SESSION_COOKIE, Subject, holding
from app.auth.member_schemas import (
    InvitationAccept,
    MemberInvite,
    MemberInvited,
    MemberPatch,
    MemberView,
    SessionView,
    SignIn,
    TotpCode,
    TotpView,
)
from app.auth.members import MemberService, member_of
from app.auth.models import AuthSubject
from app.auth.replay import respond
from app.auth.roles import Role, may_grant
from app.auth.sessions import SESSION_LASTS, SessionService
from app.errors import Forbidden, Unauthorized
from app.kit.idempotency import IdempotencyKey, Outcome
from app.kit.pagination import Page, Paging, to_page
from app.kit.problem import responses
from app.kit.wiring import service

router = APIRouter(responses=responses(401, 403, 422, 429, 503))

ReadMembers = Annotated[AuthSubject, Depends(holding("members:read"))]
WriteMembers = Annotated[AuthSubject, Depends(holding("members:write"))]


_members = service("members", MemberService)
_sessions = service("sessions", SessionService)


Members = Annotated[MemberService, Depends(_members)]
Sessions = Annotated[SessionService, Depends(_sessions)]


@router.post(
    "/members",
    operation_id="invite_member",
    summary="Invite a person",
    tags=["members"],
    status_code=201,
    response_model=MemberInvited,
    responses=responses(409),
)
async def invite_member(
    request: Request,
    subject: WriteMembers,
    members: Members,
    body: MemberInvite,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Adds a member who has yet to choose a password; send them the invitation, which is shown this once."""
    _check_grant(subject, body.role)

    async def invite() -> Outcome:
        member, token = await members.invite(subject.tenant_id, subject.key_id, body.email, body.name, body.role)
        view = MemberInvited(**MemberView.of(member).model_dump(), invitation=token)
        return Outcome(201, view.model_dump(mode="json"))

    return await respond(request, subject.tenant_id, idempotency_key, invite)


@router.get("/members", operation_id="list_members", summary="List members", tags=["members"])
async def list_members(subject: ReadMembers, members: Members, paging: Paging) -> Page[MemberView]:
    """Lists the tenant's people, newest first."""
    found = await members.page(subject.tenant_id, paging.limit, paging.starting_after)
    return to_page(found, lambda document: MemberView.of(member_of(document)))


@router.get(
    "/members/{member_id}",
    operation_id="get_member",
    summary="Show a member",
    tags=["members"],
    responses=responses(404),
)
async def get_member(member_id: str, subject: ReadMembers, members: Members) -> MemberView:
    """Shows a member, with what their role may do."""
    return MemberView.of(await members.get(subject.tenant_id, member_id))


@router.patch(
    "/members/{member_id}",
    operation_id="change_member",
    summary="Change a member",
    tags=["members"],
    responses=responses(404, 409),
)
async def change_member(
    member_id: str, subject: WriteMembers, members: Members, sessions: Sessions, body: MemberPatch
) -> MemberView:
    """Changes name, role or access; a new role or a lost access ends the member's sessions."""
    present = await members.get(subject.tenant_id, member_id)
    _check_grant(subject, present.role)
    if body.role is not None:
        _check_grant(subject, body.role)
    member = await members.change(
        subject.tenant_id, subject.key_id, member_id, name=body.name, role=body.role, disabled=body.disabled
    )
    if body.role is not None or body.disabled:
        await sessions.end_all(subject.tenant_id, member_id)
    return MemberView.of(member)


@router.delete(
    "/members/{member_id}",
    operation_id="remove_member",
    summary="Remove a member",
    tags=["members"],
    status_code=204,
    responses=responses(404, 409),
)
async def remove_member(member_id: str, subject: WriteMembers, members: Members, sessions: Sessions) -> Response:
    """Removes a member, and ends their sessions."""
    _check_grant(subject, (await members.get(subject.tenant_id, member_id)).role)
    await members.remove(subject.tenant_id, subject.key_id, member_id)
    await sessions.end_all(subject.tenant_id, member_id)
    return Response(status_code=204)


@router.delete(
    "/members/{member_id}/second-factor",
    operation_id="remove_member_second_factor",
    summary="Remove a lost second factor",
    tags=["members"],
    status_code=204,
    responses=responses(404),
)
async def remove_second_factor(member_id: str, subject: WriteMembers, members: Members, sessions: Sessions) -> Response:
    """Removes the second factor of a member who has lost the device."""
    _check_grant(subject, (await members.get(subject.tenant_id, member_id)).role)
    await sessions.remove_totp(subject.tenant_id, subject.key_id, member_id)
    return Response(status_code=204)


@router.post(
    "/invitations/accept",
    operation_id="accept_invitation",
    summary="Accept an invitation",
    tags=["sessions"],
    responses=responses(404),
)
async def accept_invitation(members: Members, body: InvitationAccept) -> MemberView:
    """Sets the password of an invited member, who may sign in from then on."""
    return MemberView.of(await members.accept(body.invitation, body.password.get_secret_value()))


@router.post(
    "/session",
    operation_id="sign_in",
    summary="Sign in",
    tags=["sessions"],
    status_code=201,
    response_model=SessionView,
)
async def sign_in(request: Request, response: Response, sessions: Sessions, body: SignIn) -> SessionView:
    """Begins a session: sets the cookie `vs_session`, and returns the token that unsafe requests repeat.

    Five wrong attempts in a row lock a member out for a quarter of an hour.
    """
    limits = request.app.state.services.limits
    try:
        begun = await sessions.sign_in(body.tenant_id, body.email, body.password.get_secret_value(), body.code)
    except Unauthorized as error:
        if limits is not None:
            await limits.refuse(request, error.code)
        raise
    secure = request.app.state.services.settings.environment == "production"
    response.set_cookie(
        SESSION_COOKIE,
        begun.token,
        max_age=int(SESSION_LASTS.total_seconds()),
        httponly=True,
        secure=secure,
        samesite="strict",
    )
    response.headers["Cache-Control"] = "no-store"
    return SessionView(member=MemberView.of(begun.member), csrf_token=begun.csrf_token, expires_at=begun.expires_at)


@router.get("/session", operation_id="get_session", summary="Who am I", tags=["sessions"])
async def get_session(subject: Subject, members: Members) -> SessionView:
    """Shows the member who is signed in."""
    return SessionView(member=MemberView.of(await members.get(subject.tenant_id, _member_id(subject))))


@router.delete("/session", operation_id="sign_out", summary="Sign out", tags=["sessions"], status_code=204)
async def sign_out(request: Request, subject: Subject, sessions: Sessions) -> Response:
    """Ends the session."""
    await sessions.sign_out(request.cookies.get(SESSION_COOKIE, ""))
    response = Response(status_code=204)
    response.delete_cookie(SESSION_COOKIE)
    return response


@router.post(
    "/session/second-factor",
    operation_id="begin_second_factor",
    summary="Add a second factor",
    tags=["sessions"],
    status_code=201,
    responses=responses(409),
)
async def begin_second_factor(subject: Subject, sessions: Sessions) -> TotpView:
    """Makes a second factor for an authenticator app; it is in force once a code of it was confirmed."""
    secret, uri = await sessions.begin_totp(subject.tenant_id, _member_id(subject))
    return TotpView(secret=secret, uri=uri)


@router.post(
    "/session/second-factor/confirm",
    operation_id="confirm_second_factor",
    summary="Confirm a second factor",
    tags=["sessions"],
    status_code=204,
)
async def confirm_second_factor(subject: Subject, sessions: Sessions, body: TotpCode) -> Response:
    """Puts the second factor in force."""
    await sessions.confirm_totp(subject.tenant_id, _member_id(subject), body.code)
    return Response(status_code=204)


def _member_id(subject: AuthSubject) -> str:
    if not subject.key_id.startswith("mem_"):
        raise Forbidden("this is for members who are signed in, not for API keys", code="no_session")
    return subject.key_id


def _check_grant(subject: AuthSubject, role: Role) -> None:
    if not may_grant(subject.scopes, role):
        raise Forbidden(f"you may not give or change the role {role.value}: it may do what you may not")
