"""Templates over REST: submitted in every language, previewed, put to use, refused with the reason and the cure."""

from typing import Any

import pytest

from app.simulate.graph import ACCOUNT_ID
from tests.house import House, TenantDoor
from whatsapp.templates.models import Facts

pytestmark = pytest.mark.integration
OWN = {
    "name": "handoff_friendly",
    "language": "en",
    "category": "UTILITY",
    "components": [
        {
            "type": "BODY",
            "text": "Hello, {{1}} here. As you asked on the phone, we go on about {{2}} in this chat.",
            "example": {"body_text": [["Sundar Stores", "your order 4512"]]},
        }
    ],
}


async def connected(house: House) -> TenantDoor:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    return tenant


async def test_every_template_of_the_packs_is_submitted_in_every_language_and_approved(house: House) -> None:
    house.graph.shelf.entries.clear()
    tenant = await connected(house)
    asked = await tenant.ok("POST", "/v1/whatsapp/templates/submissions", json={})
    packs = house.services.packs
    wanted = {(name, tag) for tag, pack in packs.items() for name in pack.templates}
    assert {(line["name"], line["language"]) for line in asked["data"]} == wanted
    assert {line["state"] for line in asked["data"]} == {"submitted"}
    assert house.graph.shelf.entries.keys() == {(name, packs[tag].manifest.whatsapp_code) for name, tag in wanted}

    async def all_approved() -> bool:
        known = await house.services.templates.registry.of_account(tenant.tenant_id, ACCOUNT_ID)
        return {template.facts.status.value for template in known} == {"APPROVED"} and len(known) == len(wanted)

    await house.until(all_approved, 30.0)
    again = await tenant.ok("POST", "/v1/whatsapp/templates/submissions", json={"names": ["follow_up"]})
    assert [(line["state"], line["status"]) for line in again["data"]] == [("exists", "APPROVED")] * len(packs)


async def test_a_rejected_template_says_what_helps(house: House) -> None:
    tenant = await connected(house)
    house.graph.shelf.decide("follow_up", "ta", "REJECTED", "TAG_CONTENT_MISMATCH")
    body = {"names": ["follow_up"], "languages": ["ta-IN"]}
    [line] = (await tenant.ok("POST", "/v1/whatsapp/templates/submissions", json=body))["data"]
    assert (line["state"], line["status"]) == ("exists", "REJECTED")
    assert "TAG_CONTENT_MISMATCH" in line["reason"] and "template-uses/follow_up" in line["reason"]


async def test_unknown_names_and_languages_are_refused(house: House) -> None:
    tenant = await house.tenant()
    wrong: dict[str, dict[str, Any]] = {
        "/body/names": {"names": ["nonsense"]},
        "/body/languages": {"languages": ["hi"]},
        "/body/all": {"all": True},
    }
    for pointer, body in wrong.items():
        answer = await tenant.request("POST", "/v1/whatsapp/templates/submissions", json=body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


async def test_a_template_of_ones_own_is_checked_submitted_once_and_previewed(house: House) -> None:
    tenant = await connected(house)
    bad = {**OWN, "components": [{"type": "BODY", "text": "{{1}} is yours"}]}
    refused = (await tenant.request("POST", "/v1/whatsapp/templates", json=bad)).json()
    assert refused["code"] == "template_refused"
    assert [error["pointer"] for error in refused["errors"]] == ["/body/components/0"] * 3
    headers = {"Idempotency-Key": "handoff-friendly-1"}
    made = await tenant.ok("POST", "/v1/whatsapp/templates", json=OWN, headers=headers)
    assert (made["status"], made["sendable"]) == ("PENDING", False)
    assert await tenant.ok("POST", "/v1/whatsapp/templates", json=OWN, headers=headers) == made
    twice = await tenant.request("POST", "/v1/whatsapp/templates", json=OWN)
    assert (twice.status_code, twice.json()["code"]) == (409, "template_exists")
    await tenant.ok("POST", "/v1/whatsapp/templates/sync")
    place = f"/v1/whatsapp/templates/{made['id']}/preview"
    shown = await tenant.ok("POST", place, json={"values": ["Sundar", "your order"]})
    assert shown == {
        "text": "Hello, Sundar here. As you asked on the phone, we go on about your order in this chat.",
        "faults": [],
        "sendable": True,
    }
    wrong = await tenant.ok("POST", place, json={"values": ["Sundar", "a\nb"]})
    assert (wrong["text"], wrong["sendable"], wrong["faults"][0]["pointer"]) == (None, False, "/body/values/1")


async def test_what_only_meta_refuses_is_told_in_metas_words(house: House) -> None:
    tenant = await connected(house)
    answer = await tenant.request("POST", "/v1/whatsapp/templates", json={**OWN, "language": "xx"})
    assert answer.status_code == 422 and "'xx' is not supported" in answer.json()["detail"]


async def test_alternates_are_named_by_purpose_and_audited(house: House) -> None:
    tenant = await connected(house)
    uses = (await tenant.ok("GET", "/v1/whatsapp/template-uses"))["data"]
    assert {use["purpose"]: use["template"] for use in uses}["missed_call"] == "missed_call"
    assert {use["category"] for use in uses} == {"UTILITY"}
    body = {"template": "call_handoff", "alternates": ["handoff_friendly"]}
    put = await tenant.ok("PUT", "/v1/whatsapp/template-uses/call_handoff", json=body)
    assert put == {"purpose": "call_handoff", "category": "UTILITY", **body}
    uses = (await tenant.ok("GET", "/v1/whatsapp/template-uses"))["data"]
    assert [use["alternates"] for use in uses if use["purpose"] == "call_handoff"] == [["handoff_friendly"]]
    entries = (await tenant.ok("GET", "/v1/audit-entries"))["data"]
    assert [entry["target"] for entry in entries if entry["action"] == "whatsapp.template_use_set"] == ["call_handoff"]
    twice = {"template": "call_handoff", "alternates": ["call_handoff"]}
    answer = await tenant.request("PUT", "/v1/whatsapp/template-uses/call_handoff", json=twice)
    assert answer.status_code == 422
    assert (await tenant.request("PUT", "/v1/whatsapp/template-uses/no_such", json=body)).status_code == 404


async def test_another_tenants_template_is_not_there(house: House) -> None:
    tenant, other = await connected(house), await house.tenant("Other")
    made = await house.services.templates.registry.submitted(tenant.tenant_id, ACCOUNT_ID, Facts("mine", "en"))
    assert (await other.request("GET", f"/v1/whatsapp/templates/{made.template_id}")).status_code == 404
    assert (await other.ok("GET", "/v1/whatsapp/templates"))["data"] == []
