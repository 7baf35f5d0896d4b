"""Outgoing webhooks against a real receiver that verifies signatures with the specification's own library."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI, Request, Response
from standardwebhooks import Webhook, WebhookVerificationError

from app.compliance.killswitch import KillMode
from app.compliance.suppression import EVERY_CHANNEL
from app.kit.clock import SystemClock
from app.kit.outbound import GuardedTransport
from app.webhooks.delivery import WebhookDelivery
from app.webhooks.models import RETRY_SECONDS, EventType
from app.webhooks.repository import DELIVERIES, ENDPOINTS
from tests.house import House, TenantDoor
from tests.standins.graph import served

pytestmark = pytest.mark.integration


@dataclass
class Receiver:
    """A tenant's server: keeps what it was sent, answers as told."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    got: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)

    def verified(self, secret: str, index: int = -1) -> Any:
        body, headers = self.got[index]
        return Webhook(secret).verify(body, headers)


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver, app = Receiver(), FastAPI()

    @app.post("/hook")
    async def hook(request: Request) -> Response:
        receiver.got.append((await request.body(), dict(request.headers)))
        status = receiver.answers.pop(0) if receiver.answers else 204
        return Response(status_code=status, headers={"location": "/elsewhere"} if status == 302 else {})

    async with served(app) as base:
        receiver.url = f"{base}/hook"
        yield receiver


class LaterClock(SystemClock):
    """The time of day, `ahead` of the real one."""

    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


async def endpoint(tenant: TenantDoor, url: str, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = await tenant.ok("POST", "/v1/webhook-endpoints", json={"url": url, **more})
    return made


async def run_jobs(house: House) -> None:
    await house.jobs.drain(house.services.job_functions(house.brain))


async def deliveries(tenant: TenantDoor, endpoint_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await tenant.ok("GET", f"/v1/webhook-endpoints/{endpoint_id}/deliveries"))["data"]
    return found


async def test_an_event_comes_signed_to_those_who_want_it(house: House, receiver: Receiver) -> None:
    tenant, other = await house.tenant(), await house.tenant()
    wanting = await endpoint(tenant, receiver.url, events=["contact.opted_out"])
    await endpoint(tenant, receiver.url, events=["call.ended"])
    await endpoint(other, receiver.url)
    await house.services.suppressions.opt_out(tenant.tenant_id, "+919812345678", EVERY_CHANNEL, {"words": "stop"})
    await run_jobs(house)
    assert len(receiver.got) == 1
    told = receiver.verified(wanting["secret"])
    assert told["type"] == "contact.opted_out" and told["data"]["phone"] == "+919812345678"
    assert "words" not in str(told)
    with pytest.raises(WebhookVerificationError):
        receiver.verified("whsec_" + "A" * 43 + "=")
    (sent,) = await deliveries(tenant, wanting["id"])
    assert sent["status"] == "delivered" and sent["attempts"][0]["status"] == 204
    assert sent["event_id"] == receiver.got[0][1]["webhook-id"]


async def test_a_failure_is_tried_again_under_the_same_id(house: House, receiver: Receiver) -> None:
    tenant = await house.tenant()
    made = await endpoint(tenant, receiver.url)
    receiver.answers = [500, 302]
    await house.services.kill_switches.set(KillMode.STOP, actor="key_1", reason="x y", tenant_id=tenant.tenant_id)
    clock = LaterClock()
    delivery = WebhookDelivery(
        house.services.webhook_store, house.services.http, house.services.audit, house.jobs, clock
    )
    house.services.webhook_store._clock = clock
    job = house.jobs.jobs.pop()
    await delivery.deliver(**job.payload)
    assert house.jobs.jobs.pop().delay_seconds == RETRY_SECONDS[0]
    await delivery.deliver(**job.payload)
    assert len(receiver.got) == 1, "not before it is due"
    for pause in RETRY_SECONDS[:2]:
        clock.ahead += timedelta(seconds=pause + 1)
        await delivery.deliver(**job.payload)
    (sent,) = await deliveries(tenant, made["id"])
    assert [attempt["status"] for attempt in sent["attempts"]] == [500, 302, 204], "a redirect is a failure"
    assert sent["status"] == "delivered"
    assert len({headers["webhook-id"] for _, headers in receiver.got}) == 1


async def test_it_is_given_up_after_days_and_the_endpoint_disabled_in_the_open(
    house: House, receiver: Receiver
) -> None:
    tenant = await house.tenant()
    made = await endpoint(tenant, receiver.url)
    receiver.answers = [503] * 20
    sent = await tenant.ok("POST", f"/v1/webhook-endpoints/{made['id']}/test")
    clock = LaterClock()
    house.services.webhook_store._clock = clock
    delivery = WebhookDelivery(
        house.services.webhook_store, house.services.http, house.services.audit, house.jobs, clock
    )
    for pause in (0, *RETRY_SECONDS):
        clock.ahead += timedelta(seconds=pause + 1)
        assert await delivery.sweep() == 1
        await delivery.deliver(tenant.tenant_id, sent["id"])
    assert clock.ahead > timedelta(days=3)
    assert len(receiver.got) == len(RETRY_SECONDS) + 1
    assert await delivery.sweep() == 0
    shown = await tenant.ok("GET", f"/v1/webhook-endpoints/{made['id']}")
    assert not shown["enabled"] and "503" in shown["disabled_reason"]
    actions = [entry["action"] for entry in (await tenant.ok("GET", "/v1/audit-entries"))["data"]]
    assert "webhook.disabled" in actions
    receiver.answers = []
    await tenant.ok("PATCH", f"/v1/webhook-endpoints/{made['id']}", json={"enabled": True})
    await tenant.ok("POST", f"/v1/webhook-deliveries/{sent['id']}/redeliver")
    await delivery.deliver(tenant.tenant_id, sent["id"])
    assert (await deliveries(tenant, made["id"]))[0]["status"] == "delivered"
    assert receiver.got[-1][1]["webhook-id"] == receiver.got[0][1]["webhook-id"]


async def test_an_endpoint_that_is_gone_is_disabled_at_once(house: House, receiver: Receiver) -> None:
    tenant = await house.tenant()
    made = await endpoint(tenant, receiver.url)
    receiver.answers = [410]
    await tenant.ok("POST", f"/v1/webhook-endpoints/{made['id']}/test")
    await run_jobs(house)
    assert (await tenant.ok("GET", f"/v1/webhook-endpoints/{made['id']}"))["disabled_reason"] == "it answered 410 Gone"
    assert await house.services.webhooks.publish(tenant.tenant_id, EventType.CALL_ENDED, {}) == 0


async def test_both_secrets_sign_for_a_day(house: House, receiver: Receiver) -> None:
    tenant = await house.tenant()
    made = await endpoint(tenant, receiver.url)
    path = f"/v1/webhook-endpoints/{made['id']}"
    first = (await tenant.ok("POST", f"{path}/rotate-secret"))["secret"]
    await tenant.ok("POST", f"{path}/test")
    await run_jobs(house)
    assert receiver.verified(made["secret"]) == receiver.verified(first)
    second = (await tenant.ok("POST", f"{path}/rotate-secret"))["secret"]
    await tenant.ok("POST", f"{path}/test")
    await run_jobs(house)
    assert receiver.verified(first) == receiver.verified(second)
    with pytest.raises(WebhookVerificationError):
        receiver.verified(made["secret"])


async def test_secrets_and_payloads_lie_sealed(house: House, receiver: Receiver) -> None:
    tenant = await house.tenant()
    made = await endpoint(tenant, receiver.url)
    await house.services.webhooks.publish(tenant.tenant_id, EventType.CALL_ENDED, {"contact": "+919812345678"})
    store = house.services.database.tenant(tenant.tenant_id)
    stored = [*await store.collection(ENDPOINTS).find({}), *await store.collection(DELIVERIES).find({})]
    assert made["secret"] not in repr(stored) and "9812345678" not in repr(stored)


async def test_our_own_network_is_not_reached(house: House, receiver: Receiver) -> None:
    tenant = await house.tenant()
    made = await endpoint(tenant, receiver.url)
    sent = await tenant.ok("POST", f"/v1/webhook-endpoints/{made['id']}/test")
    async with httpx.AsyncClient(transport=GuardedTransport()) as guarded:
        services = house.services
        delivery = WebhookDelivery(services.webhook_store, guarded, services.audit, house.jobs, services.clock)
        await delivery.deliver(tenant.tenant_id, sent["id"])
    assert receiver.got == []
    (noted,) = await deliveries(tenant, made["id"])
    assert "no public address" in noted["attempts"][0]["error"]


async def test_another_tenant_sees_and_changes_nothing(house: House, receiver: Receiver) -> None:
    tenant, other = await house.tenant(), await house.tenant()
    made = await endpoint(tenant, receiver.url)
    sent = await tenant.ok("POST", f"/v1/webhook-endpoints/{made['id']}/test")
    path = f"/v1/webhook-endpoints/{made['id']}"
    for method, where, body in (
        ("GET", path, None),
        ("PATCH", path, {"enabled": False}),
        ("DELETE", path, None),
        ("POST", f"{path}/rotate-secret", None),
        ("POST", f"{path}/test", None),
        ("GET", f"{path}/deliveries", None),
        ("POST", f"/v1/webhook-deliveries/{sent['id']}/redeliver", None),
    ):
        assert (await other.request(method, where, json=body)).status_code == 404, (method, where)
    assert (await other.ok("GET", "/v1/webhook-endpoints"))["data"] == []
    assert (await tenant.ok("GET", path))["enabled"]


@pytest.mark.parametrize("url", ["ftp://x.example/", "https://user:pw@x.example/", "nonsense", "https://x.example/#f"])
async def test_a_wrong_address_is_refused(house: House, url: str) -> None:
    tenant = await house.tenant()
    answer = await tenant.request("POST", "/v1/webhook-endpoints", json={"url": url})
    assert answer.status_code == 422 and answer.json()["errors"][0]["pointer"] == "/body/url"
