"""Webhook endpoints and deliveries in the store; secrets and payloads lie sealed under the tenant's key."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from app.kit.clock import Clock
from app.kit.mongo import Collection, Database, IndexSpec, StorePage
from app.kit.sealed import SealedText
from app.webhooks.models import Attempt, Delivery, DeliveryStatus, EventType, WebhookEndpoint

ENDPOINTS: Final = "webhook_endpoints"
DELIVERIES: Final = "webhook_deliveries"
INDEXES = (
    IndexSpec(DELIVERIES, (("tenant_id", 1), ("endpoint_id", 1))),
    IndexSpec(
        DELIVERIES, (("status", 1), ("next_at", 1)), across_tenants="the sweep looks for what is due, of all tenants"
    ),
)
MOST_ENDPOINTS: Final = 20
_LEASE: Final = timedelta(seconds=60)


class WebhookRepository:
    """Reads and writes; knows no rules."""

    def __init__(self, database: Database, sealed: SealedText, clock: Clock) -> None:
        self._database = database
        self._sealed = sealed
        self._clock = clock

    async def add_endpoint(self, endpoint: WebhookEndpoint, secrets: Mapping[str, str | None]) -> None:
        """Stores an endpoint with its secrets, each with the moment (ISO) until which it signs; None: the current."""
        document = {
            "_id": endpoint.endpoint_id,
            "url": endpoint.url,
            "events": list(endpoint.events),
            "description": endpoint.description,
            "enabled": endpoint.enabled,
            "disabled_reason": endpoint.disabled_reason,
            "created_at": endpoint.created_at,
            "sealed": await self._seal(endpoint.tenant_id, endpoint.endpoint_id, dict(secrets)),
        }
        await self._endpoints(endpoint.tenant_id).insert_one(document)

    async def endpoint(self, tenant_id: str, endpoint_id: str) -> WebhookEndpoint | None:
        """Returns an endpoint, or None."""
        found = await self._endpoints(tenant_id).find_one({"_id": endpoint_id})
        return _endpoint(found) if found else None

    async def endpoints(self, tenant_id: str) -> list[WebhookEndpoint]:
        """Returns all endpoints of a tenant, oldest first."""
        return [_endpoint(found) for found in await self._endpoints(tenant_id).find({}, limit=MOST_ENDPOINTS)]

    async def change_endpoint(self, tenant_id: str, endpoint_id: str, fields: Mapping[str, Any]) -> bool:
        """Sets fields; returns whether there is such an endpoint."""
        return await self._endpoints(tenant_id).update_one({"_id": endpoint_id}, {"$set": dict(fields)})

    async def delete_endpoint(self, tenant_id: str, endpoint_id: str) -> bool:
        """Deletes an endpoint and what was on its way there; returns whether there was one."""
        await self._deliveries(tenant_id).delete_many({"endpoint_id": endpoint_id})
        return await self._endpoints(tenant_id).delete_one({"_id": endpoint_id})

    async def secrets(self, tenant_id: str, endpoint_id: str) -> dict[str, str | None]:
        """Returns the secrets of an endpoint as `add_endpoint` took them."""
        found = await self._endpoints(tenant_id).find_one({"_id": endpoint_id}, ["sealed"])
        if found is None:
            return {}
        opened: dict[str, str | None] = await self._open(tenant_id, endpoint_id, found["sealed"])
        return opened

    async def put_secrets(self, tenant_id: str, endpoint_id: str, secrets: Mapping[str, str | None]) -> None:
        """Replaces the secrets of an endpoint."""
        sealed = await self._seal(tenant_id, endpoint_id, dict(secrets))
        await self.change_endpoint(tenant_id, endpoint_id, {"sealed": sealed})

    async def add_delivery(self, delivery: Delivery, payload: Mapping[str, Any]) -> None:
        """Stores an event for one endpoint."""
        document: dict[str, Any] = {
            "_id": delivery.delivery_id,
            "endpoint_id": delivery.endpoint_id,
            "event_id": delivery.event_id,
            "event": delivery.event.value,
            "status": delivery.status.value,
            "attempts": [],
            "next_at": delivery.next_at,
            "created_at": delivery.created_at,
            "sealed": await self._seal(delivery.tenant_id, delivery.delivery_id, dict(payload)),
        }
        await self._deliveries(delivery.tenant_id).insert_one(document)

    async def delivery(self, tenant_id: str, delivery_id: str) -> Delivery | None:
        """Returns a delivery, or None."""
        found = await self._deliveries(tenant_id).find_one({"_id": delivery_id})
        return delivery_of(found) if found else None

    async def payload(self, tenant_id: str, delivery_id: str) -> dict[str, Any]:
        """Returns what a delivery says; empty if it is gone."""
        found = await self._deliveries(tenant_id).find_one({"_id": delivery_id}, ["sealed"])
        if found is None:
            return {}
        opened: dict[str, Any] = await self._open(tenant_id, delivery_id, found["sealed"])
        return opened

    async def claim(self, tenant_id: str, delivery_id: str) -> Delivery | None:
        """Takes a waiting, due delivery for one attempt; None if another has it, or it is not due."""
        now = self._clock.now()
        found = await self._deliveries(tenant_id).find_one_and_update(
            {"_id": delivery_id, "status": DeliveryStatus.WAITING.value, "next_at": {"$lte": now}},
            {"$set": {"next_at": now + _LEASE}},
        )
        return delivery_of(found) if found else None

    async def note(
        self, delivery: Delivery, attempt: Attempt, status: DeliveryStatus, next_at: datetime | None
    ) -> None:
        """Writes what came of an attempt."""
        await self._deliveries(delivery.tenant_id).update_one(
            {"_id": delivery.delivery_id},
            {"$push": {"attempts": asdict(attempt)}, "$set": {"status": status.value, "next_at": next_at}},
        )

    async def wait_again(self, tenant_id: str, delivery_id: str) -> None:
        """Makes a delivery due at once, whatever came of it before."""
        fields = {"status": DeliveryStatus.WAITING.value, "next_at": self._clock.now()}
        await self._deliveries(tenant_id).update_one({"_id": delivery_id}, {"$set": fields})

    async def page(self, tenant_id: str, endpoint_id: str, limit: int, starting_after: str | None) -> StorePage:
        """Returns one page of an endpoint's deliveries as stored, newest first; `delivery_of` reads them."""
        return await self._deliveries(tenant_id).page({"endpoint_id": endpoint_id}, limit, starting_after)

    async def due(self, limit: int = 500) -> list[tuple[str, str]]:
        """Returns tenant and id of deliveries that are due, of all tenants."""
        store = self._database.system("the sweep looks for webhooks that are due").collection(DELIVERIES)
        found = await store.find(
            {"status": DeliveryStatus.WAITING.value, "next_at": {"$lte": self._clock.now()}},
            limit=limit,
            projection=["tenant_id"],
        )
        return [(document["tenant_id"], document["_id"]) for document in found]

    async def _seal(self, tenant_id: str, owner_id: str, content: Mapping[str, Any]) -> str:
        return await self._sealed.seal(tenant_id, owner_id, orjson.dumps(dict(content)).decode())

    async def _open(self, tenant_id: str, owner_id: str, sealed: str) -> Any:
        return orjson.loads(await self._sealed.open(tenant_id, owner_id, sealed))

    def _endpoints(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(ENDPOINTS)

    def _deliveries(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(DELIVERIES)


def _endpoint(document: Mapping[str, Any]) -> WebhookEndpoint:
    return WebhookEndpoint(
        document["_id"],
        document["tenant_id"],
        document["url"],
        _events(document["events"]),
        document["description"],
        document["enabled"],
        document["disabled_reason"],
        document["created_at"],
    )


def _events(names: Sequence[str]) -> tuple[EventType, ...]:
    return tuple(EventType(name) for name in names)


def delivery_of(document: Mapping[str, Any]) -> Delivery:
    """Returns the delivery that a stored document holds."""
    return Delivery(
        document["_id"],
        document["tenant_id"],
        document["endpoint_id"],
        document["event_id"],
        EventType(document["event"]),
        DeliveryStatus(document["status"]),
        tuple(Attempt(**attempt) for attempt in document["attempts"]),
        document["next_at"],
        document["created_at"],
    )
