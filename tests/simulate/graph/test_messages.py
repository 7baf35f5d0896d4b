"""What the Graph stand-in takes and what becomes of it: kinds, recipients, statuses, limits, open questions."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.simulate.graph import Limits, Unknowns
from tests.simulate.graph.desk import NUMBER, PERSON, TEMPLATE, Desk

pytestmark = pytest.mark.unit
BUTTONS = {"buttons": [{"type": "reply", "reply": {"id": "y", "title": "Yes"}}]}


@pytest.mark.parametrize(
    ("kind", "part", "shown"),
    [
        ("text", {"body": "नमस्ते"}, "नमस्ते"),
        ("location", {"latitude": 13.08, "longitude": 80.27, "name": "Chennai"}, "13.08, 80.27 Chennai"),
        ("contacts", [{"name": {"formatted_name": "Asha"}}], "Asha"),
        ("interactive", {"type": "button", "body": {"text": "Sure?"}, "action": BUTTONS}, "Sure?\n[Yes]"),
        ("image", {"link": "https://example.com/a.png", "caption": "a"}, "a"),
    ],
)
async def test_inside_the_window_every_kind_is_taken_and_shown(kind: str, part: Any, shown: str) -> None:
    desk = Desk()
    assert await desk.refused(kind, part) == 131047
    desk.graph.customer_writes(NUMBER, PERSON, "hi")
    assert await desk.refused(kind, part) == 0
    assert desk.graph.state.phones[PERSON][-1].text == shown
    desk.clock.ahead = timedelta(hours=24)
    assert await desk.refused(kind, part) == 131047


@pytest.mark.parametrize(
    ("kind", "part", "code"),
    [
        ("text", {"body": ""}, 100),
        ("text", {"body": "x" * 4097}, 100),
        ("image", {"id": "404"}, 100),
        ("image", {}, 100),
        ("audio", {"link": "https://example.com/a.ogg", "caption": "no"}, 100),
        ("reaction", {"message_id": "wamid.NONE", "emoji": "👍"}, 131009),
        ("location", {"latitude": "north"}, 131009),
        ("interactive", {"type": "button", "body": {"text": "?"}, "action": {"buttons": []}}, 131009),
        ("contacts", [{}], 131009),
    ],
)
async def test_malformed_messages_are_refused(kind: str, part: Any, code: int) -> None:
    desk = Desk()
    desk.graph.customer_writes(NUMBER, PERSON, "hi")
    assert await desk.refused(kind, part) == code
    assert len(desk.graph.state.phones[PERSON]) == 1


async def test_a_user_id_is_a_recipient_and_vanishes_as_to() -> None:
    desk = Desk()
    user_id = desk.graph.state.person(PERSON).user_id
    answer = await desk.send("template", TEMPLATE, recipient=user_id)
    assert answer.json()["contacts"] == [{"input": user_id, "user_id": user_id}]
    assert len(desk.graph.state.phones[PERSON]) == 1
    desk.values()
    vanished = await desk.send("template", TEMPLATE, to=user_id)
    assert vanished.is_success and vanished.json()["messages"][0]["id"].startswith("wamid.")
    assert len(desk.graph.state.phones[PERSON]) == 1 and desk.values() == []
    assert len(desk.graph.state.dropped) == 1
    assert await desk.refused("template", TEMPLATE, recipient="IN.404") == 131026


async def test_a_changed_number_gets_another_user_id() -> None:
    desk = Desk()
    before = desk.graph.state.person(PERSON)
    desk.graph.customer_changes_number(NUMBER, PERSON, "919800000009")
    after = desk.graph.state.person("919800000009")
    assert after.user_id != before.user_id
    [value] = desk.values()
    assert value["messages"][0]["system"]["user_id"] == after.user_id
    assert await desk.refused("template", TEMPLATE, recipient=before.user_id) == 131026
    assert await desk.refused("template", TEMPLATE, recipient=after.user_id) == 0


async def test_who_hides_the_number_is_told_by_the_user_id_only() -> None:
    desk = Desk()
    desk.graph.state.people[PERSON] = replace(desk.graph.state.person(PERSON), hides_number=True)
    user_id = desk.graph.state.person(PERSON).user_id
    desk.graph.customer_writes(NUMBER, PERSON, "hi")
    await desk.send("text", {"body": "hello"}, recipient=user_id)
    inbound, *rest = desk.values()
    assert inbound["messages"][0]["from_user_id"] == inbound["contacts"][0]["user_id"] == user_id
    assert "from" not in inbound["messages"][0] and "wa_id" not in inbound["contacts"][0]
    assert [value["statuses"][0]["recipient_user_id"] for value in rest] == [user_id] * 2
    assert PERSON not in str(rest)


@pytest.mark.parametrize("carries", [True, False])
async def test_failed_statuses_carry_the_tracker_or_not(carries: bool) -> None:
    desk = Desk(unknowns=Unknowns(failed_carries_tracker=carries))
    desk.graph.state.people[PERSON] = replace(desk.graph.state.person(PERSON), reachable=False)
    assert (await desk.send("template", TEMPLATE, biz_opaque_callback_data="out_1")).is_success
    [status] = desk.statuses()
    assert (status["status"], status["errors"][0]["code"]) == ("failed", 131026)
    assert status.get("biz_opaque_callback_data") == ("out_1" if carries else None)
    assert "pricing" not in status and PERSON not in desk.graph.state.phones


@pytest.mark.parametrize("opens", [True, False])
async def test_a_reaction_opens_the_window_or_not(opens: bool) -> None:
    desk = Desk(unknowns=Unknowns(reaction_opens_window=opens))
    wamid = (await desk.send("template", TEMPLATE)).json()["messages"][0]["id"]
    desk.graph.customer_reacts(PERSON, wamid, "🙏")
    assert desk.graph.state.reactions_to(wamid) == ["🙏"]
    assert await desk.refused("text", {"body": "hello"}) == (0 if opens else 131047)


async def test_a_closed_window_may_be_told_by_a_status() -> None:
    desk = Desk(unknowns=Unknowns(window_refused_by_status=True))
    assert await desk.refused("text", {"body": "hello"}) == 0
    [status] = desk.statuses()
    assert (status["status"], status["errors"][0]["code"]) == ("failed", 131047)


async def test_marketing_fails_for_those_who_stopped_it_and_is_billed_as_such() -> None:
    desk = Desk()
    desk.graph.shelf.recategorise("call_handoff", "hi", "MARKETING")
    await desk.send("template", TEMPLATE)
    assert {status["pricing"]["category"] for status in desk.statuses()} == {"marketing"}
    desk.graph.state.people[PERSON] = replace(desk.graph.state.person(PERSON), takes_marketing=False)
    await desk.send("template", TEMPLATE)
    assert [status["errors"][0]["code"] for status in desk.statuses()] == [131050]


async def test_a_person_and_a_number_are_sent_to_no_faster_than_meta_takes() -> None:
    desk = Desk(limits=Limits(number_per_second=1, number_burst=4, pair_seconds=6, pair_burst=2))
    others = ["919800000001", "919800000002"]
    codes = [await desk.refused("template", TEMPLATE) for _ in range(3)]
    assert codes == [0, 0, 131056]
    assert [await desk.refused("template", TEMPLATE, to=other) for other in (*others, "919800000003")] == [0, 0, 130429]
    desk.clock.ahead = timedelta(seconds=6)
    assert [await desk.refused("template", TEMPLATE) for _ in range(2)] == [0, 131056]


async def test_read_marks_are_kept_and_reading_is_told() -> None:
    desk = Desk()
    wamid = desk.graph.customer_writes(NUMBER, PERSON, "hi")
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid}
    headers = {"Authorization": "Bearer token"}
    assert (await desk.client.post(f"/v24.0/{NUMBER}/messages", json=body, headers=headers)).json() == {"success": True}
    assert desk.graph.state.read == {wamid}
    await desk.send("text", {"body": "hello"})
    assert desk.graph.customer_reads(PERSON) == 1 and desk.graph.customer_reads(PERSON) == 0
    assert [status["status"] for status in desk.statuses()] == ["sent", "delivered", "read"]
