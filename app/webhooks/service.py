"""Endpoints as the tenant manages them, and the events that rooms publish to them."""

import base64
import secrets as randomness
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from app.audit.log import AuditLog
from app.errors import AppError, Conflict, NotFound
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.jobs import Jobs
from app.kit.redaction import Redact, redact_figures, redacted
from app.webhooks.models import Delivery, DeliveryStatus, EventType, WebhookEndpoint
from app.webhooks.repository import MOST_ENDPOINTS, WebhookRepository

DELIVER: Final = "webhooks.deliver"
ROTATION_OVERLAP: Final = timedelta(hours=24)
_SECRET_BYTES: Final = 32
_log = structlog.get_logger("webhooks")


class Webhooks:
    """The tenant's endpoints, and the way in for events."""

    def __init__(
        self,
        repository: WebhookRepository,
        audit: AuditLog,
        jobs: Jobs,
        clock: Clock,
        redact: Redact = redact_figures,
    ) -> None:
        self._repository = repository
        self._audit = audit
        self._jobs = jobs
        self._clock = clock
        self._redact = redact

    async def publish(self, tenant_id: str, event: EventType, data: Mapping[str, Any]) -> int:
        """Leaves an event for every endpoint that wants it; never raises, as what happened has happened.

        Args:
            tenant_id: Whose event.
            event: What happened.
            data: Ids and states; words, such as reasons, are redacted.

        Returns:
            How many endpoints will be told.
        """
        try:
            wanted = [endpoint for endpoint in await self._repository.endpoints(tenant_id) if endpoint.wants(event)]
            for endpoint in wanted:
                await self._leave(endpoint, event, new_id("evt"), data)
        except AppError as error:
            _log.error("webhooks.not_published", tenant_id=tenant_id, event_type=event.value, code=error.code)
            return 0
        return len(wanted)

    async def create(
        self, tenant_id: str, actor: str, url: str, events: Sequence[EventType], description: str
    ) -> tuple[WebhookEndpoint, str]:
        """Adds an endpoint; returns it with its secret, which is shown this once.

        Raises:
            Conflict: The tenant has as many as it may.
        """
        if len(await self._repository.endpoints(tenant_id)) >= MOST_ENDPOINTS:
            raise Conflict(f"a tenant has at most {MOST_ENDPOINTS} webhook endpoints", code="too_many_endpoints")
        endpoint = WebhookEndpoint(
            new_id("whk"), tenant_id, url, tuple(events), description, True, None, self._clock.now()
        )
        secret = _new_secret()
        await self._repository.add_endpoint(endpoint, {secret: None})
        await self._audit.record(tenant_id, actor, "webhook.created", endpoint.endpoint_id, {"url": url})
        return endpoint, secret

    async def all(self, tenant_id: str) -> list[WebhookEndpoint]:
        """Returns a tenant's endpoints."""
        return await self._repository.endpoints(tenant_id)

    async def get(self, tenant_id: str, endpoint_id: str) -> WebhookEndpoint:
        """Returns an endpoint.

        Raises:
            NotFound: Not this tenant's.
        """
        found = await self._repository.endpoint(tenant_id, endpoint_id)
        if found is None:
            raise NotFound(f"no webhook endpoint {endpoint_id}")
        return found

    async def change(self, tenant_id: str, actor: str, endpoint_id: str, fields: Mapping[str, Any]) -> WebhookEndpoint:
        """Changes `url`, `events`, `description` or `enabled`; enabling forgets why it was disabled.

        Raises:
            NotFound: Not this tenant's.
        """
        endpoint = await self.get(tenant_id, endpoint_id)
        changed = dict(fields)
        if changed.get("enabled"):
            changed["disabled_reason"] = None
        if changed:
            stored = {**changed, **({"events": list(changed["events"])} if "events" in changed else {})}
            await self._repository.change_endpoint(tenant_id, endpoint_id, stored)
            await self._audit.record(tenant_id, actor, "webhook.changed", endpoint_id, {"fields": sorted(fields)})
        return replace(endpoint, **changed)

    async def delete(self, tenant_id: str, actor: str, endpoint_id: str) -> None:
        """Deletes an endpoint and what was on its way there.

        Raises:
            NotFound: Not this tenant's.
        """
        if not await self._repository.delete_endpoint(tenant_id, endpoint_id):
            raise NotFound(f"no webhook endpoint {endpoint_id}")
        await self._audit.record(tenant_id, actor, "webhook.deleted", endpoint_id)

    async def rotate_secret(self, tenant_id: str, actor: str, endpoint_id: str) -> tuple[str, datetime]:
        """Makes a new secret; the present one signs beside it until the moment returned, older ones no more.

        Raises:
            NotFound: Not this tenant's.
        """
        await self.get(tenant_id, endpoint_id)
        until = self._clock.now() + ROTATION_OVERLAP
        current = [
            secret for secret, ends in (await self._repository.secrets(tenant_id, endpoint_id)).items() if not ends
        ]
        fresh = _new_secret()
        kept: dict[str, str | None] = dict.fromkeys(current, until.isoformat())
        await self._repository.put_secrets(tenant_id, endpoint_id, {fresh: None, **kept})
        await self._audit.record(tenant_id, actor, "webhook.secret_rotated", endpoint_id)
        return fresh, until

    async def test(self, tenant_id: str, endpoint_id: str) -> Delivery:
        """Sends a `webhook.test` event to an endpoint, even a disabled one.

        Raises:
            NotFound: Not this tenant's.
        """
        endpoint = await self.get(tenant_id, endpoint_id)
        return await self._leave(endpoint, EventType.TEST, new_id("evt"), {"endpoint_id": endpoint_id})

    async def redeliver(self, tenant_id: str, actor: str, delivery_id: str) -> Delivery:
        """Sends an event again, under its first id.

        Raises:
            NotFound: Not this tenant's.
        """
        found = await self._repository.delivery(tenant_id, delivery_id)
        if found is None:
            raise NotFound(f"no webhook delivery {delivery_id}")
        await self._repository.wait_again(tenant_id, delivery_id)
        await self._audit.record(tenant_id, actor, "webhook.redelivered", delivery_id)
        await self._enqueue(tenant_id, delivery_id)
        return replace(found, status=DeliveryStatus.WAITING, next_at=self._clock.now())

    async def _leave(
        self, endpoint: WebhookEndpoint, event: EventType, event_id: str, data: Mapping[str, Any]
    ) -> Delivery:
        now = self._clock.now()
        delivery = Delivery(
            new_id("whd"),
            endpoint.tenant_id,
            endpoint.endpoint_id,
            event_id,
            event,
            DeliveryStatus.WAITING,
            (),
            now,
            now,
        )
        told = redacted(dict(data), self._redact)
        payload = {"type": event.value, "timestamp": now.isoformat(), "data": told}
        await self._repository.add_delivery(delivery, payload)
        await self._enqueue(endpoint.tenant_id, delivery.delivery_id)
        return delivery

    async def _enqueue(self, tenant_id: str, delivery_id: str) -> None:
        try:
            await self._jobs.enqueue(DELIVER, {"tenant_id": tenant_id, "delivery_id": delivery_id})
        except AppError as error:
            _log.warning("webhooks.left_to_the_sweep", delivery_id=delivery_id, code=error.code)


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(randomness.token_bytes(_SECRET_BYTES)).decode()
