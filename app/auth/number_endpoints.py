"""The doors of a tenant's further WhatsApp numbers, beside the first one that its credentials name."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.audit.log import AuditLog
from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.auth.schemas import CredentialsCheck, Secret
from app.errors import NotFound
from app.kit.problem import responses
from app.kit.wiring import service
from app.tenants.credentials import CredentialService
from app.tenants.models import WhatsAppNumber
from app.tenants.verification import ProviderChecks
from app.tenants.whatsapp_numbers import ShownNumber

router = APIRouter(
    prefix="/credentials/whatsapp/numbers", tags=["credentials"], responses=responses(401, 403, 404, 422, 429, 503)
)
ReadCredentials = Annotated[AuthSubject, Depends(holding("credentials:read"))]
WriteCredentials = Annotated[AuthSubject, Depends(holding("credentials:write"))]
PhoneNumberId = Annotated[str, Path(pattern=r"^\d{5,32}$", description="Meta's id of the number, not the number.")]
_credentials = service("credentials", CredentialService)
_checks = service("provider_checks", ProviderChecks)
_audit = service("audit", AuditLog)


class NumberInput(BaseModel):
    """A further number; what is left out is that of the first number, and changes with it."""

    model_config = ConfigDict(extra="forbid")

    label: str | None = Field(default=None, min_length=1, max_length=80, examples=["Chennai shop"])
    business_account_id: str | None = Field(default=None, pattern=r"^\d{5,32}$")
    access_token: Secret | None = None
    app_secret: Secret | None = None


class NumberView(BaseModel):
    """A WhatsApp number of the tenant; secrets are never shown."""

    phone_number_id: str
    label: str | None
    first: bool = Field(description="Whether it is the one of the credentials: new conversations begin there.")
    business_account_id: str | None
    own_access_token: bool
    own_app_secret: bool
    updated_at: datetime

    @classmethod
    def of(cls, shown: ShownNumber) -> Self:
        """Returns the wire form."""
        number = shown.number
        return cls(
            phone_number_id=number.phone_number_id,
            label=number.label,
            first=shown.first,
            business_account_id=number.business_account_id,
            own_access_token=shown.first or number.access_token is not None,
            own_app_secret=shown.first or number.app_secret is not None,
            updated_at=shown.updated_at,
        )


class NumberChecked(NumberView):
    """A number just stored, and what Meta said of it."""

    check: CredentialsCheck


@router.get("", operation_id="list_whatsapp_numbers", summary="List the WhatsApp numbers")
async def list_numbers(request: Request, subject: ReadCredentials) -> list[NumberView]:
    """Lists every number of the tenant, the first one first."""
    return [NumberView.of(shown) for shown in await _credentials(request).numbers.all(subject.tenant_id)]


@router.put(
    "/{phone_number_id}",
    operation_id="put_whatsapp_number",
    summary="Add or change a further WhatsApp number",
    responses=responses(409),
)
async def put_number(
    request: Request, subject: WriteCredentials, phone_number_id: PhoneNumberId, body: NumberInput
) -> NumberChecked:
    """Stores the number and asks Meta about it at once; it stays stored whatever Meta says."""
    numbers = _credentials(request).numbers
    number = WhatsAppNumber(phone_number_id, body.label, body.business_account_id, body.access_token, body.app_secret)
    shown = await numbers.put(subject.tenant_id, number)
    await _audit(request).record(subject.tenant_id, subject.key_id, "credentials.number_added", phone_number_id)
    opened = await numbers.credentials(subject.tenant_id, phone_number_id)
    if opened is None:
        raise NotFound(f"number {phone_number_id} was deleted meanwhile")
    check = CredentialsCheck.of(await _checks(request).ask(opened))
    return NumberChecked(**NumberView.of(shown).model_dump(), check=check)


@router.delete(
    "/{phone_number_id}",
    operation_id="delete_whatsapp_number",
    summary="Delete a further WhatsApp number",
    status_code=204,
)
async def delete_number(request: Request, subject: WriteCredentials, phone_number_id: PhoneNumberId) -> Response:
    """Forgets a further number; its conversations go on from the first one, by template."""
    if not await _credentials(request).numbers.delete(subject.tenant_id, phone_number_id):
        raise NotFound(f"no further WhatsApp number {phone_number_id}")
    await _audit(request).record(subject.tenant_id, subject.key_id, "credentials.number_deleted", phone_number_id)
    return Response(status_code=204)
