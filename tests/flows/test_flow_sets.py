"""A tenant's own flows: refused with file, line and reason, approved by another person, live, and back again."""

import pytest

from app.dialogue.engine import DialogueEngine
from app.dialogue.flow_source import FlowFaults, default_sources, load_flows
from app.dialogue.turn import DialogueState
from app.flows.schemas import FlowDraft
from app.language.contract import load_contract
from tests.dialogue.conftest import Shop, meant, profile
from tests.house import House, TenantDoor
from tests.packs import PACKS_DIR, shipped_packs

pytestmark = pytest.mark.integration
SOURCES = default_sources()
WITHOUT_REASON = """name: cancel_order
kind: frame
intents: [cancel_order]
slots:
  - name: order_id
    type: digits
    fewest_digits: 4
    most_digits: 10
    ask: [ask_order_id]
confirm: confirm_cancel_order
tool: cancel_order
write: true
answers:
  cancelled: our_own_words
  already_cancelled: cancel_order_already
  too_late: cancel_order_too_late
not_found: order_not_found
sentences:
  our_own_words:
    en-IN: ["Order {order_id} is off the list."]
    hi-IN: ["ऑर्डर {order_id} हटा दिया है।"]
"""


async def test_the_example_in_the_description_is_a_flow_that_is_taken(house: House) -> None:
    tenant = await house.tenant()
    [example] = FlowDraft.model_fields["files"].examples or []
    written = await tenant.ok("PUT", "/v1/flow-sets/own/draft", json={"files": example})
    assert written["version"] == 1


async def draft(tenant: TenantDoor, text: str = WITHOUT_REASON) -> int:
    body = {"files": {"cancel_order.yaml": text}}
    return int((await tenant.ok("PUT", "/v1/flow-sets/own/draft", json=body))["version"])


async def publish(tenant: TenantDoor, version: int) -> None:
    await tenant.ok("POST", f"/v1/flow-sets/own/versions/{version}/approve", json={"approver": "Meena R."})
    await tenant.ok("POST", f"/v1/flow-sets/own/versions/{version}/publish")


@pytest.mark.parametrize(
    ("change", "line", "reason"),
    [
        (("intents:", "intnts:"), 3, "Extra inputs"),
        (("confirm: confirm_cancel_order\n", ""), 1, "a write needs `confirm`"),
        (("cancel_order_already", "no_such_words"), 15, "no_such_words is not in the packs' contract"),
        (("tool: cancel_order", "tool: sing"), 11, "tool sing has no contract"),
        (("write: true", "write: false"), 11, "is a write"),
        (("  too_late: cancel_order_too_late\n", ""), 13, "no answer for status too_late"),
        (("name: order_id", "name: colour"), 4, "takes no colour"),
        (("ask: [ask_order_id]", "ask: [item_not_found, price_answer]"), 9, "price_answer needs"),
        (("intents: [cancel_order]", "intents: [refund_status]"), 4, "already starts"),
        (("kind: frame", "kind: [frame"), 3, "not readable as YAML"),
        (("    hi-IN:", "    fr-FR:"), 21, "no pack has the language fr-FR; there are en-IN, hi-IN, ta-IN, te-IN"),
        (("    hi-IN:", "    hi:"), 21, "sentences.our_own_words.hi: no pack has the language hi"),
        (
            ("    hi-IN:", "  anser:\n    hi-IN:"),
            21,
            "sentences.anser: neither a response of the packs' contract nor said",
        ),
        (('["Order {order_id} is off the list."]', "[]"), 20, "sentences.our_own_words.en-IN: says nothing"),
    ],
)
async def test_a_wrong_draft_is_refused_with_its_place(
    house: House, change: tuple[str, str], line: int, reason: str
) -> None:
    tenant = await house.tenant()
    text = WITHOUT_REASON.replace(*change)
    answer = await tenant.request("PUT", "/v1/flow-sets/own/draft", json={"files": {"cancel_order.yaml": text}})
    assert answer.status_code == 422 and answer.json()["code"] == "flows_invalid"
    places = [(error["pointer"], error["detail"]) for error in answer.json()["errors"]]
    assert any(pointer.endswith(".yaml") and reason in detail for pointer, detail in places), places
    assert any(detail.startswith(f"line {line}: ") and reason in detail for _, detail in places), places
    assert any(f"line {line}:" in detail for _, detail in places), places
    assert (await tenant.ok("GET", "/v1/flow-versions"))["data"] == []


async def test_a_version_serves_once_it_is_approved_and_published_and_can_be_taken_back(house: House) -> None:
    tenant = await house.tenant()
    flows, engine = house.services.flows, DialogueEngine(shipped_packs())
    first = await draft(tenant)
    early = await tenant.request("POST", f"/v1/flow-sets/own/versions/{first}/publish")
    assert early.status_code == 409 and await flows.serving(tenant.tenant_id, "own") is None
    refused = await tenant.request("PATCH", f"/v1/agents/{(await tenant.agent())['id']}", json={"flow_set": "own"})
    assert refused.status_code == 422
    await publish(tenant, first)
    serving = await flows.serving(tenant.tenant_id, "own", ("en-IN", "hi-IN"))
    assert serving is not None and serving.version == "own:1"
    assert await flows.serving(tenant.tenant_id, "own", ("ta-IN",)) is None
    agent = profile(flows=serving)
    state = DialogueState("en-IN", ("en-IN",), thread="t")
    _, state = await engine.handle_turn(state, meant("cancel_order", digits="4512"), agent, Shop())
    reply, _ = await engine.handle_turn(state, meant("affirm"), agent, Shop())
    assert reply.says[0].text == "Order four five one two is off the list."
    second = await draft(tenant, WITHOUT_REASON.replace("off the list", "gone"))
    await publish(tenant, second)
    assert [v["status"] for v in (await tenant.ok("GET", "/v1/flow-versions"))["data"]] == ["live", "retired"]
    assert (await tenant.ok("POST", "/v1/flow-sets/own/rollback"))["version"] == first
    back = await flows.serving(tenant.tenant_id, "own")
    assert back is not None and back.version == "own:1"
    assert (await tenant.ok("GET", f"/v1/flow-sets/own/versions/{first}"))["approver"] == "Meena R."


async def test_what_serves_goes_on_serving_when_a_draft_is_refused(house: House) -> None:
    tenant = await house.tenant()
    await publish(tenant, await draft(tenant))
    for text in (WITHOUT_REASON.replace("tool: cancel_order", "tool: sing"), "name: [", "not a mapping"):
        answer = await tenant.request("PUT", "/v1/flow-sets/own/draft", json={"files": {"cancel_order.yaml": text}})
        assert answer.status_code == 422 and answer.json()["code"] == "flows_invalid", answer.text
        assert all("line " in error["detail"] for error in answer.json()["errors"])
    serving = await house.services.flows.serving(tenant.tenant_id, "own")
    assert serving is not None and serving.version == "own:1"
    assert [v["status"] for v in (await tenant.ok("GET", "/v1/flow-versions"))["data"]] == ["live"]


async def test_two_persons_where_the_tenant_asks_for_them(house: House) -> None:
    tenant = await house.tenant()
    await tenant.ok("PUT", "/v1/flow-rules", json={"two_persons": True})
    version = await draft(tenant)
    alone = await tenant.request("POST", f"/v1/flow-sets/own/versions/{version}/approve")
    assert alone.status_code == 403 and alone.json()["code"] == "second_person_needed"
    done = await house.services.flows.approve(tenant.tenant_id, "key_of_another", "own", version, "Ravi K.")
    assert (done.approved_by, done.approver, done.author) == ("key_of_another", "Ravi K.", tenant.key_id)


async def test_another_tenants_flows_are_not_there(house: House) -> None:
    one, other = await house.tenant(), await house.tenant("Other")
    version = await draft(one)
    answer = await other.request("GET", f"/v1/flow-sets/own/versions/{version}")
    assert answer.status_code == 404
    assert (await other.ok("GET", "/v1/flow-versions"))["data"] == []


def test_every_shipped_file_is_a_flow() -> None:
    assert len(SOURCES) >= 17


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("tool: cancel_order", "tool: [cancel_order]", 11, "tool"),
        ("confirm: confirm_cancel_order", "confirm: nothing_of_that_name", 10, "nothing_of_that_name"),
        ("kind: frame", "kind: frame\nkind: frame", 3, "stands twice"),
    ],
)
def test_a_wrong_file_is_refused_with_file_line_and_reason(old: str, new: str, line: int, reason: str) -> None:
    contract = load_contract(PACKS_DIR)
    sources = {**SOURCES, "cancel_order.yaml": WITHOUT_REASON.replace(old, new)}
    with pytest.raises(FlowFaults) as caught:
        load_flows(sources, contract=contract)
    shown = [str(fault) for fault in caught.value.faults]
    assert any(text.startswith(f"cancel_order.yaml:{line}: ") and reason in text for text in shown), shown


async def test_a_draft_is_written_on_top_of_the_version_that_was_seen(house: House) -> None:
    tenant = await house.tenant()
    place, body = "/v1/flow-sets/own/draft", {"files": {"cancel_order.yaml": WITHOUT_REASON}}
    assert (await tenant.request("PUT", place, json=body, headers={"If-Match": '"x"'})).status_code == 412
    first = await tenant.request("PUT", place, json=body)
    shown = await tenant.request("GET", "/v1/flow-sets/own/versions/1")
    assert shown.headers["etag"] == first.headers["etag"]
    seen = {"If-Match": shown.headers["etag"]}
    second = await tenant.request("PUT", place, json=body, headers=seen)
    assert (second.status_code, second.json()["version"]) == (200, 2)
    late = await tenant.request("PUT", place, json=body, headers=seen)
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert len((await tenant.ok("GET", "/v1/flow-versions"))["data"]) == 2
