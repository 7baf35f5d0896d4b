"""What the webhook doors take and show."""

from datetime import datetime
from typing import Annotated, Self

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool

from app.webhooks.models import Delivery, DeliveryStatus, EventType, WebhookEndpoint


def _web_address(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"is no URL: {error}") from error
    if parsed.scheme not in ("https", "http") or not parsed.host:
        raise ValueError("must be an https address")
    if parsed.userinfo or parsed.fragment:
        raise ValueError("must hold no user name and no fragment")
    return url


WebAddress = Annotated[str, Field(max_length=500), AfterValidator(_web_address)]


class WebhookEndpointCreate(BaseModel):
    """A server that wants to be told."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"url": "https://crm.example.in/vaanisetu", "events": ["call.ended"]}},
    )

    url: WebAddress = Field(description="https, and public, in production.")
    events: list[EventType] = Field(default_factory=list, max_length=50, description="Empty: everything.")
    description: str = Field(default="", max_length=200)


class WebhookEndpointPatch(BaseModel):
    """What may change of an endpoint; `enabled: true` takes up an endpoint that was disabled."""

    model_config = ConfigDict(extra="forbid")

    url: WebAddress | None = None
    events: list[EventType] | None = Field(default=None, max_length=50)
    description: str | None = Field(default=None, max_length=200)
    enabled: StrictBool | None = None


class WebhookEndpointView(BaseModel):
    """An endpoint, without its secret."""

    id: str = Field(examples=["whk_01k4n5c9t2v8x7q6m3b1a0zdef"])
    url: str
    events: list[EventType]
    description: str
    enabled: bool
    disabled_reason: str | None
    created_at: datetime

    @classmethod
    def of(cls, endpoint: WebhookEndpoint) -> Self:
        """Returns the wire form."""
        return cls(
            id=endpoint.endpoint_id,
            url=endpoint.url,
            events=list(endpoint.events),
            description=endpoint.description,
            enabled=endpoint.enabled,
            disabled_reason=endpoint.disabled_reason,
            created_at=endpoint.created_at,
        )


class WebhookEndpointCreated(WebhookEndpointView):
    """An endpoint just made; `secret` is shown this once."""

    secret: str = Field(examples=["whsec_..."], description="Verifies signatures, by the Standard Webhooks libraries.")


class WebhookEndpointList(BaseModel):
    """All endpoints of the tenant."""

    data: list[WebhookEndpointView]


class WebhookSecretView(BaseModel):
    """A new secret, shown this once."""

    secret: str
    old_valid_until: datetime = Field(description="Until then the old secret signs too.")


class AttemptView(BaseModel):
    """One request to the endpoint."""

    at: datetime
    status: int | None = Field(description="HTTP status; null: no answer.")
    error: str | None
    elapsed_ms: int


class WebhookDeliveryView(BaseModel):
    """One event on its way to one endpoint."""

    id: str
    endpoint_id: str
    event_id: str = Field(description="The `webhook-id` header: the same in every attempt; use it to drop duplicates.")
    event: EventType
    status: DeliveryStatus
    attempts: list[AttemptView]
    next_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        """Returns the wire form."""
        return cls(
            id=delivery.delivery_id,
            endpoint_id=delivery.endpoint_id,
            event_id=delivery.event_id,
            event=delivery.event,
            status=delivery.status,
            attempts=[
                AttemptView(at=one.at, status=one.status, error=one.error, elapsed_ms=one.elapsed_ms)
                for one in delivery.attempts
            ],
            next_at=delivery.next_at,
            created_at=delivery.created_at,
        )
