"""The doors of tenants and API keys. They stand in this room because each asks who is there."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from app.audit.log import AuditLog
from app.auth.guard import Subject, holding, key_service, operator
from app.auth.models import SCOPES, AuthSubject
from app.auth.replay import respond
from app.auth.schemas import (
    ApiKeyCreate,
    ApiKeyView,
    KeyRotation,
    NewApiKeyView,
    TenantCreate,
    TenantCreated,
    TenantView,
)
from app.errors import FieldError, Forbidden, Unprocessable
from app.kit.idempotency import IdempotencyKey, Outcome
from app.kit.pagination import Page, Paging
from app.kit.problem import responses
from app.kit.wiring import service
from app.tenants.service import TenantService

router = APIRouter(responses=responses(401, 403, 422, 429, 503))

ReadTenant = Annotated[AuthSubject, Depends(holding("tenant:read"))]
ReadKeys = Annotated[AuthSubject, Depends(holding("api_keys:read"))]
WriteKeys = Annotated[AuthSubject, Depends(holding("api_keys:write"))]


def _check_grant(subject: AuthSubject, scopes: frozenset[str]) -> None:
    beyond = sorted(scope for scope in scopes if scope in SCOPES and not subject.may(scope))
    if beyond:
        detail = f"the creating key lacks {', '.join(beyond)}"
        raise Unprocessable("a key cannot give what it lacks", errors=[FieldError("/body/scopes", detail)])


def known_languages(request: Request, languages: Iterable[str]) -> None:
    """Checks the languages of a new tenant.

    Raises:
        Unprocessable: One has no pack.
    """
    packs: frozenset[str] = frozenset(request.app.state.services.packs)
    missing = [tag for tag in languages if tag not in packs]
    if missing:
        detail = f"no pack for {', '.join(missing)}; there are {', '.join(sorted(packs))}"
        raise Unprocessable("a language has no pack", errors=[FieldError("/body/languages", detail)])


_tenants = service("tenants", TenantService)
_audit = service("audit", AuditLog)


@router.post(
    "/tenants",
    operation_id="create_tenant",
    summary="Create a tenant",
    tags=["tenants"],
    status_code=201,
    response_model=TenantCreated,
    responses=responses(409),
    dependencies=[Depends(operator)],
)
async def create_tenant(request: Request, body: TenantCreate, idempotency_key: IdempotencyKey = None) -> JSONResponse:
    """Creates a tenant and its first API key, shown this once. Needs the operator's key."""
    known_languages(request, body.languages)

    async def create() -> Outcome:
        tenant = await _tenants(request).create(body.name, body.legal_entity, tuple(dict.fromkeys(body.languages)))
        tenant_id = tenant.tenant_id
        await _audit(request).record(tenant_id, "operator", "tenant.created", tenant_id, {"name": body.name})
        key, secret = await key_service(request).create(tenant_id, "operator", "first key")
        shown = NewApiKeyView(**ApiKeyView.of(key).model_dump(), key=secret)
        return Outcome(201, TenantCreated(**TenantView.of(tenant).model_dump(), api_key=shown).model_dump(mode="json"))

    return await respond(request, "operator", idempotency_key, create)


@router.get(
    "/tenants",
    operation_id="list_tenants",
    summary="List all tenants",
    tags=["tenants"],
    dependencies=[Depends(operator)],
)
async def list_tenants(request: Request, paging: Paging) -> Page[TenantView]:
    """Lists tenants, newest first. Needs the operator's key."""
    found, more = await _tenants(request).page(paging.limit, paging.starting_after)
    data = [TenantView.of(tenant) for tenant in found]
    return Page(data=data, has_more=more, next_cursor=data[-1].id if more else None)


@router.post(
    "/tenants/{tenant_id}/api-keys",
    operation_id="create_tenant_api_key",
    summary="Give a tenant a key that may do everything",
    tags=["tenants"],
    status_code=201,
    response_model=NewApiKeyView,
    responses=responses(404, 409),
    dependencies=[Depends(operator)],
)
async def create_tenant_api_key(
    request: Request, tenant_id: str, idempotency_key: IdempotencyKey = None
) -> JSONResponse:
    """For a tenant that lost its keys, or whose keys lack the scopes of a later version. Needs the operator's key."""

    async def create() -> Outcome:
        await _tenants(request).get(tenant_id)
        key, secret = await key_service(request).create(tenant_id, "operator", "key from the operator")
        view = NewApiKeyView(**ApiKeyView.of(key).model_dump(), key=secret)
        return Outcome(201, view.model_dump(mode="json"))

    return await respond(request, "operator", idempotency_key, create)


@router.get("/tenant", operation_id="get_own_tenant", summary="Show the key's tenant", tags=["tenants"])
async def get_own_tenant(request: Request, subject: ReadTenant) -> TenantView:
    """Shows the tenant to which the API key belongs."""
    return TenantView.of(await _tenants(request).get(subject.tenant_id))


@router.post(
    "/api-keys",
    operation_id="create_api_key",
    summary="Create an API key",
    tags=["api keys"],
    status_code=201,
    response_model=NewApiKeyView,
    responses=responses(409),
)
async def create_api_key(
    request: Request, subject: WriteKeys, body: ApiKeyCreate, idempotency_key: IdempotencyKey = None
) -> JSONResponse:
    """Creates a key, shown this once; it may do no more than the key that creates it."""
    scopes = frozenset(body.scopes) if body.scopes is not None else subject.scopes
    _check_grant(subject, scopes)

    async def create() -> Outcome:
        key, secret = await key_service(request).create(
            subject.tenant_id,
            subject.key_id,
            body.name,
            scopes=scopes,
            expires_at=body.expires_at,
            live=not body.test,
        )
        view = NewApiKeyView(**ApiKeyView.of(key).model_dump(), key=secret)
        return Outcome(201, view.model_dump(mode="json"))

    return await respond(request, subject.tenant_id, idempotency_key, create)


@router.post(
    "/api-keys/{key_id}/rotate",
    operation_id="rotate_api_key",
    summary="Replace an API key",
    tags=["api keys"],
    status_code=201,
    response_model=NewApiKeyView,
    responses=responses(404, 409),
)
async def rotate_api_key(
    request: Request,
    subject: Subject,
    key_id: str,
    body: KeyRotation | None = None,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Makes a key, shown this once, that may do the same; a key may replace itself, whatever else it may not do."""
    if subject.key_id != key_id:
        if not subject.may("api_keys:write"):
            raise Forbidden("this API key lacks the scope api_keys:write")
        _check_grant(subject, (await key_service(request).get(subject.tenant_id, key_id)).scopes)
    overlap = timedelta(hours=(body or KeyRotation()).overlap_hours)

    async def rotate() -> Outcome:
        key, secret = await key_service(request).rotate(subject.tenant_id, subject.key_id, key_id, overlap)
        view = NewApiKeyView(**ApiKeyView.of(key).model_dump(), key=secret)
        return Outcome(201, view.model_dump(mode="json"))

    return await respond(request, subject.tenant_id, idempotency_key, rotate)


@router.get("/api-keys", operation_id="list_api_keys", summary="List API keys", tags=["api keys"])
async def list_api_keys(request: Request, subject: ReadKeys, paging: Paging) -> Page[ApiKeyView]:
    """Lists the tenant's keys, newest first, revoked ones included."""
    found, more = await key_service(request).page(subject.tenant_id, paging.limit, paging.starting_after)
    data = [ApiKeyView.of(key) for key in found]
    return Page(data=data, has_more=more, next_cursor=data[-1].id if more else None)


@router.delete(
    "/api-keys/{key_id}",
    operation_id="revoke_api_key",
    summary="Revoke an API key",
    tags=["api keys"],
    status_code=204,
    responses=responses(404),
)
async def revoke_api_key(request: Request, subject: WriteKeys, key_id: str) -> Response:
    """Ends a key; within seconds no process accepts it."""
    await key_service(request).revoke(subject.tenant_id, subject.key_id, key_id)
    return Response(status_code=204)
