"""Who looks at the console: a member's session, and the rights of their role; nobody else gets further."""

from typing import Annotated, Any

from fastapi import Depends, Request

from app.auth.guard import SESSION_COOKIE
from app.auth.limits import ApiLimits
from app.auth.members import Member
from app.auth.models import AuthSubject
from app.errors import Forbidden, Unauthorized
from app.kit.logging import bind_context

CSRF_COOKIE = "vs_csrf"
"""Read by the console's script, which repeats it as X-CSRF-Token; the session itself is in a cookie no script sees."""
SIGN_IN = "/console/sign-in"
_SAFE = ("GET", "HEAD")


class SignInNeeded(Exception):
    """Nobody is signed in; the page asked for comes after signing in."""


async def signed_in(request: Request) -> AuthSubject:
    """Returns the member whose session the cookie names.

    Raises:
        SignInNeeded: There is no session that began here, or it has ended.
        Forbidden: An unsafe request does not repeat the session's token.
        RateLimited: The tenant sends too many requests.
    """
    services: Any = request.app.state.services
    token = request.cookies.get(SESSION_COOKIE)
    if token is None or CSRF_COOKIE not in request.cookies:
        raise SignInNeeded
    try:
        subject: AuthSubject = await services.sessions.authenticate(
            token, request.headers.get("x-csrf-token"), is_safe=request.method in _SAFE
        )
    except Unauthorized as error:
        raise SignInNeeded from error
    request.state.tenant_id = subject.tenant_id
    bind_context(tenant_id=subject.tenant_id)
    limits: ApiLimits | None = services.limits
    if limits is not None:
        await limits.admit(request, subject.tenant_id)
    return subject


SignedIn = Annotated[AuthSubject, Depends(signed_in)]


def _holding(scope: str) -> Any:
    async def check(subject: SignedIn) -> AuthSubject:
        need(subject, scope)
        return subject

    return Depends(check)


Reader = Annotated[AuthSubject, _holding("conversations:read")]
Writer = Annotated[AuthSubject, _holding("conversations:write")]
CallReader = Annotated[AuthSubject, _holding("calls:read")]


def need(subject: AuthSubject, scope: str) -> None:
    """Lets only who holds `scope` go on.

    Raises:
        Forbidden: The member's role lacks it.
    """
    if not subject.may(scope):
        raise Forbidden(f"your role lacks {scope}; ask an administrator of your company", code="role_lacks")


async def member_who_looks(request: Request, subject: AuthSubject) -> Member:
    """Returns the member behind a session."""
    member: Member = await request.app.state.services.members.get(subject.tenant_id, subject.key_id)
    return member
