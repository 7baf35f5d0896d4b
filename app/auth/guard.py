"""The doors' guard: reads the bearer key of a request and says who asks; every route states what it needs."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.auth.access import CONTENT, AccessLog
from app.auth.limits import ApiLimits
from app.auth.models import SCOPES, AuthSubject
from app.auth.service import KeyService
from app.auth.sessions import SessionService
from app.errors import Forbidden, Unauthorized
from app.kit.logging import bind_context
from app.kit.wiring import service

SESSION_COOKIE = "vs_session"
bearer_of = HTTPBearer(auto_error=False, scheme_name="api_key", description="`vs_live_...`, or the operator's key")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer_of)]


key_service = service("keys", KeyService)


async def current_subject(request: Request, bearer: Bearer) -> AuthSubject:
    """Returns who asks: an API key, or a member by the cookie of a session. A request is counted and judged once.

    Raises:
        Unauthorized: No key and no session, or none that is valid.
        Forbidden: A member's unsafe request lacks the session's token.
        RateLimited: The tenant sends too many requests, or the address guesses keys.
    """
    known: AuthSubject | None = getattr(request.state, "subject", None)
    if known is not None:
        return known
    limits: ApiLimits | None = request.app.state.services.limits
    try:
        subject = await _identified(request, bearer)
    except Unauthorized as error:
        if limits is not None:
            await limits.refuse(request, error.detail)
        raise
    request.state.tenant_id = subject.tenant_id
    bind_context(tenant_id=subject.tenant_id)
    if limits is not None:
        await limits.admit(request, subject.tenant_id)
    request.state.subject = subject
    return subject


async def _identified(request: Request, bearer: HTTPAuthorizationCredentials | None) -> AuthSubject:
    if bearer is not None:
        return await key_service(request).authenticate(bearer.credentials)
    cookie = request.cookies.get(SESSION_COOKIE)
    if cookie is None:
        raise Unauthorized("send `Authorization: Bearer <API key>`, or sign in")
    sessions: SessionService = request.app.state.services.sessions
    is_safe = request.method in ("GET", "HEAD")
    return await sessions.authenticate(cookie, request.headers.get("x-csrf-token"), is_safe=is_safe)


Subject = Annotated[AuthSubject, Depends(current_subject)]
"""A route's parameter where any valid key will do."""


def holding(scope: str) -> Callable[..., Awaitable[AuthSubject]]:
    """Returns a dependency that lets a request in only with `scope` (`resource:verb`), and audits looks at content.

    Use: `subject: Annotated[AuthSubject, Depends(holding("agents:write"))]`.
    """
    if scope not in SCOPES:
        raise ValueError(f"no scope {scope!r}")

    async def check(request: Request, subject: Subject) -> AuthSubject:
        if not subject.may(scope):
            raise Forbidden(f"this API key lacks the scope {scope}")
        operation_id = str(getattr(request.scope.get("route"), "operation_id", ""))
        if operation_id in CONTENT:
            access: AccessLog = request.app.state.services.access
            await access.note(subject, operation_id, request.path_params)
        return subject

    check.scope = scope  # type: ignore[attr-defined]
    return check


async def operator(request: Request, bearer: Bearer) -> None:
    """Lets only the operator in.

    Raises:
        Unauthorized: Not the operator's key.
    """
    if bearer is None or not key_service(request).is_operator(bearer.credentials):
        raise Unauthorized("this needs the operator's key: `Authorization: Bearer $VAANISETU_OPERATOR_KEY`")
