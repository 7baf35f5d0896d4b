"""Restricted writes: a person decides over REST, it is done once or refused, and the caller is told on WhatsApp."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.dialogue.agents import Caller
from app.simulate.orders_system import Fault, FaultKind
from tests.house import PHONE_NUMBER_ID, House
from tests.integrations.test_caller_tools import KNOWN, Line, new_line, system

__all__ = ["system"]

pytestmark = pytest.mark.integration

WA_ID = KNOWN.removeprefix("+")
RESTRICTED = {"cancel_order": {"restricted": True}, "order_status": {}}


async def asked(line: Line, key: str = "cancel:1", caller: Caller | None = None) -> str:
    tools = await line.tools(*([caller] if caller else []))
    result = await tools.call("cancel_order", {"order_id": "5906", "reason": "late"}, key=key)
    assert result.ok and result.awaiting_approval and not line.system.done["cancel_order"]
    return str(result.data["approval_id"])


def messages(line: Line) -> list[str]:
    return [bubble.text for bubble in line.house.graph.state.phones.get(WA_ID, []) if bubble.from_business]


async def test_an_approved_write_is_done_once_and_the_caller_is_told(house: House, system: Any) -> None:
    line = await new_line(house, *system, tools=RESTRICTED)
    await line.tenant.connect_whatsapp()
    approval_id = await asked(line)
    assert await asked(line) == approval_id, "asked twice with one key, it is one request"
    (pending,) = (await line.tenant.ok("GET", "/v1/approvals?status=pending"))["data"]
    assert pending["arguments"] == {"order_id": "5906", "reason": "late"} and pending["caller"] == KNOWN
    assert pending["id"] == approval_id and pending["reference"] == "call_1" and pending["decided_at"] is None
    body = {"person": "Meera", "note": "fine"}
    approved = await line.tenant.ok("POST", f"/v1/approvals/{approval_id}/approve", json=body)
    assert approved["status"] == "approved" and approved["person"] == "Meera"
    assert approved["decided_by"] == line.tenant.key_id and approved["decided_at"]
    await house.work()
    assert line.system.done["cancel_order"] == 1 and line.system.shop.orders["5906"].status == "cancelled"
    done = await line.tenant.ok("GET", f"/v1/approvals/{approval_id}")
    assert done["write_id"] is not None
    again = await line.tenant.request("POST", f"/v1/approvals/{approval_id}/refuse", json={})
    assert again.status_code == 409 and again.json()["code"] == "already_decided"
    functions = house.services.tools.job_functions()
    await functions["tools.decided"](tenant_id=line.tenant.tenant_id, approval_id=approval_id)
    await functions["tools.sweep"]()
    await house.work()
    assert line.system.done["cancel_order"] == 1, "a job that runs twice writes once"
    (told,) = messages(line)
    assert "पूरा" in told or "हो गया" in told, told
    entries = await house.services.audit.entries(line.tenant.tenant_id)
    actions = [(entry.action, entry.actor) for entry in entries if "approval" in entry.action or "tool" in entry.action]
    assert actions == [
        ("approval.requested", "caller"),
        ("approval.approved", line.tenant.key_id),
        ("tool.written", line.tenant.key_id),
    ]


async def test_a_refused_write_is_never_done_and_said_within_the_open_window(house: House, system: Any) -> None:
    line = await new_line(house, *system, tools=RESTRICTED)
    await line.tenant.connect_whatsapp()
    house.graph.customer_writes(PHONE_NUMBER_ID, WA_ID, "hello")

    async def heard() -> bool:
        return bool(house.brain.heard)

    await house.until(heard)
    approval_id = await asked(line)
    refused = await line.tenant.ok("POST", f"/v1/approvals/{approval_id}/refuse", json={"person": "Meera"})
    assert refused["status"] == "refused"
    await house.work()
    assert not line.system.seen and "मंज़ूरी नहीं" in messages(line)[-1]
    bubble = line.house.graph.state.phones[WA_ID][-1]
    assert bubble.template is None, "a free text, since the window is open"
    assert (await line.tenant.request("POST", f"/v1/approvals/{approval_id}/approve", json={})).status_code == 409
    await house.services.tools.job_functions()["tools.sweep"]()
    assert not line.system.seen


async def test_two_tenants_see_and_decide_only_their_own(house: House, system: Any) -> None:
    mine = await new_line(house, *system, tools=RESTRICTED)
    theirs = await new_line(house, *system, tools=RESTRICTED)
    approval_id = await asked(theirs)
    assert (await mine.tenant.ok("GET", "/v1/approvals"))["data"] == []
    for method, path in (
        ("GET", f"/v1/approvals/{approval_id}"),
        ("POST", f"/v1/approvals/{approval_id}/approve"),
        ("POST", f"/v1/approvals/{approval_id}/refuse"),
    ):
        answer = await mine.tenant.request(method, path, **({"json": {}} if method == "POST" else {}))
        assert answer.status_code == 404 and answer.json()["code"] == "not_found"
    assert (await theirs.tenant.ok("GET", f"/v1/approvals/{approval_id}"))["status"] == "pending"
    assert await asked(mine) != approval_id, "the same key of two tenants is two requests"


async def test_two_people_who_decide_at_once_decide_once(house: House, system: Any) -> None:
    line = await new_line(house, *system, tools=RESTRICTED)
    approval_id = await asked(line)
    doors = [f"/v1/approvals/{approval_id}/{way}" for way in ("approve", "refuse", "approve", "refuse")]
    answers = await asyncio.gather(*(line.tenant.request("POST", door, json={}) for door in doors))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


async def test_a_decision_whose_job_was_lost_is_carried_out_by_the_sweep(house: House, system: Any) -> None:
    line = await new_line(house, *system, tools=RESTRICTED)
    approval_id = await asked(line)
    await line.tenant.ok("POST", f"/v1/approvals/{approval_id}/approve", json={})
    house.jobs.jobs.clear()
    sweep = house.services.tools.job_functions()["tools.sweep"]
    await sweep()
    assert not line.system.seen, "the job may still come"
    rows = house.services.database.tenant(line.tenant.tenant_id).collection("approvals")
    await rows.update_one({"_id": approval_id}, {"$set": {"decided_at": datetime.now(UTC) - timedelta(minutes=5)}})
    await sweep()
    await sweep()
    assert line.system.done["cancel_order"] == 1 and len(line.system.seen) == 1


async def test_a_key_needs_the_scope_and_what_is_asked_is_validated(house: House, system: Any) -> None:
    line = await new_line(house, *system, tools=RESTRICTED)
    approval_id = await asked(line)
    key = await line.tenant.ok("POST", "/v1/api-keys", json={"name": "reader", "scopes": ["approvals:read"]})
    headers = {"Authorization": f"Bearer {key['key']}"}
    assert (await house.client.get(f"/v1/approvals/{approval_id}", headers=headers)).status_code == 200
    denied = await house.client.post(f"/v1/approvals/{approval_id}/approve", headers=headers, json={})
    assert denied.status_code == 403
    tools = await line.tools()
    wrong = await tools.call("cancel_order", {"order_id": "x" * 65}, key="cancel:2")
    assert not wrong.ok and not wrong.awaiting_approval
    assert len((await line.tenant.ok("GET", "/v1/approvals"))["data"]) == 1
    status = await line.tenant.request("GET", "/v1/approvals?status=perhaps")
    assert status.status_code == 422


async def test_who_was_promised_word_of_a_lost_write_gets_it(house: House, system: Any) -> None:
    line = await new_line(house, *system, tools={"cancel_order": {"retries": 0}})
    await line.tenant.connect_whatsapp()
    line.system.faults["cancel_order"] = Fault(FaultKind.LOST, times=1, seconds=0)
    result = await (await line.tools()).call("cancel_order", {"order_id": "4512"}, key="c")
    assert result.unsettled
    await line.make_due()
    await house.services.tools.job_functions()["tools.sweep"]()
    await house.work()
    (told,) = messages(line)
    assert "नहीं हो पाया" in told, "too late to cancel is not done"


async def test_two_people_approve_where_the_tenant_asks_for_two(house: House, system: Any) -> None:
    line = await new_line(house, *system, tools=RESTRICTED)
    await line.tenant.connect_whatsapp()
    await line.tenant.ok("PUT", "/v1/change-rules", json={"restricted_actions": True})
    approval_id = await asked(line)
    door = f"/v1/approvals/{approval_id}/approve"
    first = await line.tenant.ok("POST", door, json={"person": "Meera"})
    assert (first["status"], first["first_approved_by"]) == ("pending", line.tenant.key_id)
    await house.work()
    assert line.system.done["cancel_order"] == 0
    alone = await line.tenant.request("POST", door, json={"person": "Meera"})
    assert (alone.status_code, alone.json()["code"]) == (403, "second_person_needed")
    own = await line.tenant.ok("POST", "/v1/api-keys", json={"name": "another of mine"})
    headers = {"Authorization": f"Bearer {own['key']}"}
    assert (await house.client.post(door, json={}, headers=headers)).status_code == 403
    _, theirs = await house.services.keys.create(line.tenant.tenant_id, "operator", "of another person")
    headers = {"Authorization": f"Bearer {theirs}"}
    second = (await house.client.post(door, json={"person": "Ravi"}, headers=headers)).json()
    assert (second["status"], second["person"]) == ("approved", "Ravi")
    await house.work()
    assert line.system.done["cancel_order"] == 1
    entries = await house.services.audit.entries(line.tenant.tenant_id)
    told = [entry.action for entry in entries if entry.action.startswith("approval.")]
    assert told == ["approval.requested", "approval.first_approved", "approval.approved"]


async def test_one_person_is_enough_to_refuse(house: House, system: Any) -> None:
    line = await new_line(house, *system, tools=RESTRICTED)
    await line.tenant.connect_whatsapp()
    await line.tenant.ok("PUT", "/v1/change-rules", json={"restricted_actions": True})
    approval_id = await asked(line)
    refused = await line.tenant.ok("POST", f"/v1/approvals/{approval_id}/refuse", json={})
    assert refused["status"] == "refused"
    await house.work()
    assert line.system.done["cancel_order"] == 0
