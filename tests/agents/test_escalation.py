"""When and how an agent brings a person in, over the API."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.dialogue.escalation import EscalationPolicy, Target
from tests.house import House

pytestmark = pytest.mark.integration
WEEK = {"monday": [{"opens": "10:00", "closes": "19:00"}], "saturday": [{"opens": "22:00", "closes": "02:00"}]}


async def test_policy_and_hours_are_kept_and_reach_the_dialogue(house: House) -> None:
    tenant = await house.tenant()
    plain = await tenant.agent()
    assert plain["escalation"]["refund_over"] == 25_000 and plain["hours"] == {"time_zone": "Asia/Kolkata", "week": {}}
    policy = {"refund_over": 500, "sentiment": 0, "targets": ["phone", "callback", "phone"], "age": False}
    agent = await tenant.agent(escalation=policy, hours={"time_zone": "Asia/Kolkata", "week": WEEK})
    again = await tenant.ok("GET", f"/v1/agents/{agent['id']}")
    assert again["escalation"]["targets"] == ["phone", "callback"] and again["hours"]["week"] == WEEK
    profile = (await house.services.agents.get(tenant.tenant_id, agent["id"])).profile()
    assert profile.escalation == EscalationPolicy(
        refund_over=500, sentiment=0, targets=(Target.PHONE, Target.CALLBACK), age=False
    )
    assert profile.hours.is_open(datetime(2026, 11, 23, 6, 0, tzinfo=UTC))
    assert not profile.hours.is_open(datetime(2026, 11, 24, 6, 0, tzinfo=UTC))
    assert profile.hours.is_open(datetime(2026, 11, 21, 20, 0, tzinfo=UTC))
    changed = await tenant.ok("PATCH", f"/v1/agents/{agent['id']}", json={"hours": {"week": {}}})
    assert changed["hours"]["week"] == {} and changed["escalation"] == again["escalation"]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"hours": {"time_zone": "Mars/Olympus"}}, "/body/hours/time_zone"),
        ({"hours": {"week": {"funday": []}}}, "/body/hours/week"),
        ({"hours": {"week": {"monday": [{"opens": "25:00", "closes": "26:00"}]}}}, "/body/hours/week/monday/0/opens"),
        ({"escalation": {"refund_over": -1}}, "/body/escalation/refund_over"),
        ({"escalation": {"budget_over": "5000"}}, "/body/escalation/budget_over"),
        ({"escalation": {"budget_over": True}}, "/body/escalation/budget_over"),
        ({"escalation": {"budget_over": 0.5}}, "/body/escalation/budget_over"),
        ({"escalation": {"targets": ["pigeon"]}}, "/body/escalation/targets/0"),
        ({"escalation": {"explicit_request": False}}, "/body/escalation/explicit_request"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_its_place(house: House, body: dict[str, Any], place: str) -> None:
    tenant = await house.tenant()
    agent = await tenant.agent()
    answer = await tenant.request("PATCH", f"/v1/agents/{agent['id']}", json=body)
    assert answer.status_code == 422, answer.text
    assert any(error["pointer"].startswith(place) for error in answer.json()["errors"]), answer.json()
