"""The doors of the tenants' accounts with providers. They stand in this room because each asks who is there."""

import ipaddress
from dataclasses import dataclass, replace
from typing import Annotated

import httpx
from fastapi import APIRouter, Depends, Path, Request, Response

from app.audit.log import AuditLog
from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.auth.schemas import CredentialsView, LlmInput, PlivoInput, ToolsInput, WhatsAppInput
from app.errors import FieldError, NotFound, PreconditionFailed, Unprocessable
from app.kit.etag import IfMatch, tag
from app.kit.problem import responses
from app.kit.wiring import service
from app.tenants.credentials import CredentialService, MaskedCredentials
from app.tenants.models import Credentials, Provider
from app.tenants.verification import Check, ProviderChecks

router = APIRouter(responses=responses(401, 403, 422, 429, 503))

ReadCredentials = Annotated[AuthSubject, Depends(holding("credentials:read"))]
WriteCredentials = Annotated[AuthSubject, Depends(holding("credentials:write"))]
_credentials = service("credentials", CredentialService)
_checks = service("provider_checks", ProviderChecks)
_audit = service("audit", AuditLog)


@dataclass(frozen=True, slots=True)
class Putting:
    """What every PUT of credentials has: who asks, what they saw, and the response that shows the new tag."""

    request: Request
    response: Response
    subject: WriteCredentials
    seen: IfMatch


Put = Annotated[Putting, Depends()]


async def _put(put: Putting, credentials: Credentials) -> CredentialsView:
    """Stores credentials and asks their provider at once; they stay stored whatever it says."""
    request, subject, seen = put.request, put.subject, put.seen

    def accept(present: MaskedCredentials | None) -> None:
        if present is None:
            raise PreconditionFailed("there are no credentials of this provider; send no If-Match")
        seen.check(CredentialsView.of(present))

    masked = await _credentials(request).put(subject.tenant_id, credentials, accept if seen.asked else None)
    target = masked.provider.value
    await _audit(request).record(subject.tenant_id, subject.key_id, "credentials.changed", target)
    view = CredentialsView.of(replace(masked, check=await _verified(request, subject, masked.provider)))
    tag(put.response, view)
    return view


async def _verified(request: Request, subject: AuthSubject, provider: Provider) -> Check:
    check = await _credentials(request).checked(subject.tenant_id, provider, _checks(request).ask)
    data = {"state": check.state.value}
    await _audit(request).record(subject.tenant_id, subject.key_id, "credentials.checked", provider.value, data)
    return check


@router.put(
    "/credentials/plivo",
    operation_id="put_plivo_credentials",
    summary="Set the Plivo account",
    tags=["credentials"],
    responses=responses(412),
)
async def put_plivo(put: Put, body: PlivoInput) -> CredentialsView:
    """Stores the account, encrypted under the tenant's key."""
    return await _put(put, body.credentials())


@router.put(
    "/credentials/whatsapp",
    operation_id="put_whatsapp_credentials",
    summary="Set the WhatsApp number",
    tags=["credentials"],
    responses=responses(409, 412),
)
async def put_whatsapp(put: Put, body: WhatsAppInput) -> CredentialsView:
    """Stores the number and its app, encrypted; point Meta's webhook at /v1/whatsapp/webhook."""
    return await _put(put, body.credentials())


@router.put(
    "/credentials/tools",
    operation_id="put_tool_credentials",
    summary="Set where the tenant's systems answer",
    tags=["credentials"],
    responses=responses(412),
)
async def put_tools(put: Put, body: ToolsInput) -> CredentialsView:
    """Stores the only origin that tools may call; in production public and by https."""
    if put.request.app.state.services.settings.environment == "production":
        _check_public(body.base_url)
    return await _put(put, body.credentials())


@router.put(
    "/credentials/llm",
    operation_id="put_llm_credentials",
    summary="Set the language model",
    tags=["credentials"],
    responses=responses(412),
)
async def put_llm(put: Put, body: LlmInput) -> CredentialsView:
    """Stores the model that agents with `second_opinion` ask; in production public and by https."""
    if put.request.app.state.services.settings.environment == "production":
        _check_public(body.base_url)
    return await _put(put, body.credentials())


@router.get(
    "/credentials/{provider}",
    operation_id="get_credentials",
    summary="Show credentials, masked",
    tags=["credentials"],
    responses=responses(404),
)
async def get_credentials(
    request: Request, response: Response, subject: ReadCredentials, provider: Annotated[Provider, Path()]
) -> CredentialsView:
    """Shows identifiers in full and the last four characters of secrets; its `ETag` is for `If-Match` of a PUT."""
    masked = await _credentials(request).masked(subject.tenant_id, provider)
    if masked is None:
        raise NotFound(f"no {provider.value} credentials")
    view = CredentialsView.of(masked)
    tag(response, view)
    return view


@router.post(
    "/credentials/{provider}/verify",
    operation_id="verify_credentials",
    summary="Ask the provider about the credentials again",
    tags=["credentials"],
    responses=responses(404),
)
async def verify_credentials(
    request: Request, subject: WriteCredentials, provider: Annotated[Provider, Path()]
) -> CredentialsView:
    """Makes one call to the provider that changes nothing there, and keeps what it said."""
    await _verified(request, subject, provider)
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
        raise Unprocessable("the address is refused", errors=[FieldError("/body/base_url", detail)])
