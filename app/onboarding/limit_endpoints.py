"""The doors of limits: what a tenant may have and has; the operator says how much."""

from dataclasses import asdict
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from app.audit.log import AuditLog
from app.auth.guard import holding, operator
from app.auth.models import AuthSubject
from app.calls.allowance import CallAllowance
from app.kit.problem import responses
from app.kit.wiring import service
from app.tenants.limits import Limits, TenantLimits
from app.tenants.service import TenantService

router = APIRouter(tags=["tenants"], responses=responses(401, 403, 422, 429, 503))

ReadTenant = Annotated[AuthSubject, Depends(holding("tenant:read"))]
_limits = service("tenant_limits", TenantLimits)
_allowance = service("allowance", CallAllowance)
_tenants = service("tenants", TenantService)
_audit = service("audit", AuditLog)
Most = Annotated[StrictInt | None, Field(ge=0, le=100_000_000)]


class LimitsBody(BaseModel):
    """Limits to change; null takes one away, what is not named stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"agents": 5, "calls_at_once": 10}})

    agents: Most = None
    phone_numbers: Most = None
    members: Most = None
    calls_at_once: Most = None
    outbound_calls_a_day: Most = None
    minutes_a_month: Most = None


class LimitView(BaseModel):
    """One limit, and how much of it is used."""

    most: int | None = Field(description="Null: no limit.", examples=[5])
    used: int | None = Field(description="Null: see the calls out.", examples=[2])


class LimitsView(BaseModel):
    """What a tenant may have, and has."""

    agents: LimitView
    phone_numbers: LimitView
    members: LimitView
    calls_at_once: LimitView
    outbound_calls_a_day: LimitView
    minutes_a_month: LimitView = Field(description="Since the month began (UTC); up to a minute old.")

    @classmethod
    def of(cls, limits: Limits, used: dict[str, int]) -> Self:
        """Returns the wire form."""
        shown = {name: LimitView(most=most, used=used.get(name)) for name, most in asdict(limits).items()}
        return cls(**shown)


async def _shown(request: Request, tenant_id: str) -> LimitsView:
    limits, allowance = _limits(request), _allowance(request)
    used: dict[str, Any] = {kept.value: count for kept, count in (await limits.used(tenant_id)).items()}
    used["calls_at_once"] = await allowance.live(tenant_id)
    used["minutes_a_month"] = await allowance.minutes(tenant_id)
    return LimitsView.of(await limits.of(tenant_id), used)


@router.get("/limits", operation_id="get_limits", summary="Show what the tenant may have and has")
async def get_limits(request: Request, subject: ReadTenant) -> LimitsView:
    """Shows each limit; the operator sets them."""
    return await _shown(request, subject.tenant_id)


@router.get(
    "/tenants/{tenant_id}/limits",
    operation_id="get_tenant_limits",
    summary="Show a tenant's limits",
    dependencies=[Depends(operator)],
    responses=responses(404),
)
async def get_tenant_limits(request: Request, tenant_id: str) -> LimitsView:
    """Shows what a tenant may have and has. Needs the operator's key."""
    await _tenants(request).get(tenant_id)
    return await _shown(request, tenant_id)


@router.patch(
    "/tenants/{tenant_id}/limits",
    operation_id="set_tenant_limits",
    summary="Say how much a tenant may have",
    dependencies=[Depends(operator)],
    responses=responses(404),
)
async def set_tenant_limits(request: Request, tenant_id: str, body: LimitsBody) -> LimitsView:
    """Holds from the next request and call on; what is there beyond a limit stays. Needs the operator's key."""
    changes = body.model_dump(exclude_unset=True)
    await _limits(request).put(tenant_id, changes)
    await _audit(request).record(tenant_id, "operator", "limits.changed", tenant_id, changes)
    return await _shown(request, tenant_id)
