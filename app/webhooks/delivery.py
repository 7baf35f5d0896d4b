"""Tells one endpoint of one event: signed, bounded, tried again over days, given up on in the open."""

from datetime import datetime, timedelta
from typing import Any, Final

import httpx
import orjson
import structlog
from prometheus_client import Counter
from standardwebhooks import Webhook

from app.audit.log import AuditLog
from app.errors import AppError
from app.kit.clock import Clock
from app.kit.jobs import MAX_DELAY_SECONDS, Jobs
from app.kit.tracing import outgoing
from app.webhooks.models import RETRY_SECONDS, Attempt, Delivery, DeliveryStatus, WebhookEndpoint
from app.webhooks.repository import WebhookRepository
from app.webhooks.service import DELIVER

SWEEP: Final = "webhooks.sweep"
SWEEP_SECONDS: Final = 60
_TIMEOUT_SECONDS: Final = 15.0
_GONE: Final = 410
_log = structlog.get_logger("webhooks")


class WebhookDelivery:
    """The jobs of this room.

    Args:
        repository: Endpoints and deliveries.
        http: Reaches public hosts only, follows no redirects; the root closes it.
        audit: Learns when an endpoint is disabled.
        jobs: Where the next attempt is left, if it is within the hour; the sweep finds later ones.
        clock: Time.
    """

    def __init__(
        self, repository: WebhookRepository, http: httpx.AsyncClient, audit: AuditLog, jobs: Jobs, clock: Clock
    ) -> None:
        self._repository = repository
        self._http = http
        self._audit = audit
        self._jobs = jobs
        self._clock = clock
        self.attempts = Counter(
            "vaanisetu_webhook_attempts_total", "Attempts to tell tenants' servers", ("outcome",), registry=None
        )

    async def _note(
        self, delivery: Delivery, attempt: Attempt, status: DeliveryStatus, next_at: datetime | None
    ) -> None:
        await self._repository.note(delivery, attempt, status, next_at)
        self.attempts.labels(status.value).inc()

    async def deliver(self, tenant_id: str, delivery_id: str) -> None:
        """Makes one attempt, unless the delivery is done, not due, or in another worker's hands."""
        delivery = await self._repository.claim(tenant_id, delivery_id)
        if delivery is None:
            return
        endpoint = await self._repository.endpoint(tenant_id, delivery.endpoint_id)
        if endpoint is None or not (endpoint.enabled or delivery.event.value == "webhook.test"):
            ended = Attempt(self._clock.now(), None, "the endpoint is disabled or gone", 0)
            await self._note(delivery, ended, DeliveryStatus.FAILED, None)
            return
        attempt = await self._attempt(endpoint, delivery)
        await self._settle(endpoint, delivery, attempt)

    async def sweep(self) -> int:
        """Leaves a job for everything that is due; returns how many."""
        due = await self._repository.due()
        for tenant_id, delivery_id in due:
            await self._jobs.enqueue(DELIVER, {"tenant_id": tenant_id, "delivery_id": delivery_id})
        return len(due)

    async def _attempt(self, endpoint: WebhookEndpoint, delivery: Delivery) -> Attempt:
        now = self._clock.now()
        payload = await self._repository.payload(delivery.tenant_id, delivery.delivery_id)
        body = orjson.dumps(payload)
        secrets = await self._repository.secrets(delivery.tenant_id, endpoint.endpoint_id)
        headers = _signed(secrets, delivery.event_id, now, body)
        started = self._clock.monotonic()
        status, reason = None, None
        headers |= outgoing()
        try:
            async with self._http.stream(
                "POST", endpoint.url, content=body, headers=headers, timeout=_TIMEOUT_SECONDS, follow_redirects=False
            ) as answer:
                status = answer.status_code
                if not answer.is_success:
                    reason = f"answered {status}"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = f"{type(error).__name__}: {error}"[:200]
        return Attempt(now, status, reason, round((self._clock.monotonic() - started) * 1_000))

    async def _settle(self, endpoint: WebhookEndpoint, delivery: Delivery, attempt: Attempt) -> None:
        tried = len(delivery.attempts)
        if attempt.error is None:
            await self._note(delivery, attempt, DeliveryStatus.DELIVERED, None)
        elif attempt.status == _GONE:
            await self._note(delivery, attempt, DeliveryStatus.FAILED, None)
            await self._disable(endpoint, "it answered 410 Gone")
        elif tried >= len(RETRY_SECONDS):
            await self._note(delivery, attempt, DeliveryStatus.FAILED, None)
            if tried == len(RETRY_SECONDS):
                await self._disable(endpoint, f"{tried + 1} attempts over days failed, the last: {attempt.error}")
        else:
            pause_seconds = RETRY_SECONDS[tried]
            next_at = self._clock.now() + timedelta(seconds=pause_seconds)
            await self._note(delivery, attempt, DeliveryStatus.WAITING, next_at)
            await self._come_back(delivery, pause_seconds)

    async def _come_back(self, delivery: Delivery, pause_seconds: int) -> None:
        if pause_seconds > MAX_DELAY_SECONDS:
            return
        payload = {"tenant_id": delivery.tenant_id, "delivery_id": delivery.delivery_id}
        try:
            await self._jobs.enqueue(DELIVER, payload, delay_seconds=pause_seconds)
        except AppError as error:
            _log.warning("webhooks.left_to_the_sweep", delivery_id=delivery.delivery_id, code=error.code)

    async def _disable(self, endpoint: WebhookEndpoint, reason: str) -> None:
        fields: dict[str, Any] = {"enabled": False, "disabled_reason": reason}
        await self._repository.change_endpoint(endpoint.tenant_id, endpoint.endpoint_id, fields)
        data = {"reason": reason}
        await self._audit.record(endpoint.tenant_id, "system", "webhook.disabled", endpoint.endpoint_id, data)
        _log.warning("webhooks.disabled", tenant_id=endpoint.tenant_id, endpoint_id=endpoint.endpoint_id, reason=reason)


def _signed(secrets: dict[str, str | None], event_id: str, now: datetime, body: bytes) -> dict[str, str]:
    """Returns the three headers; during a rotation both secrets sign.

    Source: Standard Webhooks, "Webhook signatures".
    """
    holding = [secret for secret, ends in secrets.items() if ends is None or datetime.fromisoformat(ends) > now]
    signatures = " ".join(Webhook(secret).sign(event_id, now, body.decode()) for secret in holding)
    return {
        "Content-Type": "application/json",
        "User-Agent": "VaaniSetu-Webhooks",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signatures,
    }
