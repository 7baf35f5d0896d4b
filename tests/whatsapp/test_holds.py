"""Numbers and accounts that Meta slows down or blocks: what waits, what fails, who is told, who lifts it."""

from datetime import timedelta
from typing import Any

import pytest

from app.conversations.models import Author
from app.conversations.ports import OutboxState
from app.simulate.graph import ACCOUNT_ID
from tests.house import CUSTOMER, PHONE_NUMBER_ID, House, TenantDoor
from tests.standins.graph import Fault
from whatsapp.holds import ATTENTION
from whatsapp.models import OutboxRow
from whatsapp.templates.models import TemplateStatus

pytestmark = pytest.mark.integration
OTHER = "+919800000002"


async def connected(house: House) -> TenantDoor:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    return tenant


async def template(house: House, tenant: TenantDoor, phone: str = CUSTOMER, key: str = "key-1") -> str:
    """Queues a template and returns its outbox id; its job waits."""
    services = house.services
    conversation = await services.conversations.open_for(
        await services.conversations.contact_for(tenant.tenant_id, phone)
    )
    return await services.whatsapp_outbox.add_template(
        conversation,
        name="call_handoff",
        parameters={"hi-IN": ("सुंदर", "आपके ऑर्डर")},
        idempotency_key=key,
        author=Author.PERSON,
    )


async def dispatch(house: House, tenant: TenantDoor, outbox_id: str) -> OutboxRow:
    await house.services.whatsapp_dispatcher.dispatch(tenant.tenant_id, outbox_id)
    row = await house.services.whatsapp_store.get(tenant.tenant_id, outbox_id)
    assert row is not None
    return row


async def holds(tenant: TenantDoor) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await tenant.ok("GET", "/v1/whatsapp/holds"))["data"]
    return listed


@pytest.mark.parametrize(
    ("code", "scope", "subject"), [(130429, "number", PHONE_NUMBER_ID), (80007, "account", ACCOUNT_ID)]
)
async def test_behaviour_16_a_rate_limit_holds_back_everything_it_names(
    house: House, code: int, scope: str, subject: str
) -> None:
    tenant = await connected(house)
    first, second = await template(house, tenant), await template(house, tenant, OTHER, "key-2")
    house.graph.faults.append(Fault(code=code))
    assert (await dispatch(house, tenant, first)).state is OutboxState.QUEUED
    asked = len(house.graph.state.requests)
    assert (await dispatch(house, tenant, second)).state is OutboxState.QUEUED
    assert len(house.graph.state.requests) == asked, "the other message waits too"
    [hold] = await holds(tenant)
    assert (hold["scope"], hold["subject"], hold["error_code"]) == (scope, subject, code) and hold["until"] is not None
    assert house.jobs.jobs[-1].payload["outbox_id"] == second and 1 <= house.jobs.jobs[-1].delay_seconds <= 6
    house.clock.ahead += timedelta(seconds=7)
    assert (await dispatch(house, tenant, second)).state is OutboxState.SENT


async def test_behaviour_16_a_limit_of_one_person_holds_back_nobody_else(house: House) -> None:
    tenant = await connected(house)
    first, second = await template(house, tenant), await template(house, tenant, OTHER, "key-2")
    house.graph.faults.append(Fault(code=131056))
    assert (await dispatch(house, tenant, first)).state is OutboxState.QUEUED
    assert (await dispatch(house, tenant, second)).state is OutboxState.SENT
    assert await holds(tenant) == []


async def test_behaviour_16_a_blocked_number_sends_nothing_until_a_person_lifts_it(house: House) -> None:
    tenant = await connected(house)
    hook = {"url": "https://example.in/hook", "events": [ATTENTION]}
    endpoint = await tenant.ok("POST", "/v1/webhook-endpoints", json=hook)
    first, second = await template(house, tenant), await template(house, tenant, OTHER, "key-2")
    house.graph.faults.append(Fault(code=131048))
    row = await dispatch(house, tenant, first)
    assert (row.state, row.failure, row.error_code) == (OutboxState.FAILED, "number_frozen", 131048)
    asked = len(house.graph.state.requests)
    row = await dispatch(house, tenant, second)
    assert (row.state, row.failure) == (OutboxState.FAILED, "number_frozen")
    assert len(house.graph.state.requests) == asked, "nothing was tried"
    [hold] = await holds(tenant)
    assert (hold["until"], hold["failure"]) == (None, "number_frozen")
    entries = (await tenant.ok("GET", "/v1/audit-entries"))["data"]
    assert [entry["data"]["code"] for entry in entries if entry["action"] == ATTENTION] == [131048], "alerted once"
    told = (await tenant.ok("GET", f"/v1/webhook-endpoints/{endpoint['id']}/deliveries"))["data"]
    assert [delivery["event"] for delivery in told] == [ATTENTION]
    await tenant.ok("DELETE", f"/v1/whatsapp/holds/{hold['id']}")
    assert (await tenant.request("DELETE", f"/v1/whatsapp/holds/{hold['id']}")).status_code == 404
    third = await template(house, tenant, OTHER, "key-3")
    assert (await dispatch(house, tenant, third)).state is OutboxState.SENT


async def test_behaviour_16_a_missing_payment_alerts_and_freezes_nothing(house: House) -> None:
    tenant = await connected(house)
    first, second = await template(house, tenant), await template(house, tenant, OTHER, "key-2")
    house.graph.faults.append(Fault(code=131042))
    assert (await dispatch(house, tenant, first)).failure == "payment_needed"
    assert (await dispatch(house, tenant, second)).state is OutboxState.SENT
    entries = (await tenant.ok("GET", "/v1/audit-entries"))["data"]
    assert [entry["data"]["failure"] for entry in entries if entry["action"] == ATTENTION] == ["payment_needed"]


async def test_a_failed_status_pauses_the_template_that_the_message_carried(house: House) -> None:
    tenant = await connected(house)
    first = await template(house, tenant)
    house.graph._updates.put_nowait = lambda raw: None  # type: ignore[method-assign]
    row = await dispatch(house, tenant, first)
    failed = {"id": row.wamid, "status": "failed", "timestamp": "1795262400", "errors": [{"code": 132015}]}
    raw = house.graph.webhook(PHONE_NUMBER_ID, statuses=[failed])
    headers = {"X-Hub-Signature-256": house.graph.signature(raw)}
    assert (await house.client.post("/v1/whatsapp/webhook", content=raw, headers=headers)).status_code == 200
    ingest = house.services.ingest(house.brain)
    [raw_id] = [job.payload["raw_id"] for job in house.jobs.jobs if "raw_id" in job.payload]
    await ingest.ingest(raw_id)
    found = await house.services.templates.registry.find(tenant.tenant_id, ACCOUNT_ID, "call_handoff", "hi")
    assert found is not None and found.facts.status is TemplateStatus.PAUSED
