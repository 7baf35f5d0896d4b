"""A tenant's own intents: refused with their place, trained behind, judged, answered, taken back, nobody else's."""

import json
from copy import deepcopy
from typing import Any

import pytest

from app.auth.roles import Role
from app.dialogue.engine import DialogueEngine
from app.dialogue.turn import DialogueState
from app.intents.fitting import fit
from app.intents.models import OwnIntent, Report
from app.languages.mind import LiveMind
from app.nlu.opinion import Choice
from app.nlu.understander import Understander
from tests.dialogue.conftest import Shop, profile
from tests.house import TenantDoor
from tests.intents.conftest import School
from tests.packs import shipped_packs

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]  # trains a model, on shared cores too

GIFT: dict[str, Any] = {
    "name": "gift_wrapping",
    "means": "wants an order wrapped as a gift, or a card put in",
    "examples": {
        "en-IN": [
            "can you wrap it as a gift",
            "i want gift wrapping for this order",
            "please pack it in gift paper",
            "put a birthday card inside the parcel",
            "is gift packing possible",
            "send it gift wrapped to my sister",
            "how much extra for gift wrap",
            "write happy birthday on the gift card please",
            "gift pack karna hai it is for a wedding",
            "wrap it nicely it is a birthday present",
            "remove the price tag it is a gift",
            "add a greeting card with my message",
        ],
        "hi-IN": [
            "इसे गिफ्ट पैक कर दीजिए",
            "गिफ्ट पेपर में लपेटकर भेज दीजिए",
            "साथ में बर्थडे कार्ड डाल दीजिए",
            "गिफ्ट रैपिंग हो जाएगी क्या",
            "तोहफ़े की तरह पैक करवाना है",
            "gift pack karke bhejna hai behen ko",
            "isko gift wrap kar dena please",
            "शादी का तोहफ़ा है अच्छे से सजाकर पैक करना",
            "birthday gift hai wrapping karwani hai",
            "कार्ड पर मेरा नाम लिखकर गिफ्ट में रख दीजिए",
            "गिफ्ट पैकिंग का अलग से चार्ज लगता है क्या",
            "price tag hata dena gift dena hai",
        ],
    },
    "tests": {
        "en-IN": [
            "could you gift wrap the parcel for me",
            "i need it in gift packing with a card",
            "it is a birthday gift please wrap it",
            "put a gift card with my name in the box",
        ],
        "hi-IN": [
            "गिफ्ट पैकिंग कर देंगे क्या",
            "gift wrap karke bhej dijiye",
            "बर्थडे का तोहफ़ा है पैक कर दीजिए",
            "parcel me greeting card bhi rakhna gift hai",
        ],
    },
}
SPOKEN: dict[str, Any] = {"enabled": ("hi-IN",), "current_language": "hi-IN"}
FLOW = """name: gift_wrapping
kind: frame
intents: [gift_wrapping]
slots:
  - name: reason
    type: text
    free: true
    ask: [for_whom]
done: person
farewell: gift_noted
sentences:
  for_whom:
    en-IN: ["Who is the gift for, please?"]
    hi-IN: ["गिफ्ट किसके लिए है, बताइए?"]
  gift_noted:
    en-IN: ["I have noted it: gift wrapped."]
    hi-IN: ["गिफ्ट पैकिंग लिख ली है।"]
"""


def body(**changes: Any) -> dict[str, Any]:
    return {"intents": [{**deepcopy(GIFT), **changes}]}


async def draft(tenant: TenantDoor, agent_id: str, sent: dict[str, Any] | None = None) -> int:
    found = await tenant.ok("PUT", f"/v1/agents/{agent_id}/intents/draft", json=sent or body())
    assert found["status"] == "queued"
    return int(found["version"])


async def own_flow(tenant: TenantDoor, agent_id: str) -> None:
    await tenant.ok("PUT", "/v1/flow-sets/own/draft", json={"files": {"gift_wrapping.yaml": FLOW}})
    await tenant.ok("POST", "/v1/flow-sets/own/versions/1/approve", json={"approver": "Meena R."})
    await tenant.ok("POST", "/v1/flow-sets/own/versions/1/publish")
    await tenant.ok("PATCH", f"/v1/agents/{agent_id}", json={"flow_set": "own"})


async def test_what_is_wrong_is_refused_with_its_place(school: School) -> None:
    tenant = await school.house.tenant()
    agent = (await tenant.agent())["id"]
    shipped = "mera order kahan hai"
    wrong = body(
        examples={"en-IN": [*GIFT["examples"]["en-IN"][:7], "!!!"], "ta-IN": ["பரிசு"]},
        tests={"en-IN": [*GIFT["examples"]["en-IN"][:1], shipped, "c"], "hi-IN": GIFT["tests"]["hi-IN"]},
    )
    wrong["intents"].append({**deepcopy(GIFT), "name": "order_status"})
    answer = await tenant.request("PUT", f"/v1/agents/{agent}/intents/draft", json=wrong)
    assert answer.status_code == 422 and answer.json()["code"] == "intents_invalid"
    faults = {error["pointer"]: error["detail"] for error in answer.json()["errors"]}
    assert "0 different sentences" in faults["/body/intents/0/examples/hi-IN"]
    assert "the agent does not speak ta-IN" in faults["/body/intents/0/examples"]
    assert "holds no words" in faults["/body/intents/0/examples/en-IN/7"]
    assert "is also an example" in faults["/body/intents/0/tests/en-IN/0"]
    assert "means order_status already" in faults["/body/intents/0/tests/en-IN/1"]
    assert "exists already" in faults["/body/intents/1/name"]
    assert (await tenant.ok("GET", f"/v1/agents/{agent}/intents/versions"))["data"] == []


async def loaded(school: School, tenant_id: str, agent_id: str) -> tuple[Understander, tuple[Choice, ...]]:
    """Returns the agent's own understander once it is read; each asking waits for a while itself."""
    for _ in range(60):
        understander, choices = await school.minds.of(tenant_id, agent_id)
        if understander is not None:
            return understander, choices
    raise AssertionError("the model was never loaded")


@pytest.mark.slow
async def test_trained_behind_published_answered_and_taken_back(school: School, mind: LiveMind) -> None:
    tenant = await school.house.tenant()
    agent = (await tenant.agent())["id"]
    number = await draft(tenant, agent)
    early = await tenant.request("POST", f"/v1/agents/{agent}/intents/versions/{number}/publish")
    assert early.status_code in (409, 422)
    assert await school.work() == 1
    trained = await tenant.ok("GET", f"/v1/agents/{agent}/intents/versions/{number}")
    assert trained["status"] == "ready", json.dumps(trained["report"], ensure_ascii=False)
    assert trained["report"]["right"] >= 7 and trained["report"]["taken"] == []
    homeless = await tenant.request("POST", f"/v1/agents/{agent}/intents/versions/{number}/publish")
    assert homeless.status_code == 422 and homeless.json()["code"] == "intent_without_flow"
    await own_flow(tenant, agent)
    live = await tenant.ok("POST", f"/v1/agents/{agent}/intents/versions/{number}/publish")
    assert live["status"] == "live"

    understander, choices = await loaded(school, tenant.tenant_id, agent)
    assert [choice.intent for choice in choices] == ["gift_wrapping"]
    heard = understander.understand("dost ke liye gift wrap karwana hai", **SPOKEN)
    assert heard.intent == "gift_wrapping"
    shared = mind.current.understander.understand("dost ke liye gift wrap karwana hai", **SPOKEN)
    assert shared.intent != "gift_wrapping"
    flows = await school.house.services.flows.serving(tenant.tenant_id, "own", ("hi-IN",))
    engine = DialogueEngine(shipped_packs())
    state = DialogueState("hi-IN", ("hi-IN",), thread="t")
    reply, _ = await engine.handle_turn(state, heard, profile(flows=flows), Shop())
    assert reply.says[-1].text == "गिफ्ट किसके लिए है, बताइए?"

    back = await tenant.ok("POST", f"/v1/agents/{agent}/intents/rollback")
    assert back["live"] is None
    assert (await school.intents.live(tenant.tenant_id, agent)) is None
    actions = [entry["action"] for entry in (await tenant.ok("GET", "/v1/audit-entries"))["data"]]
    assert {"intents.drafted", "intents.trained", "intents.published", "intents.rolled_back"} <= set(actions)


@pytest.mark.slow
async def test_two_tenants_never_hear_each_others_intents(school: School) -> None:
    one, other = await school.house.tenant(), await school.house.tenant("Lakshmi")
    mine, theirs = (await one.agent())["id"], (await other.agent())["id"]
    await draft(one, mine)
    await school.work()
    await own_flow(one, mine)
    await one.ok("POST", f"/v1/agents/{mine}/intents/versions/1/publish")
    await loaded(school, one.tenant_id, mine)
    assert await school.minds.of(other.tenant_id, theirs) == (None, ())
    for method, path in (
        ("GET", f"/v1/agents/{mine}/intents/versions"),
        ("GET", f"/v1/agents/{mine}/intents/versions/1"),
        ("POST", f"/v1/agents/{mine}/intents/versions/1/publish"),
        ("POST", f"/v1/agents/{mine}/intents/rollback"),
    ):
        assert (await other.request(method, path)).status_code == 404, path


async def test_versions_go_live_in_turn_and_back(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    passed = Report(True, (), 8, 8, {"gift_wrapping": (8, 8)}, (), (), 0.96, 0.96)
    monkeypatch.setattr("app.intents.service.fit_apart", lambda *_: passed)
    tenant = await school.house.tenant()
    agent = (await tenant.agent())["id"]
    place = f"/v1/agents/{agent}/intents"
    for number in (1, 2):
        assert await draft(tenant, agent) == number
    early = await tenant.request("POST", f"{place}/versions/1/publish")
    assert early.status_code == 422 and early.json()["code"] == "intent_without_flow"
    await own_flow(tenant, agent)
    early = await tenant.request("POST", f"{place}/versions/1/publish")
    assert early.status_code == 409 and early.json()["code"] == "wrong_status"
    assert await school.work() == 2
    await tenant.ok("POST", f"{place}/versions/1/publish")
    await tenant.ok("POST", f"{place}/versions/2/publish")
    page = await tenant.ok("GET", f"{place}/versions?limit=1")
    assert page["has_more"] and page["data"][0]["status"] == "live" and page["data"][0]["version"] == 2
    rest = await tenant.ok("GET", f"{place}/versions?limit=1&starting_after={page['next_cursor']}")
    assert rest["data"][0]["status"] == "retired" and not rest["has_more"]
    assert (await tenant.ok("POST", f"{place}/rollback"))["live"]["version"] == 1
    assert (await tenant.ok("GET", f"{place}/versions/2"))["status"] == "ready"
    assert (await tenant.ok("POST", f"{place}/rollback"))["live"] is None
    assert (await tenant.request("POST", f"{place}/rollback")).status_code == 404


async def test_own_intents_are_published_by_another_person_where_the_tenant_asks_for_two(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = Report(True, (), 8, 8, {"gift_wrapping": (8, 8)}, (), (), 0.96, 0.96)
    monkeypatch.setattr("app.intents.service.fit_apart", lambda *_: passed)
    tenant = await school.house.tenant()
    agent = (await tenant.agent())["id"]
    await own_flow(tenant, agent)
    await draft(tenant, agent)
    await school.work()
    await tenant.ok("PUT", "/v1/change-rules", json={"agents": True})
    place = f"/v1/agents/{agent}/intents/versions/1"
    alone = await tenant.request("POST", f"{place}/publish")
    assert (alone.status_code, alone.json()["code"]) == (403, "second_person_needed")
    assert (await tenant.ok("GET", place))["status"] == "ready"
    other = await tenant.member("Ravi", Role.OWNER)
    await other.ok("POST", f"{place}/publish")
    assert (await tenant.ok("GET", place))["published_by"] == other.member_id


async def test_a_training_that_dies_is_told_and_what_serves_goes_on(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await school.house.tenant()
    agent = (await tenant.agent())["id"]

    def dies(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("app.intents.service.fit_apart", dies)
    await draft(tenant, agent)
    await school.work()
    failed = await tenant.ok("GET", f"/v1/agents/{agent}/intents/versions/1")
    assert failed["status"] == "failed" and "draft it again" in failed["failure"]
    assert (await tenant.request("POST", f"/v1/agents/{agent}/intents/versions/1/publish")).status_code in (409, 422)


@pytest.mark.slow
def test_an_intent_that_overlaps_with_shipped_ones_does_not_pass(mind: LiveMind, school: School) -> None:
    registry = mind.current.registry
    pack = registry.get("en-IN")
    stolen = [text for forms in pack.tests["refund_status"].values() for text in forms]
    greedy = OwnIntent("money_matter", "asks for money", {"en-IN": stolen * 5}, {"en-IN": stolen[:3]})
    report = fit(registry, [greedy], school.models_dir)
    assert not report.passed and report.taken
    assert {row["got"] for row in report.taken} == {"money_matter"}
