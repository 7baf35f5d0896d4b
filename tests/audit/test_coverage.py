"""What the audit log must hold: each kind of event is made to happen and found there."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.auth.access import CONTENT
from app.calls.events import CallEvent, CallEventKind
from app.calls.models import Call, CallStatus
from app.calls.repository import CallRepository
from app.compliance.models import ConsentChannel, Decision, Purpose
from app.config import Settings
from app.conversations.models import CallContext
from app.kit.ids import new_id
from app.kit.sealed import SealedText
from app.main import create_app
from tests.house import CUSTOMER, House, TenantDoor, house, packs

__all__ = ["house", "packs"]

pytestmark = pytest.mark.integration

CONTEXT = CallContext(call_id="call_1", language="hi-IN", reason="human_agent", request_text="इंसान से बात कराओ")


async def configuration(tenant: TenantDoor) -> None:
    agent = await tenant.agent()
    await tenant.ok("PATCH", f"/v1/agents/{agent['id']}", json={"purpose": "sales"})
    number = await tenant.ok("POST", "/v1/phone-numbers", json={"number": "+918012345678", "agent_id": agent["id"]})
    other = await tenant.agent()
    await tenant.ok("PATCH", f"/v1/phone-numbers/{number['id']}", json={"agent_id": other["id"]})
    await tenant.ok("DELETE", f"/v1/phone-numbers/{number['id']}")
    await tenant.ok("DELETE", f"/v1/agents/{agent['id']}")
    await tenant.ok("PUT", "/v1/credentials/plivo", json={"auth_id": "MAXXXXXX", "auth_token": "a-long-token"})
    await tenant.ok("DELETE", "/v1/credentials/plivo")
    key = await tenant.ok("POST", "/v1/api-keys", json={"name": "x"})
    await tenant.ok("DELETE", f"/v1/api-keys/{key['id']}")
    await tenant.ok("POST", "/v1/members", json={"email": "a@b.example", "name": "A", "role": "agent"})
    hook = await tenant.ok("POST", "/v1/webhook-endpoints", json={"url": "https://hooks.example.com/x", "events": []})
    await tenant.ok("DELETE", f"/v1/webhook-endpoints/{hook['id']}")
    await tenant.ok("PUT", "/v1/retention", json={"days": {"recordings": 30}})
    await tenant.ok("PUT", "/v1/change-rules", json={"routing": True})


async def access(tenant: TenantDoor) -> None:
    await tenant.ok("GET", "/v1/approvals")
    await tenant.ok("GET", f"/v1/consents?phone=%2B{CUSTOMER[1:]}")
    asked = {"kind": "export", "phone": CUSTOMER, "reason": "asked by e-mail"}
    request = await tenant.ok("POST", "/v1/privacy-requests", json=asked)
    await tenant.house.work()
    assert (await tenant.request("GET", f"/v1/privacy-requests/{request['id']}/archive")).status_code == 200


async def consent(tenant: TenantDoor) -> None:
    services = tenant.house.services
    await services.consents.record(
        tenant.tenant_id,
        CUSTOMER,
        ConsentChannel.WHATSAPP,
        Purpose.MARKETING,
        Decision.GRANTED,
        evidence={"words": "haan bhejo, card 4111 1111 1111 1111"},
    )
    await tenant.ok("POST", "/v1/suppressions", json={"phone": CUSTOMER, "channels": ["call"], "reason": "asked us"})


async def disclosure(tenant: TenantDoor) -> None:
    services = tenant.house.services
    store = services.database.tenant(tenant.tenant_id)
    calls = CallRepository(store, SealedText(services.vault), services.audit)
    now = services.clock.now()
    call = Call(new_id("call"), tenant.tenant_id, "a", "c1", "inbound", CUSTOMER, "+91", CallStatus.COMPLETED, now)
    await calls.add(call)
    said = {"text": "यह कॉल रिकॉर्ड हो रही है", "disclosure": "recording", "language": "hi-IN", "complete": True}
    await calls.add_event(call.id, 1, CallEvent(CallEventKind.AGENT_TURN, 900, {**said, "heard_ms": 2100}))
    await calls.add_event(call.id, 2, CallEvent(CallEventKind.AGENT_TURN, 3_000, {"text": "नमस्ते"}))


async def escalation(tenant: TenantDoor) -> None:
    handoff = tenant.house.services.handoff
    for what in ("transfer", "callback", "ticket"):
        await handoff.keep(tenant.tenant_id, CUSTOMER, CONTEXT, what)
    await handoff.keep(tenant.tenant_id, "anonymous", CONTEXT, "transfer")
    await handoff.request(tenant.tenant_id, CUSTOMER, CONTEXT, entity_name="Sundar Stores")


async def kill_switch(tenant: TenantDoor) -> None:
    await tenant.ok("PUT", "/v1/kill-switch", json={"mode": "stop", "reason": "wrong prices"})


COVERED: dict[Callable[[TenantDoor], Awaitable[None]], list[str]] = {
    configuration: [
        "agent.created", "agent.changed", "agent.deleted", "phone_number.created", "phone_number.moved",
        "phone_number.deleted", "credentials.changed", "credentials.deleted", "api_key.created", "api_key.revoked",
        "member.invited", "webhook.created", "webhook.deleted", "retention.changed", "change_rules.changed",
    ],
    access: ["restricted_write.read", "consents.read", "privacy.requested", "privacy.exported", "privacy.downloaded"],
    consent: ["consent.granted", "consent.withdrawn", "contact.opted_out"],
    disclosure: ["call.disclosed"],
    escalation: ["handoff.transfer", "handoff.callback", "handoff.ticket", "handoff.refused"],
    kill_switch: ["kill_switch.set"],
}  # fmt: skip
"""Tool writes and approvals are found by tests/integrations, flows by tests/flows, changes by tests/changes."""


@pytest.mark.parametrize("happens", COVERED, ids=lambda happens: happens.__name__)
async def test_what_happens_stands_in_the_log(house: House, happens: Callable[[TenantDoor], Awaitable[None]]) -> None:
    tenant = await house.tenant()
    await happens(tenant)
    entries = await house.services.audit.entries(tenant.tenant_id, limit=1_000)
    assert set(COVERED[happens]) <= {entry.action for entry in entries}
    assert all(entry.actor and entry.target for entry in entries)
    assert "4111 1111 1111 1111" not in str(entries) and "a-long-token" not in str(entries)
    assert (await house.services.audit.verify(tenant.tenant_id)).intact


async def test_a_disclosure_says_which_and_whether_it_was_heard_whole(house: House) -> None:
    tenant = await house.tenant()
    await disclosure(tenant)
    [entry] = [
        entry for entry in await house.services.audit.entries(tenant.tenant_id) if entry.action == "call.disclosed"
    ]
    assert entry.data == {
        "disclosure": "recording", "language": "hi-IN", "complete": True, "heard_ms": 2100, "at_ms": 900,
    }  # fmt: skip


async def test_a_withheld_number_is_escalated_on_the_record_too(house: House) -> None:
    tenant = await house.tenant()
    await house.services.handoff.keep(tenant.tenant_id, "anonymous", CONTEXT, "transfer")
    entries = await house.services.audit.entries(tenant.tenant_id)
    assert [entry.target for entry in entries if entry.action == "handoff.transfer"] == ["call_1"]


def test_every_route_that_shows_content_is_one_of_ours() -> None:
    document: dict[str, Any] = create_app(Settings()).openapi()
    known = {operation["operationId"] for path in document["paths"].values() for operation in path.values()}
    assert set(CONTENT) <= known


async def test_looks_are_counted_once_in_ten_minutes_per_person(house: House) -> None:
    tenant = await house.tenant()
    for _ in range(3):
        await tenant.ok("GET", "/v1/approvals")
    entries = await house.services.audit.entries(tenant.tenant_id)
    assert [entry.action for entry in entries].count("restricted_write.read") == 1
    other = await tenant.ok("POST", "/v1/api-keys", json={"name": "x"})
    headers = {"Authorization": f"Bearer {other['key']}"}
    assert (await house.client.get("/v1/approvals", headers=headers)).status_code == 200
    entries = await house.services.audit.entries(tenant.tenant_id)
    assert [entry.actor for entry in entries if entry.action == "restricted_write.read"] == [tenant.key_id, other["id"]]
