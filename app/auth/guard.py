"""The doors' guard: reads the bearer key of a request and says who asks; every route states what it needs."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.auth.models import SCOPES, AuthSubject
from app.auth.service import KeyService
from app.errors import Forbidden, Unauthorized

_bearer = HTTPBearer(auto_error=False, scheme_name="api_key", description="`vs_live_...`, or the operator's key")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def key_service(request: Request) -> KeyService:
    """Returns the application's key service."""
    service: KeyService = request.app.state.services.keys
    return service


async def current_subject(request: Request, bearer: Bearer) -> AuthSubject:
    """Returns who asks.

    Raises:
        Unauthorized: No key, or none that is valid.
    """
    if bearer is None:
        raise Unauthorized("send `Authorization: Bearer <API key>`")
    return await key_service(request).authenticate(bearer.credentials)


Subject = Annotated[AuthSubject, Depends(current_subject)]
"""A route's parameter where any valid key will do."""


def holding(scope: str) -> Callable[[AuthSubject], Awaitable[AuthSubject]]:
    """Returns a dependency that lets a request in only with `scope` (`resource:verb`).

    Use: `subject: Annotated[AuthSubject, Depends(holding("agents:write"))]`.
    """
    if scope not in SCOPES:
        raise ValueError(f"no scope {scope!r}")

    async def check(subject: Subject) -> AuthSubject:
        if not subject.may(scope):
            raise Forbidden(f"this API key lacks the scope {scope}")
        return subject

    return check


async def operator(request: Request, bearer: Bearer) -> None:
    """Lets only the operator in.

    Raises:
        Unauthorized: Not the operator's key.
    """
    if bearer is None or not key_service(request).is_operator(bearer.credentials):
        raise Unauthorized("this needs the operator's key: `Authorization: Bearer $VAANISETU_OPERATOR_KEY`")
