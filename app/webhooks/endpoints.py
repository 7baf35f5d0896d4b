"""The doors of outgoing webhooks: endpoints, their secrets, and the log of what was sent."""

import ipaddress
from typing import Annotated

import httpx
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.auth.replay import respond
from app.errors import FieldError, Unprocessable
from app.kit.idempotency import IdempotencyKey, Outcome
from app.kit.outbound import is_public
from app.kit.pagination import Page, Paging, to_page
from app.kit.problem import responses
from app.kit.wiring import service
from app.webhooks.repository import WebhookRepository, delivery_of
from app.webhooks.schemas import (
    WebhookDeliveryView,
    WebhookEndpointCreate,
    WebhookEndpointCreated,
    WebhookEndpointList,
    WebhookEndpointPatch,
    WebhookEndpointView,
    WebhookSecretView,
)
from app.webhooks.service import Webhooks

router = APIRouter(tags=["webhooks"], responses=responses(401, 403, 422, 429, 503))

Read = Annotated[AuthSubject, Depends(holding("webhooks:read"))]
Write = Annotated[AuthSubject, Depends(holding("webhooks:write"))]


_webhooks = service("webhooks", Webhooks)
_repository = service("webhook_store", WebhookRepository)


Service = Annotated[Webhooks, Depends(_webhooks)]


@router.post(
    "/webhook-endpoints",
    operation_id="create_webhook_endpoint",
    summary="Be told of events",
    status_code=201,
    response_model=WebhookEndpointCreated,
    responses=responses(409),
)
async def create_endpoint(
    request: Request,
    subject: Write,
    webhooks: Service,
    body: WebhookEndpointCreate,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Adds an endpoint; its secret is shown this once. Events come signed by the Standard Webhooks specification."""
    _check_reachable(request, body.url)

    async def create() -> Outcome:
        endpoint, secret = await webhooks.create(
            subject.tenant_id, subject.key_id, body.url, body.events, body.description
        )
        view = WebhookEndpointCreated(**WebhookEndpointView.of(endpoint).model_dump(), secret=secret)
        return Outcome(201, view.model_dump(mode="json"))

    return await respond(request, subject.tenant_id, idempotency_key, create)


@router.get("/webhook-endpoints", operation_id="list_webhook_endpoints", summary="List webhook endpoints")
async def list_endpoints(subject: Read, webhooks: Service) -> WebhookEndpointList:
    """Lists all endpoints of the tenant, at most twenty, oldest first."""
    found = await webhooks.all(subject.tenant_id)
    return WebhookEndpointList(data=[WebhookEndpointView.of(endpoint) for endpoint in found])


@router.get(
    "/webhook-endpoints/{endpoint_id}",
    operation_id="get_webhook_endpoint",
    summary="Show a webhook endpoint",
    responses=responses(404),
)
async def get_endpoint(endpoint_id: str, subject: Read, webhooks: Service) -> WebhookEndpointView:
    """Shows an endpoint, and why it was disabled if it was."""
    return WebhookEndpointView.of(await webhooks.get(subject.tenant_id, endpoint_id))


@router.patch(
    "/webhook-endpoints/{endpoint_id}",
    operation_id="change_webhook_endpoint",
    summary="Change a webhook endpoint",
    responses=responses(404),
)
async def change_endpoint(
    request: Request, endpoint_id: str, subject: Write, webhooks: Service, body: WebhookEndpointPatch
) -> WebhookEndpointView:
    """Changes what is given."""
    if body.url is not None:
        _check_reachable(request, body.url)
    fields = {name: value for name, value in body.model_dump(exclude_unset=True).items() if value is not None}
    return WebhookEndpointView.of(await webhooks.change(subject.tenant_id, subject.key_id, endpoint_id, fields))


@router.delete(
    "/webhook-endpoints/{endpoint_id}",
    operation_id="delete_webhook_endpoint",
    summary="Delete a webhook endpoint",
    status_code=204,
    responses=responses(404),
)
async def delete_endpoint(endpoint_id: str, subject: Write, webhooks: Service) -> Response:
    """Deletes an endpoint, its log and what was on its way there."""
    await webhooks.delete(subject.tenant_id, subject.key_id, endpoint_id)
    return Response(status_code=204)


@router.post(
    "/webhook-endpoints/{endpoint_id}/rotate-secret",
    operation_id="rotate_webhook_secret",
    summary="Rotate a webhook secret",
    responses=responses(404),
)
async def rotate_secret(endpoint_id: str, subject: Write, webhooks: Service) -> WebhookSecretView:
    """Makes a new secret; for a day the old one signs beside it."""
    secret, until = await webhooks.rotate_secret(subject.tenant_id, subject.key_id, endpoint_id)
    return WebhookSecretView(secret=secret, old_valid_until=until)


@router.post(
    "/webhook-endpoints/{endpoint_id}/test",
    operation_id="test_webhook_endpoint",
    summary="Send a test event",
    status_code=202,
    responses=responses(404),
)
async def test_endpoint(endpoint_id: str, subject: Write, webhooks: Service) -> WebhookDeliveryView:
    """Sends a `webhook.test` event; its delivery shows what the endpoint answered."""
    return WebhookDeliveryView.of(await webhooks.test(subject.tenant_id, endpoint_id))


@router.get(
    "/webhook-endpoints/{endpoint_id}/deliveries",
    operation_id="list_webhook_deliveries",
    summary="List what was sent",
    responses=responses(404),
)
async def list_deliveries(
    request: Request, endpoint_id: str, subject: Read, webhooks: Service, paging: Paging
) -> Page[WebhookDeliveryView]:
    """Lists deliveries with every attempt, newest first."""
    await webhooks.get(subject.tenant_id, endpoint_id)
    found = await _repository(request).page(subject.tenant_id, endpoint_id, paging.limit, paging.starting_after)
    return to_page(found, lambda document: WebhookDeliveryView.of(delivery_of(document)))


@router.post(
    "/webhook-deliveries/{delivery_id}/redeliver",
    operation_id="redeliver_webhook",
    summary="Send an event again",
    status_code=202,
    responses=responses(404),
)
async def redeliver(delivery_id: str, subject: Write, webhooks: Service) -> WebhookDeliveryView:
    """Sends an event again, under its first `webhook-id`."""
    return WebhookDeliveryView.of(await webhooks.redeliver(subject.tenant_id, subject.key_id, delivery_id))


def _check_reachable(request: Request, url: str) -> None:
    """Refuses what can never be delivered to in production; the address behind a name is checked at each delivery."""
    if request.app.state.services.settings.environment != "production":
        return
    parsed = httpx.URL(url)
    named = "." in parsed.host and not parsed.host.endswith((".local", ".internal", ".localhost"))
    public = is_public(parsed.host) if _is_address(parsed.host) else named
    if not public or parsed.scheme != "https":
        detail = "must be a public https address"
        raise Unprocessable("the webhook's address is refused", errors=[FieldError("/body/url", detail)])


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
