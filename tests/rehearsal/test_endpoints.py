"""An agent tried in text: what it understands and why, a whole conversation, and what is refused."""

from typing import Any

import httpx
import pytest

from app.languages.mind import Mind
from tests.house import House, TenantDoor

pytestmark = pytest.mark.integration


async def post(client: httpx.AsyncClient, door: TenantDoor, path: str, body: dict[str, Any]) -> httpx.Response:
    return await client.post(f"/v1/agents/{path}", json=body, headers={"Authorization": f"Bearer {door.key}"})


async def test_understanding_with_its_evidence(house: House, stage: httpx.AsyncClient) -> None:
    door = await house.tenant()
    agent = await door.agent(languages=["hi-IN", "en-IN"])
    answer = await post(stage, door, f"{agent['id']}/understand", {"text": "mera order 4512 kahan hai"})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["intent"], found["decided_by"]) == ("order_status", "classifier")
    assert found["language"]["matrix"] == "hi-IN"
    assert [token["text"] for token in found["language"]["tokens"]] == ["mera", "order", "4512", "kahan", "hai"]
    digits = next(entity for entity in found["entities"] if entity["kind"] == "digits")
    assert (digits["value"], digits["start"], digits["end"]) == ("4512", 11, 15)
    assert all(0 <= chance <= 1 for chance in found["scores"].values())


async def test_every_score_beside_its_threshold(house: House, stage: httpx.AsyncClient, mind: Mind) -> None:
    door = await house.tenant()
    agent = await door.agent(languages=["hi-IN", "en-IN"])
    path = f"{agent['id']}/understand"
    found = (await post(stage, door, path, {"text": "mera order kahan hai", "top": 500})).json()
    ranking = found["ranking"]
    assert {score["intent"] for score in ranking} == set(mind.understander.intents)
    assert sum(score["chance"] for score in ranking) == pytest.approx(1, abs=0.01)
    assert [score["weighed"] for score in ranking] == sorted((s["weighed"] for s in ranking), reverse=True)
    assert ranking[0]["intent"] == found["intent"] and ranking[0]["weighed"] == found["confidence"]
    assert ranking[0]["reached"] and 0 < ranking[0]["threshold"] <= ranking[0]["weighed"]
    assert found["known_share"] > 0.6
    few = (await post(stage, door, path, {"text": "mera order kahan hai", "top": 2})).json()
    assert few["ranking"] == ranking[:2]
    assert (await post(stage, door, path, {"text": ""})).json()["ranking"] == []
    assert (await post(stage, door, path, {"text": "hi", "top": 0})).status_code == 422


async def test_what_decides_is_named(house: House, stage: httpx.AsyncClient) -> None:
    door = await house.tenant()
    agent = await door.agent()
    for body, rule in (
        ({"text": "unsubscribe"}, "stop_words"),
        ({"text": "haan ji", "expectation": "yes_no"}, "yes_or_no_words"),
        ({"text": "kal", "expectation": "date"}, "answer_awaited"),
        ({"text": ""}, "no_words"),
    ):
        answer = await post(stage, door, f"{agent['id']}/understand", body)
        assert answer.json()["decided_by"] == rule, answer.text


async def test_a_conversation_turn_by_turn(house: House, stage: httpx.AsyncClient) -> None:
    door = await house.tenant()
    agent = await door.agent(tools={"order_status": {}})
    path = f"{agent['id']}/simulate"
    opening = (await post(stage, door, path, {"language": "en-IN"})).json()
    assert opening["understanding"] is None and any(say["disclosure"] for say in opening["says"])
    answers = {"order_status": {"data": {"order_id": "4512", "status": "delivered"}}}
    turn = (
        await post(stage, door, path, {"state": opening["state"], "text": "where is my order 4512", "answers": answers})
    ).json()
    assert turn["understanding"]["intent"] == "order_status"
    assert turn["tools_asked"] == [{"tool": "order_status", "arguments": {"order_id": "4512"}, "write": False}]
    end = (await post(stage, door, path, {"state": turn["state"], "text": "stop calling me"})).json()
    assert end["ended"] and {action["action"] for action in end["actions"]} >= {"opt_out", "end"}


async def test_a_tool_without_an_answer_is_a_system_that_is_down(house: House, stage: httpx.AsyncClient) -> None:
    door = await house.tenant()
    agent = await door.agent(tools={"order_status": {}})
    path = f"{agent['id']}/simulate"
    opening = (await post(stage, door, path, {"language": "en-IN"})).json()
    turn = (await post(stage, door, path, {"state": opening["state"], "text": "where is my order 4512"})).json()
    assert turn["tools_asked"] and turn["says"] and not turn["ended"]


async def test_refusals(house: House, stage: httpx.AsyncClient) -> None:
    door, other = await house.tenant(), await house.tenant("Other")
    agent = await door.agent()
    path = f"{agent['id']}/simulate"
    opening = (await post(stage, door, path, {})).json()
    second = await door.agent(name="Second")
    assert (
        await post(stage, door, f"{second['id']}/simulate", {"state": opening["state"], "text": "hi"})
    ).status_code == 422
    assert (await post(stage, door, path, {"state": "made up", "text": "hi"})).status_code == 422
    assert (await post(stage, door, path, {"text": "hi", "digits": "1"})).status_code == 422
    assert (await post(stage, door, path, {"language": "ta-IN"})).status_code == 422
    assert (await post(stage, other, path, {})).status_code == 404
    unauthorised = await stage.post(f"/v1/agents/{path}", json={})
    assert unauthorised.status_code == 401


async def test_whoever_wants_a_person_is_asked_about_whatsapp_as_a_new_caller_is(
    house: House, stage: httpx.AsyncClient
) -> None:
    door = await house.tenant()
    agent = await door.agent(languages=["en-IN"], default_language="en-IN")
    path = f"{agent['id']}/simulate"
    opening = (await post(stage, door, path, {"language": "en-IN"})).json()
    asked = (await post(stage, door, path, {"state": opening["state"], "text": "let me talk to a person"})).json()
    assert [say["disclosure"] for say in asked["says"]][-1] == "whatsapp_opt_in" and not asked["actions"]
    agreed = (await post(stage, door, path, {"state": asked["state"], "digits": "1"})).json()
    assert [action["action"] for action in agreed["actions"]] == ["whatsapp_consent", "handoff_whatsapp"]
