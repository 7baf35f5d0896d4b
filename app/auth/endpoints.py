"""The doors of tenants, credentials and API keys. They stand in this room because each asks who is there."""

import ipaddress
from typing import Annotated

import httpx
from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import JSONResponse

from app.audit.log import AuditLog
from app.auth.guard import holding, key_service, operator
from app.auth.models import SCOPES, AuthSubject
from app.auth.replay import respond
from app.auth.schemas import (
    ApiKeyCreate,
    ApiKeyView,
    CredentialsView,
    NewApiKeyView,
    PlivoInput,
    TenantCreate,
    TenantCreated,
    TenantView,
    ToolsInput,
    WhatsAppInput,
)
from app.errors import FieldError, NotFound, Unprocessable
from app.kit.idempotency import IdempotencyKey, Outcome
from app.kit.pagination import Page, Paging
from app.kit.problem import responses
from app.tenants.credentials import CredentialService
from app.tenants.models import Credentials, Provider
from app.tenants.service import TenantService

router = APIRouter(responses=responses(401, 403, 422, 429, 503))

ReadTenant = Annotated[AuthSubject, Depends(holding("tenant:read"))]
ReadKeys = Annotated[AuthSubject, Depends(holding("api_keys:read"))]
WriteKeys = Annotated[AuthSubject, Depends(holding("api_keys:write"))]
ReadCredentials = Annotated[AuthSubject, Depends(holding("credentials:read"))]
WriteCredentials = Annotated[AuthSubject, Depends(holding("credentials:write"))]


def _tenants(request: Request) -> TenantService:
    service: TenantService = request.app.state.services.tenants
    return service


def _credentials(request: Request) -> CredentialService:
    service: CredentialService = request.app.state.services.credentials
    return service


def _audit(request: Request) -> AuditLog:
    log: AuditLog = request.app.state.services.audit
    return log


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
    packs: frozenset[str] = frozenset(request.app.state.services.packs)
    missing = [tag for tag in body.languages if tag not in packs]
    if missing:
        detail = f"no pack for {', '.join(missing)}; there are {', '.join(sorted(packs))}"
        raise Unprocessable("a language has no pack", errors=[FieldError("/body/languages", detail)])

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
    beyond = sorted(scope for scope in scopes if scope in SCOPES and not subject.may(scope))
    if beyond:
        detail = f"the creating key lacks {', '.join(beyond)}"
        raise Unprocessable("a key cannot give what it lacks", errors=[FieldError("/body/scopes", detail)])

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


async def _put(request: Request, subject: AuthSubject, credentials: Credentials) -> CredentialsView:
    masked = await _credentials(request).put(subject.tenant_id, credentials)
    target = masked.provider.value
    await _audit(request).record(subject.tenant_id, subject.key_id, "credentials.changed", target)
    return CredentialsView.of(masked)


@router.put(
    "/credentials/plivo",
    operation_id="put_plivo_credentials",
    summary="Set the Plivo account",
    tags=["credentials"],
)
async def put_plivo(request: Request, subject: WriteCredentials, body: PlivoInput) -> CredentialsView:
    """Stores the account, encrypted under the tenant's key."""
    return await _put(request, subject, body.credentials())


@router.put(
    "/credentials/whatsapp",
    operation_id="put_whatsapp_credentials",
    summary="Set the WhatsApp number",
    tags=["credentials"],
    responses=responses(409),
)
async def put_whatsapp(request: Request, subject: WriteCredentials, body: WhatsAppInput) -> CredentialsView:
    """Stores the number and its app, encrypted; point Meta's webhook at /v1/whatsapp/webhook."""
    return await _put(request, subject, body.credentials())


@router.put(
    "/credentials/tools",
    operation_id="put_tool_credentials",
    summary="Set where the tenant's systems answer",
    tags=["credentials"],
)
async def put_tools(request: Request, subject: WriteCredentials, body: ToolsInput) -> CredentialsView:
    """Stores the only origin that tools may call; in production public and by https."""
    if request.app.state.services.settings.environment == "production":
        _check_public(body.base_url)
    return await _put(request, subject, body.credentials())


@router.get(
    "/credentials/{provider}",
    operation_id="get_credentials",
    summary="Show credentials, masked",
    tags=["credentials"],
    responses=responses(404),
)
async def get_credentials(
    request: Request, subject: ReadCredentials, provider: Annotated[Provider, Path()]
) -> CredentialsView:
    """Shows identifiers in full and the last four characters of secrets."""
    masked = await _credentials(request).masked(subject.tenant_id, provider)
    if masked is None:
        raise NotFound(f"no {provider.value} credentials")
    return CredentialsView.of(masked)


@router.delete(
    "/credentials/{provider}",
    operation_id="delete_credentials",
    summary="Delete credentials",
    tags=["credentials"],
    status_code=204,
    responses=responses(404),
)
async def delete_credentials(
    request: Request, subject: WriteCredentials, provider: Annotated[Provider, Path()]
) -> Response:
    """Deletes the tenant's credentials of a provider."""
    if not await _credentials(request).delete(subject.tenant_id, provider):
        raise NotFound(f"no {provider.value} credentials")
    await _audit(request).record(subject.tenant_id, subject.key_id, "credentials.deleted", provider.value)
    return Response(status_code=204)


def _check_public(base_url: str) -> None:
    """Refuses origins inside our own network; names are not resolved here."""
    url = httpx.URL(base_url)
    try:
        private = not ipaddress.ip_address(url.host).is_global
    except ValueError:
        private = url.host == "localhost" or "." not in url.host or url.host.endswith((".local", ".internal"))
    if private or url.scheme != "https":
        detail = "must be a public https address"
        raise Unprocessable("the tools' address is refused", errors=[FieldError("/body/base_url", detail)])
