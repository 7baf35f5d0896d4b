"""An agent's tools over the API: every shipped tool, tools of the tenant's own, and everything that is refused."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.agents.tools import ToolConfig, stored_policy, stored_tools, tools_document
from app.dialogue.verification import ACCOUNT_TOOLS, Factor
from app.integrations.tool_contracts import ToolContracts
from tests.house import House

pytestmark = pytest.mark.integration

INPUT = {"type": "object", "required": ["card"], "properties": {"card": {"type": "string", "maxLength": 20}}}
OUTPUT = {
    "type": "object",
    "required": ["points"],
    "properties": {"points": {"type": "integer"}, "pattern": {"type": "string"}},
}
LOYALTY = {"does": "Says how many points a card has.", "input": INPUT, "output": OUTPUT, "url": "http://t/{card}"}


async def test_every_shipped_tool_needs_no_more_than_its_name(house: House) -> None:
    tenant = await house.tenant()
    names = ToolContracts.load().names
    agent = await tenant.agent(tools={name: {} for name in names}, verification={})
    assert set(agent["tools"]) == set(names) and agent["tools"]["refund_status"]["timeout_ms"] == 200
    assert agent["verification"] == {
        "factors": ["pin"],
        "tries": 3,
        "lock_minutes": 30,
        "tools": list(ACCOUNT_TOOLS),
    }
    assert await tenant.ok("GET", f"/v1/agents/{agent['id']}") == agent
    profile = (await house.services.agents.get(tenant.tenant_id, agent["id"])).profile()
    assert set(profile.tools) == set(names) and profile.tool_patience_ms["callback"] == 200
    assert profile.verification is not None and profile.verification.factors == (Factor.PIN,)


async def test_a_tool_of_ones_own_is_kept_as_it_was_written(house: House) -> None:
    tenant = await house.tenant()
    settings = {"timeout_ms": 400, "retries": 0, "cache_seconds": 9, "headers": {"X-Shop": "pune"}}
    agent = await tenant.agent(tools={"loyalty_points": {**LOYALTY, **settings}})
    kept = (await tenant.ok("GET", f"/v1/agents/{agent['id']}"))["tools"]["loyalty_points"]
    assert kept["input"] == INPUT and kept["output"] == OUTPUT and kept["headers"] == {"X-Shop": "pune"}
    assert (kept["timeout_ms"], kept["retries"], kept["cache_seconds"], kept["write"]) == (400, 0, 9, False)
    stored = await house.services.agents.get(tenant.tenant_id, agent["id"])
    contract = ToolContracts.load().of("loyalty_points", stored.tools["loyalty_points"])
    assert contract is not None and contract.own and contract.takes == {"card"}


OWN = "/body/tools/own_tool"


def own(**changes: Any) -> dict[str, Any]:
    return {"tools": {"own_tool": {**LOYALTY, **changes}}}


@pytest.mark.parametrize(
    ("body", "pointer", "why"),
    [
        ({"tools": {"own_tool": {}}}, f"{OWN}/input", "schemas"),
        ({"tools": {"Own-Tool": LOYALTY}}, "/body/tools/Own-Tool", "lower-case"),
        (own(input={"type": "objekt"}), f"{OWN}/input/type", "no JSON Schema"),
        (own(input={"type": "array"}), f"{OWN}/input/type", "object"),
        (
            own(input={"properties": {"card": {"$ref": "http://evil/x"}}}),
            f"{OWN}/input/properties/card/$ref",
            "write the schema out",
        ),
        (own(output={"$ref": "#"}), f"{OWN}/output/$ref", "references"),
        (own(output={"properties": {"a": {"pattern": "(a+)+$"}}}), f"{OWN}/output/properties/a/pattern", "patterns"),
        (own(output={"properties": {"a": {"enum": ["x" * 20_000]}}}), f"{OWN}/output", "larger"),
        (own(input={"properties": {"card": {"type": "object"}}}), f"{OWN}/input/properties/card", "one type"),
        (own(input={"required": ["a"], "properties": {}}), f"{OWN}/input/required", "not among"),
        (own(url="http://t/{other}"), f"{OWN}/url", "places are"),
        (own(url="http://{card}/x"), f"{OWN}/url", "host is fixed"),
        (own(url="http://u:p@t/{card}"), f"{OWN}/url", "user name"),
        (own(headers={"Authorization": "Bearer x"}), f"{OWN}/headers/Authorization", "credentials"),
        (own(headers={"Host": "x"}), f"{OWN}/headers/Host", "by the service"),
        (own(headers={"X-A": "a\r\nb"}), f"{OWN}/headers/X-A", "plain"),
        (own(write=True, method="GET"), f"{OWN}/method", "not a GET"),
        (own(restricted=True), f"{OWN}/restricted", "only writes"),
        (own(timeout_ms=1), f"{OWN}/timeout_ms", "50"),
        ({"tools": {"order_status": {"input": INPUT}}}, "/body/tools/order_status/input", "fixed"),
        ({"tools": {"cancel_order": {"cache_seconds": 5}}}, "/body/tools/cancel_order/cache_seconds", "only reads"),
        ({"tools": {"order_status": {}}, "verification": {}}, "/body/verification", "identify_caller"),
        (
            {"tools": {"identify_caller": {}}, "verification": {"tools": ["nothing"]}},
            "/body/verification/tools/0",
            "no tool",
        ),
        ({"verification": {"tries": 9}}, "/body/verification/tries", "5"),
    ],
)
async def test_what_cannot_work_is_refused_with_place_and_reason(
    house: House, body: dict[str, Any], pointer: str, why: str
) -> None:
    tenant = await house.tenant()
    agent = {"name": "S", "entity_name": "S", "languages": ["hi-IN"], "default_language": "hi-IN", **body}
    answer = await tenant.request("POST", "/v1/agents", json=agent)
    assert answer.status_code == 422
    found = {error["pointer"]: error["detail"] for error in answer.json()["errors"]}
    assert pointer in found and why in found[pointer], found


async def test_an_agent_keeps_its_tools_when_others_are_refused(house: House) -> None:
    tenant = await house.tenant()
    agent = await tenant.agent(tools={"loyalty_points": LOYALTY})
    bad = {"tools": {"loyalty_points": {**LOYALTY, "output": {"type": "objekt"}}}}
    answer = await tenant.request("PATCH", f"/v1/agents/{agent['id']}", json=bad)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/body/tools/loyalty_points/output/type"]
    assert await tenant.ok("GET", f"/v1/agents/{agent['id']}") == agent
    serving = (await house.services.agents.get(tenant.tenant_id, agent["id"])).tools["loyalty_points"]
    assert serving.output == OUTPUT


async def test_an_agent_stored_before_there_were_more_tools_still_looks_orders_up(house: House) -> None:
    tenant = await house.tenant()
    now = datetime.now(UTC)
    old = {
        "_id": "agent_old",
        "name": "Old",
        "entity_name": "Old Stores",
        "languages": ["hi-IN"],
        "default_language": "hi-IN",
        "created_at": now,
        "updated_at": now,
        "purpose": "support",
        "handoff": "whatsapp",
        "transfer_number": None,
        "order_status": {"url": "https://shop.example/o/{order_id}"},
        "recording": True,
    }
    agents = house.services.database.tenant(tenant.tenant_id).collection("agents")
    await agents.insert_one(old)
    await agents.insert_one({**old, "_id": "agent_older", "order_status": None})
    view = await tenant.ok("GET", "/v1/agents/agent_old")
    assert view["tools"]["order_status"]["url"] == "https://shop.example/o/{order_id}" and view["verification"] is None
    assert (await tenant.ok("GET", "/v1/agents/agent_older"))["tools"] == {}
    await tenant.ok("PATCH", "/v1/agents/agent_old", json={"name": "New"})
    assert (await tenant.ok("GET", "/v1/agents/agent_old"))["tools"] == view["tools"]


def test_what_is_stored_is_what_is_read() -> None:
    tools = {"a_tool": ToolConfig(headers={"X.Y": "1"}, input={"$schema": "s"}, output={}, restricted=True, write=True)}
    assert stored_tools({"tools": tools_document(tools)}) == tools
    assert stored_policy(None) is None
