"""The doors of consent by message: advertise a keyword or a QR code, see them, take them back."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.compliance.models import Purpose
from app.errors import FieldError, NotFound, Unprocessable
from app.kit.pagination import Page, Paging, to_page
from app.kit.problem import responses
from app.kit.wiring import service
from app.tenants.service import TenantService
from whatsapp.opt_ins import OptIn, OptIns, opt_in_of
from whatsapp.optout import OptOutWords

router = APIRouter(prefix="/whatsapp/opt-ins", tags=["whatsapp"], responses=responses(401, 403, 422, 429, 503))
Reader = Annotated[AuthSubject, Depends(holding("compliance:read"))]
Writer = Annotated[AuthSubject, Depends(holding("compliance:write"))]
_opt_ins = service("whatsapp_opt_ins", OptIns)
_tenants = service("tenants", TenantService)
Ways = Annotated[OptIns, Depends(_opt_ins)]


class OptInInput(BaseModel):
    """A way to agree to WhatsApp messages: with `keyword` that word, without it a QR code whose text carries a code."""

    model_config = ConfigDict(extra="forbid")

    wording: str = Field(
        min_length=10,
        max_length=300,
        description="What people are told before they agree; it names the business.",
        examples=["Yes, Sundar Stores may send me updates of my orders on WhatsApp"],
    )
    purpose: Purpose
    language: str = Field(pattern=r"^[a-z]{2,3}-[A-Z]{2}$", examples=["en-IN"])
    confirmation: str = Field(
        min_length=1, max_length=1000, description="What we answer.", examples=["Thank you. Write STOP to end this."]
    )
    keyword: str | None = Field(default=None, min_length=2, max_length=60, examples=["JOIN SUNDAR"])
    business_phone: str | None = Field(
        default=None, pattern=r"^\+[1-9]\d{6,14}$", description="Your WhatsApp number, for the link."
    )


class OptInView(BaseModel):
    """A way to agree: whoever sends `text`, whole, has agreed."""

    id: str
    text: str
    wording: str
    purpose: Purpose
    language: str
    confirmation: str
    code: str | None = Field(description="Of a QR code; null for a keyword.")
    link: str | None = Field(description="Opens WhatsApp with the text written; print it as a QR code.")
    created_at: datetime

    @classmethod
    def of(cls, opt_in: OptIn) -> Self:
        """Returns the wire form."""
        return cls(
            id=opt_in.opt_in_id,
            text=opt_in.text,
            wording=opt_in.wording,
            purpose=opt_in.purpose,
            language=opt_in.language,
            confirmation=opt_in.confirmation,
            code=opt_in.code,
            link=opt_in.link,
            created_at=opt_in.created_at,
        )


@router.post(
    "",
    operation_id="create_whatsapp_opt_in",
    summary="Advertise a way to agree",
    status_code=201,
    responses=responses(409),
)
async def create_opt_in(request: Request, subject: Writer, ways: Ways, body: OptInInput) -> OptInView:
    """Stores a keyword, or makes a code with its link; consent is kept when somebody sends the whole text."""
    if body.keyword is None and body.business_phone is None:
        detail = "must be given: a QR code opens a chat with this number"
        raise Unprocessable("a QR code needs a number", errors=[FieldError("/body/business_phone", detail)])
    tenant = await _tenants(request).get(subject.tenant_id)
    opt_in = await ways.create(
        subject.tenant_id,
        subject.key_id,
        wording=body.wording.strip(),
        names=(tenant.name, tenant.legal_entity),
        purpose=body.purpose,
        language=body.language,
        confirmation=body.confirmation,
        commands=OptOutWords.of(request.app.state.services.packs.values()),
        keyword=body.keyword,
        business_phone=body.business_phone,
    )
    return OptInView.of(opt_in)


@router.get("", operation_id="list_whatsapp_opt_ins", summary="List the ways to agree")
async def list_opt_ins(subject: Reader, ways: Ways, paging: Paging) -> Page[OptInView]:
    """Lists keywords and codes, newest first."""
    found = await ways.page(subject.tenant_id, paging.limit, paging.starting_after)
    return to_page(found, lambda document: OptInView.of(opt_in_of(document)))


@router.delete(
    "/{opt_in_id}",
    operation_id="delete_whatsapp_opt_in",
    summary="Take a way to agree back",
    status_code=204,
    responses=responses(404),
)
async def delete_opt_in(subject: Writer, ways: Ways, opt_in_id: str) -> Response:
    """Forgets a keyword or code; what people agreed to by it stays in the ledger."""
    if not await ways.delete(subject.tenant_id, subject.key_id, opt_in_id):
        raise NotFound(f"no opt-in {opt_in_id}")
    return Response(status_code=204)
