"""Who gets a customer who wants a person: by language, hours, turn; nobody free, and the bot keeps them informed."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from app.auth.roles import Role
from app.compliance.models import ConsentChannel, Decision, Purpose
from app.conversations.models import CallContext, Conversation, HandoffStatus, Owner
from tests.house import CUSTOMER, PHONE_NUMBER_ID, House, MemberDoor, TenantDoor
from tests.whatsapp.test_webhook import post, text, webhook

pytestmark = pytest.mark.integration
CALL = CallContext("call_1", "hi-IN", "human_agent", request_text="किसी से बात कराओ")


async def opened(house: House, tenant: TenantDoor, phone: str = CUSTOMER, language: str = "hi-IN") -> Conversation:
    book = house.services.conversations
    return await book.open_for(await book.contact_for(tenant.tenant_id, phone), language=language)


async def working(tenant: TenantDoor, name: str, *languages: str, **more: Any) -> MemberDoor:
    person = await tenant.member(name)
    body = {"languages": list(languages), **more}
    await tenant.ok("PUT", f"/v1/inbox/people/{person.member_id}", json=body)
    await person.ok("PUT", "/v1/inbox/presence", json={"presence": "online"})
    return person


async def wrote(house: House, wamid: str, words: str) -> None:
    house.graph.state.last_inbound[PHONE_NUMBER_ID, CUSTOMER.removeprefix("+")] = house.clock.now()
    answer = await post(house, webhook({"messages": [text(wamid, words, at=house.clock.now())]}))
    assert answer.status_code == 200
    await house.work()


async def sent(house: House, tenant: TenantDoor, conversation_id: str) -> list[str]:
    page = await tenant.ok("GET", f"/v1/conversations/{conversation_id}/messages")
    return [message["text"] for message in page["data"] if message["direction"] == "outbound"]


async def test_people_of_the_language_get_conversations_in_turn(house: House) -> None:
    tenant, router = await house.tenant(), house.services.inbox.router
    hindi = [await working(tenant, name, "hi-IN") for name in ("Asha", "Bala")]
    tamil = await working(tenant, "Chitra", "ta-IN", capacity=1)
    got = []
    for n in range(4):
        routed = await router.route(await opened(house, tenant, f"+9198123456{n:02d}"), "human_agent")
        got.append(routed.assignee_id)
        house.clock.ahead += timedelta(seconds=1)
    asha, bala = (person.member_id for person in hindi)
    assert got == [asha, bala, asha, bala]
    first = await router.route(await opened(house, tenant, "+919812345650", "ta-IN"), "human_agent")
    assert first.assignee_id == tamil.member_id and first.conversation.owner is Owner.PERSON
    second = await router.route(await opened(house, tenant, "+919812345651", "ta-IN"), "human_agent")
    assert second.waiting and second.conversation.owner is Owner.BOT, "her one conversation is all she is given"


async def test_presence_runs_out_and_teams_keep_their_hours(house: House) -> None:
    tenant, router = await house.tenant(), house.services.inbox.router
    closed = {"time_zone": "UTC", "week": {}}
    day = (house.clock.now() + timedelta(days=3)).strftime("%A").lower()
    closed["week"] = {day: [{"opens": "10:00", "closes": "11:00"}]}
    team = await tenant.ok("POST", "/v1/inbox/teams", json={"name": "Refunds", "hours": closed})
    asha = await working(tenant, "Asha", team_ids=[team["id"]])
    of_team = await opened(house, tenant)
    await tenant.ok("POST", f"/v1/conversations/{of_team.conversation_id}/assign", json={"team_id": team["id"]})
    of_team = await house.services.conversations.get(tenant.tenant_id, of_team.conversation_id)
    assert (await router.route(of_team, "human_agent")).waiting, "the team's hours are over"
    other = await opened(house, tenant, "+919812345601")
    house.clock.ahead += timedelta(minutes=4)
    assert (await router.route(other, "human_agent")).waiting, "nobody has said to be on line for three minutes"
    await asha.ok("PUT", "/v1/inbox/presence", json={"presence": "online"})
    assert await router.sweep() == 1
    other = await house.services.conversations.get(tenant.tenant_id, other.conversation_id)
    assert (other.desk.assignee_id, other.owner) == (asha.member_id, Owner.PERSON)
    robot = await tenant.request("PUT", "/v1/inbox/presence", json={"presence": "online"})
    assert (robot.status_code, robot.json()["code"]) == (403, "members_only")


async def test_nobody_free_and_the_bot_goes_on_and_says_when(house: House) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    agent = await tenant.agent()
    await tenant.ok("PUT", "/v1/inbox/settings", json={"default_agent_id": agent["id"], "answer_minutes": 20})
    asha = await working(tenant, "Asha", "hi-IN")
    await asha.ok("PUT", "/v1/inbox/presence", json={"presence": "away"})
    house.brain.hand_over = "human_agent"
    await wrote(house, "wamid.1", "insaan se baat karni hai")
    [row] = (await tenant.ok("GET", "/v1/conversations"))["data"]
    assert (row["owner"], row["assignee_id"]) == ("bot", None) and row["waiting_for_person_since"] is not None
    [answer] = await sent(house, tenant, row["id"])
    assert answer.startswith("heard: insaan") and "20" in answer
    house.brain.hand_over = None
    await wrote(house, "wamid.2", "aur kitni der?")
    assert (await sent(house, tenant, row["id"]))[0] == "heard: aur kitni der?", "told once, not with every answer"
    house.clock.ahead += timedelta(minutes=16)
    assert await house.services.inbox.router.sweep() == 0
    await house.work()
    assert "20" in (await sent(house, tenant, row["id"]))[0], "told again after a quarter of an hour"
    await asha.ok("PUT", "/v1/inbox/presence", json={"presence": "online"})
    await house.services.inbox.sweep.run()
    row = await asha.ok("GET", f"/v1/conversations/{row['id']}")
    assert (row["owner"], row["assignee_id"]) == ("person", asha.member_id)
    assert row["waiting_for_person_since"] is None and row["due_at"] is not None


async def test_a_call_is_handed_to_the_person_whose_turn_it_is_and_the_reply_finds_them(house: House) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    asha = await working(tenant, "Asha", "hi-IN")
    result = await house.services.handoff.request(tenant.tenant_id, CUSTOMER, CALL, entity_name="Sundar Stores")
    await house.work()
    view = await asha.ok("GET", f"/v1/conversations/{result.conversation_id}")
    assert (view["assignee_id"], view["handoff_reason"], view["calls"][0]["call_id"]) == (
        asha.member_id,
        "human_agent",
        "call_1",
    )
    await wrote(house, "wamid.1", "haan boliye")
    messages = (await asha.ok("GET", f"/v1/conversations/{result.conversation_id}/messages"))["data"]
    assert messages[0]["text"] == "haan boliye", "the reply belongs to the call's conversation"
    assert house.brain.heard == []
    row = await asha.ok("GET", f"/v1/conversations/{result.conversation_id}")
    assert row["unread"] == 1 and row["due_at"] is not None


async def test_a_broken_call_goes_on_only_where_the_contact_agreed_before(house: House) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    handoff, ledger = house.services.handoff, house.services.consents

    async def go_on(call_id: str) -> HandoffStatus:
        call = CallContext(call_id, "hi-IN", "stream_lost", intent="order_status", slots={"order_id": "4512"})
        result = await handoff.go_on(tenant.tenant_id, CUSTOMER, call, template="follow_up", entity_name="Sundar")
        await house.work()
        return result.status

    assert await go_on("call_1") is HandoffStatus.NO_CONSENT and house.graph.state.requests == []
    await ledger.record(
        tenant.tenant_id,
        CUSTOMER,
        ConsentChannel.WHATSAPP,
        Purpose.SERVICE,
        Decision.GRANTED,
        evidence={"words": "व्हाट्सऐप पर भेजो"},
    )
    assert await go_on("call_2") is HandoffStatus.QUEUED and await go_on("call_2") is not HandoffStatus.FAILED
    assert len(house.graph.state.requests) == 1, "once per call"
    await house.services.suppressions.opt_out(tenant.tenant_id, CUSTOMER, [ConsentChannel.WHATSAPP], {"x": "y"})
    assert await go_on("call_3") is HandoffStatus.NO_CONSENT


async def test_a_resolved_customer_is_asked_once_and_the_number_reopens_nothing(house: House) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    boss = await tenant.member("Devi", Role.SUPERVISOR)
    await wrote(house, "wamid.1", "hello")
    [row] = (await tenant.ok("GET", "/v1/conversations"))["data"]
    place = f"/v1/conversations/{row['id']}"
    await boss.ok("POST", f"{place}/take")
    assert (await boss.ok("POST", f"{place}/resolve"))["status"] == "closed"
    await boss.ok("POST", f"{place}/resolve")
    await house.work()
    questions = [words for words in await sent(house, tenant, row["id"]) if "1" in words and "5" in words]
    assert len(questions) == 1
    await wrote(house, "wamid.2", "४")
    after = await boss.ok("GET", place)
    assert (after["status"], after["rating"], after["unread"]) == ("closed", 4, 0)
    assert len((await tenant.ok("GET", "/v1/conversations"))["data"]) == 1
    await wrote(house, "wamid.3", "one more thing")
    after = await boss.ok("GET", place)
    assert (after["status"], after["rating"], after["reopened"]) == ("open", 4, 1)


async def test_call_as_a_whole_message_asks_to_be_called(house: House) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    await wrote(house, "wamid.1", "CALL!")
    [row] = (await tenant.ok("GET", "/v1/conversations"))["data"]
    [wish] = await tenant.ok("GET", f"/v1/conversations/{row['id']}/callbacks")
    assert (wish["phone"], wish["asked_by"], wish["state"]) == (CUSTOMER, "customer", "waiting")
    assert house.brain.heard == []
    await wrote(house, "wamid.2", "call me if you like")
    assert house.brain.heard == ["call me if you like"]
    assert datetime.fromisoformat(wish["at"]) <= house.clock.now()


async def test_a_person_who_does_not_exist_cannot_be_given_work(house: House) -> None:
    tenant = await house.tenant()
    absent = await tenant.request("PUT", "/v1/inbox/people/mem_nobody", json={})
    assert absent.status_code == 404
    person = await tenant.member("Asha")
    wrong = await tenant.request("PUT", f"/v1/inbox/people/{person.member_id}", json={"team_ids": ["team_x"]})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/body/team_id")
    agent = await tenant.request("PUT", "/v1/inbox/settings", json={"default_agent_id": "agent_x"})
    assert agent.status_code == 404
