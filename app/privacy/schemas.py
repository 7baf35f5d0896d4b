"""Privacy requests, retention and forgotten tenants on the wire."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.privacy.classes import LONGEST_DAYS, RULES, DataClass
from app.privacy.ending import ForgottenTenant
from app.privacy.requests import PrivacyRequest, RequestKind, RequestStatus


class PrivacyRequestCreate(BaseModel):
    """Asks for a person's data, or to erase it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"kind": "erasure", "phone": "+919812345678", "reason": "asked by e-mail"}},
    )

    kind: RequestKind
    phone: str | None = Field(default=None, pattern=r"^\+[1-9]\d{6,14}$", description="E.164.")
    bsuid: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9._:-]{3,128}$", description="The business-scoped id that WhatsApp gives."
    )
    reason: str = Field(min_length=3, max_length=500, description="Why, for the audit log.")

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if self.phone is None and self.bsuid is None:
            raise ValueError("name the person by phone or bsuid")
        return self

    def names(self) -> list[str]:
        """Returns by what the person is known."""
        return [name for name in (self.phone, self.bsuid) if name is not None]


class PrivacyRequestView(BaseModel):
    """A request and how far it is. `evidence` says what was found (export) or deleted and kept (erasure)."""

    id: str = Field(examples=["preq_01k4n5c9t2v8x7q6m3b1a0zdef"])
    kind: RequestKind
    status: RequestStatus
    created_at: datetime
    created_by: str
    done_at: datetime | None
    expires_at: datetime | None = Field(description="An export can be downloaded until then.")
    evidence: dict[str, Any] = Field(examples=[{"deleted": {"messages": 14}, "kept": {"consents": "IN-13: ..."}}])
    error: str | None

    @classmethod
    def of(cls, request: PrivacyRequest) -> Self:
        """Returns the wire form."""
        return cls(
            id=request.request_id,
            kind=request.kind,
            status=request.status,
            created_at=request.created_at,
            created_by=request.created_by,
            done_at=request.done_at,
            expires_at=request.expires_at,
            evidence=dict(request.evidence),
            error=request.error,
        )


class RetentionSet(BaseModel):
    """Changes how many days some classes of data are kept; null: without end, where that is allowed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"days": {"recordings": 30}}})

    days: dict[DataClass, Annotated[int, Field(ge=1, le=LONGEST_DAYS)] | None] = Field(min_length=1)


class RetentionClass(BaseModel):
    """One class of data."""

    data_class: DataClass
    shown: str = Field(description="What it is.")
    days: int | None = Field(description="Null: without end.")
    default_days: int | None
    least_days: int
    why: str = Field(description="Where the floor comes from.")


class RetentionView(BaseModel):
    """How long everything is kept. Raw WhatsApp webhooks go a week after they were worked off, exports after a week."""

    data: list[RetentionClass]

    @classmethod
    def of(cls, days: dict[DataClass, int | None]) -> Self:
        """Returns the wire form."""
        return cls(
            data=[
                RetentionClass(
                    data_class=name,
                    shown=rule.shown,
                    days=days[name],
                    default_days=rule.days,
                    least_days=rule.least,
                    why=rule.why,
                )
                for name, rule in RULES.items()
            ]
        )


class ForgottenTenantView(BaseModel):
    """A tenant that is gone; `cleared_at` null: the rest is still being deleted."""

    tenant_id: str
    forgotten_at: datetime
    cleared_at: datetime | None
    evidence: dict[str, int] = Field(examples=[{"calls": 120, "files": 118}])

    @classmethod
    def of(cls, gone: ForgottenTenant) -> Self:
        """Returns the wire form."""
        return cls(
            tenant_id=gone.tenant_id,
            forgotten_at=gone.forgotten_at,
            cleared_at=gone.cleared_at,
            evidence=dict(gone.evidence),
        )
