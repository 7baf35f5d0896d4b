"""What people do with a conversation: one of many wins, who comes second learns who, time and rights count."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from app.auth.roles import Role
from app.conversations.models import Author, Channel, Conversation, Direction, NewMessage, Owner
from tests.house import CUSTOMER, House, MemberDoor, TenantDoor

pytestmark = pytest.mark.integration


async def opened(house: House, tenant: TenantDoor, phone: str = CUSTOMER, **more: Any) -> Conversation:
    book = house.services.conversations
    return await book.open_for(await book.contact_for(tenant.tenant_id, phone), **more)


async def wrote(house: House, conversation: Conversation, text: str = "hello") -> None:
    fresh = await house.services.conversations.get(conversation.tenant_id, conversation.conversation_id)
    now = house.clock.now()
    new = NewMessage(Channel.WHATSAPP, Direction.INBOUND, Author.CUSTOMER, text, now)
    await house.services.conversations.append(fresh, new)


def place(conversation: Conversation, what: str = "") -> str:
    return f"/v1/conversations/{conversation.conversation_id}{what}"


async def audited(house: House, tenant: TenantDoor, action: str) -> list[str]:
    entries = await house.services.audit.entries(tenant.tenant_id, limit=500)
    return [entry.actor for entry in entries if entry.action == action]


async def test_behaviour_28_of_people_who_take_over_at_once_one_wins_and_the_others_learn_who(house: House) -> None:
    tenant = await house.tenant()
    people = [await tenant.member(name) for name in ("Asha", "Bala", "Chitra")]
    conversation = await opened(house, tenant)
    answers = await asyncio.gather(*(person.request("POST", place(conversation, "/take")) for person in people))
    [winner] = [person for person, answer in zip(people, answers, strict=True) if answer.status_code == 200]
    for answer in answers:
        if answer.status_code == 200:
            assert answer.json()["assignee_id"] == winner.member_id and answer.json()["owner"] == "person"
            continue
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (409, "taken")
        assert winner.name in problem["detail"]
        assert problem["errors"] == [{"pointer": "/assignee_id", "detail": winner.member_id}]
    assert await audited(house, tenant, "conversation.taken_over") == [winner.member_id]
    again = await winner.ok("POST", place(conversation, "/take"))
    assert again["version"] == 1, "taking what one has changes nothing"


async def test_a_stale_version_changes_nothing(house: House) -> None:
    tenant = await house.tenant()
    asha, bala = await tenant.member("Asha"), await tenant.member("Bala")
    conversation = await opened(house, tenant)
    seen = await asha.request("GET", place(conversation))
    assert seen.headers["ETag"] == '"0"'
    await bala.ok("PUT", place(conversation, "/labels"), json={"labels": ["vip", "refund"]})
    stale = await asha.request(
        "PUT", place(conversation, "/labels"), json={"labels": ["late"]}, headers={"If-Match": seen.headers["ETag"]}
    )
    assert (stale.status_code, stale.json()["code"]) == (409, "conversation_changed")
    view = await asha.ok("GET", place(conversation))
    assert (view["labels"], view["version"]) == (["refund", "vip"], 1)
    broken = await asha.request("POST", place(conversation, "/resolve"), headers={"If-Match": '"x"'})
    assert broken.status_code == 422 and broken.json()["errors"][0]["pointer"] == "/header/If-Match"


async def test_only_a_supervisor_takes_from_a_person_and_an_auditor_changes_nothing(house: House) -> None:
    tenant = await house.tenant()
    asha, boss = await tenant.member("Asha"), await tenant.member("Devi", Role.SUPERVISOR)
    bala, auditor = await tenant.member("Bala"), await tenant.member("Esha", Role.AUDITOR)
    conversation = await opened(house, tenant)
    await asha.ok("POST", place(conversation, "/take"))
    refused = await bala.request("POST", place(conversation, "/take"), json={"force": True})
    assert refused.status_code == 403
    taken = await boss.ok("POST", place(conversation, "/take"), json={"force": True})
    assert taken["assignee_id"] == boss.member_id
    assert (await auditor.request("POST", place(conversation, "/take"))).status_code == 403
    for _ in range(2):
        assert (await auditor.ok("GET", place(conversation)))["owner"] == "person"
    assert await audited(house, tenant, "conversation.read") == [auditor.member_id], "once an hour"
    assert (await bala.request("PUT", "/v1/inbox/settings", json={})).status_code == 403
    assert (await bala.request("POST", "/v1/inbox/teams", json={"name": "x"})).status_code == 403


async def test_assigning_with_a_note_shows_in_the_story_and_not_to_the_customer(house: House) -> None:
    tenant = await house.tenant()
    asha, bala = await tenant.member("Asha"), await tenant.member("Bala")
    boss = await tenant.member("Devi", Role.SUPERVISOR)
    team = await boss.ok("POST", "/v1/inbox/teams", json={"name": "Refunds"})
    conversation = await opened(house, tenant)
    body = {"member_id": bala.member_id, "team_id": team["id"], "note": "she waits since Monday"}
    view = await asha.ok("POST", place(conversation, "/assign"), json=body)
    assert (view["assignee_id"], view["team_id"], view["owner"]) == (bala.member_id, team["id"], "person")
    messages = (await bala.ok("GET", place(conversation, "/messages")))["data"]
    assert [(m["kind"], m["author"], m["direction"]) for m in messages] == [
        ("note", "person", "internal"),
        ("event", "system", "internal"),
    ]
    assert messages[0]["text"] == "she waits since Monday" and messages[0]["author_id"] == asha.member_id
    assert messages[1]["extra"] == {"member_id": bala.member_id, "team_id": team["id"]}
    assert house.graph.state.requests == []
    stranger = await asha.request("POST", place(conversation, "/assign"), json={"member_id": "mem_nobody"})
    assert (stranger.status_code, stranger.json()["errors"][0]["pointer"]) == (422, "/body/member_id")
    mine = await bala.ok("GET", "/v1/conversations", params={"assignee": "me"})
    assert [row["id"] for row in mine["data"]] == [conversation.conversation_id]
    assert (await boss.request("DELETE", f"/v1/inbox/teams/{team['id']}")).status_code == 204
    assert (await bala.ok("GET", place(conversation)))["team_id"] is None


async def test_lists_by_what_waits_and_counts_it(house: House) -> None:
    tenant = await house.tenant()
    asha = await tenant.member("Asha")
    made = [await opened(house, tenant, f"+9198123456{n:02d}", language="hi-IN") for n in range(5)]
    await wrote(house, made[0])
    await asha.ok("POST", place(made[1], "/take"))
    await tenant.ok("POST", place(made[2], "/assign"), json={})
    await asha.ok("PUT", place(made[3], "/labels"), json={"labels": ["vip"]})
    until = (house.clock.now() + timedelta(hours=2)).isoformat()
    await asha.ok("POST", place(made[4], "/snooze"), json={"until": until})

    async def listed(**query: str) -> list[str]:
        return [row["id"] for row in (await asha.ok("GET", "/v1/conversations", params=query))["data"]]

    ids = [conversation.conversation_id for conversation in made]
    assert await listed(unread="true") == [ids[0]]
    assert await listed(assignee="me") == [ids[1]]
    assert await listed(assignee="unassigned") == [ids[2]]
    assert await listed(label="vip") == [ids[3]]
    assert await listed(status="snoozed") == [ids[4]]
    assert await listed(language="ta-IN") == [] and len(await listed(language="hi-IN")) == 5
    assert await asha.ok("GET", "/v1/inbox/counts") == {
        "open": 4,
        "snoozed": 1,
        "unread": 1,
        "mine": 1,
        "unassigned": 1,
        "overdue": 0,
        "bot": 3,
    }
    assert (await asha.request("POST", place(made[0], "/read"))).status_code == 204
    assert await listed(unread="true") == []


async def test_paging_by_activity_neither_skips_nor_repeats_what_stands_still(house: House) -> None:
    tenant = await house.tenant()
    made = []
    for n in range(7):
        made.append(await opened(house, tenant, f"+9198123456{n:02d}"))
        house.clock.ahead += timedelta(seconds=1)
    seen: list[str] = []
    cursor: str | None = None
    query: dict[str, Any] = {"order": "active", "limit": 2}
    while True:
        page = await tenant.ok(
            "GET", "/v1/conversations", params=query | ({"starting_after": cursor} if cursor else {})
        )
        seen += [row["id"] for row in page["data"]]
        await wrote(house, made[0])
        await opened(house, tenant, f"+9198123457{len(seen):02d}")
        house.clock.ahead += timedelta(seconds=1)
        if (cursor := page["next_cursor"]) is None:
            break
    still = [conversation.conversation_id for conversation in reversed(made[1:])]
    assert [row for row in seen if row in still] == still and len(seen) == len(set(seen))
    broken = await tenant.request("GET", "/v1/conversations", params={"order": "active", "starting_after": "nothing"})
    assert (broken.status_code, broken.json()["code"]) == (422, "bad_cursor")


async def test_a_sleeper_wakes_at_its_time_or_by_the_customers_word(house: House) -> None:
    tenant, sweep = await house.tenant(), house.services.inbox.sweep
    conversation = await opened(house, tenant)
    until = (house.clock.now() + timedelta(hours=1)).isoformat()
    assert (await tenant.ok("POST", place(conversation, "/snooze"), json={"until": until}))["status"] == "snoozed"
    assert await sweep.wake() == 0
    house.clock.ahead += timedelta(hours=1, seconds=1)
    assert await sweep.wake() == 1 and await sweep.wake() == 0
    assert (await tenant.ok("GET", place(conversation)))["status"] == "open"
    later = (house.clock.now() + timedelta(hours=1)).isoformat()
    await tenant.ok("POST", place(conversation, "/snooze"), json={"until": later})
    await wrote(house, conversation)
    assert (await tenant.ok("GET", place(conversation)))["status"] == "open"
    past = await tenant.request("POST", place(conversation, "/snooze"), json={"until": until})
    assert (past.status_code, past.json()["errors"][0]["pointer"]) == (422, "/body/until")


async def test_resolving_and_reopening_keep_one_open_conversation(house: House) -> None:
    tenant = await house.tenant()
    asha = await tenant.member("Asha")
    conversation = await opened(house, tenant)
    assert (await asha.ok("POST", place(conversation, "/resolve")))["status"] == "closed"
    shut = await asha.request("POST", place(conversation, "/take"))
    assert (shut.status_code, shut.json()["code"]) == (409, "conversation_closed")
    again = await opened(house, tenant)
    assert again.conversation_id == conversation.conversation_id, "the customer's word within a day reopens it"
    assert again.desk.reopened == 1
    await asha.ok("POST", place(conversation, "/resolve"))
    house.clock.ahead += timedelta(hours=25)
    fresh = await opened(house, tenant)
    assert fresh.conversation_id != conversation.conversation_id
    clash = await tenant.request("POST", place(conversation, "/reopen"))
    assert (clash.status_code, clash.json()["code"]) == (409, "other_open")
    await tenant.ok("POST", place(fresh, "/resolve"))
    assert (await tenant.ok("POST", place(conversation, "/reopen")))["status"] == "open"


async def test_the_time_to_answer_runs_in_the_peoples_hours_and_from_the_calls_end(house: House) -> None:
    tenant, book, sweep = await house.tenant(), house.services.conversations, house.services.inbox.sweep
    asha = await tenant.member("Asha")
    await tenant.ok("PUT", "/v1/inbox/settings", json={"answer_minutes": 30})
    conversation = await opened(house, tenant)
    await asha.ok("POST", place(conversation, "/take"))
    ended = house.clock.now()
    await book.wait_from(conversation, ended)
    view = await asha.ok("GET", place(conversation))
    assert datetime.fromisoformat(view["due_at"]) == ended + timedelta(minutes=30)
    assert await sweep.find_overdue() == 0
    house.clock.ahead += timedelta(minutes=31)
    assert await sweep.find_overdue() == 1 and await sweep.find_overdue() == 0
    assert [row["id"] for row in (await asha.ok("GET", "/v1/conversations", params={"overdue": "true"}))["data"]] == [
        conversation.conversation_id
    ]
    fresh = await book.get(tenant.tenant_id, conversation.conversation_id)
    answer = NewMessage(Channel.WHATSAPP, Direction.OUTBOUND, Author.PERSON, "done", house.clock.now())
    await book.append(fresh, answer)
    view = await asha.ok("GET", place(conversation))
    assert view["due_at"] is None and view["breached_at"] is not None and view["first_responded_at"] is not None
    assert await audited(house, tenant, "conversation.overdue") == ["system"]


async def test_canned_replies_come_in_the_conversations_language(house: House) -> None:
    tenant = await house.tenant()
    boss = await tenant.member("Devi", Role.SUPERVISOR)
    texts = {"en-IN": "Thank you!", "hi-IN": "धन्यवाद!"}
    made = await boss.ok("POST", "/v1/inbox/canned-replies", json={"shortcut": "thanks", "texts": texts})
    twice = await boss.request("POST", "/v1/inbox/canned-replies", json={"shortcut": "thanks", "texts": texts})
    assert (twice.status_code, twice.json()["code"]) == (409, "shortcut_taken")
    hindi, tamil = await opened(house, tenant, language="hi-IN"), await opened(house, tenant, "+919812345699")
    assert (await boss.ok("GET", place(hindi, "/canned-replies")))[0]["text"] == "धन्यवाद!"
    assert (await boss.ok("GET", place(tamil, "/canned-replies")))[0]["language"] == "en-IN"
    await boss.ok("PATCH", f"/v1/inbox/canned-replies/{made['id']}", json={"texts": {"ta-IN": "நன்றி!"}})
    assert (await boss.ok("GET", place(hindi, "/canned-replies")))[0]["text"] == "நன்றி!"
    assert (await boss.request("DELETE", f"/v1/inbox/canned-replies/{made['id']}")).status_code == 204


async def test_a_wish_to_be_called_is_kept_moved_claimed_once_and_settled(house: House) -> None:
    tenant, callbacks = await house.tenant(), house.services.inbox.callbacks
    conversation = await opened(house, tenant)
    at = house.clock.now() + timedelta(hours=1)
    first = await tenant.ok("POST", place(conversation, "/callbacks"), json={"at": at.isoformat(), "reason": "refund"})
    assert first["phone"] == CUSTOMER and first["state"] == "waiting"
    moved = await tenant.ok("POST", place(conversation, "/callbacks"), json={})
    assert moved["id"] == first["id"]
    [due] = await callbacks.due()
    assert await asyncio.gather(callbacks.claim(due), callbacks.claim(due)) in ([True, False], [False, True])
    assert await callbacks.due() == []
    over = await tenant.request("DELETE", f"/v1/callbacks/{due.callback_id}")
    assert (over.status_code, over.json()["code"]) == (409, "callback_over")
    await callbacks.settle(due, call_id="call_01")
    [kept] = await tenant.ok("GET", place(conversation, "/callbacks"))
    assert (kept["state"], kept["call_id"]) == ("done", "call_01")
    hidden = await house.services.conversations.contact_of_identities(tenant.tenant_id, None, "IN.abcdef")
    chat = await house.services.conversations.open_for(hidden)
    nobody = await tenant.request("POST", place(chat, "/callbacks"), json={})
    assert (nobody.status_code, nobody.json()["code"]) == (422, "no_phone")


async def test_files_are_checked_sealed_and_only_the_tenants(house: House) -> None:
    tenant, other = await house.tenant(), await house.tenant("Other")
    content = b"\x89PNG secret receipt"

    async def upload(body: bytes, mime: str) -> httpx.Response:
        return await tenant.request("POST", "/v1/attachments", files={"file": ("रसीद.png", body, mime)})

    made = (await upload(content, "image/png")).json()
    assert (made["kind"], made["size_bytes"], made["file_name"]) == ("image", len(content), "रसीद.png")
    [stored] = [path.read_bytes() for path in house.services.settings.data_dir.rglob("*.sealed")]
    assert b"secret" not in stored
    got = await tenant.request("GET", f"/v1/attachments/{made['id']}/content")
    assert got.content == content and got.headers["X-Content-Type-Options"] == "nosniff"
    assert "attachment" in got.headers["Content-Disposition"]
    assert (await other.request("GET", f"/v1/attachments/{made['id']}/content")).status_code == 404
    assert (await upload(content, "text/html")).json()["code"] == "media_type"
    assert (await upload(b"", "image/png")).status_code == 422
    assert (await upload(b"x" * (5 * 1024 * 1024 + 1), "image/png")).status_code == 413
    assert len(await audited(house, tenant, "attachment.read")) == 1


async def test_every_change_is_signalled_with_ids_only(house: House) -> None:
    tenant, heard = await house.tenant(), []

    async def listen(tenant_id: str, message: Any) -> None:
        heard.append((tenant_id, dict(message)))

    house.services.conversations._signal = listen
    conversation = await opened(house, tenant)
    await wrote(house, conversation, "my secret 4512")
    await tenant.ok("POST", place(conversation, "/take"))
    await tenant.ok("POST", place(conversation, "/read"))
    assert [message["what"] for _, message in heard] == ["created", "message", "owner", "message", "read"]
    assert all(message["conversation_id"] == conversation.conversation_id for _, message in heard)
    assert "4512" not in str(heard)


async def test_the_bot_loses_the_right_to_speak_when_a_person_takes_over(house: House) -> None:
    tenant = await house.tenant()
    asha: MemberDoor = await tenant.member("Asha")
    conversation = await opened(house, tenant)
    await asha.ok("POST", place(conversation, "/take"))
    fresh = await house.services.conversations.get(tenant.tenant_id, conversation.conversation_id)
    assert (fresh.owner, fresh.owner_version) == (Owner.PERSON, conversation.owner_version + 1)
    nobody = await asha.request("POST", place(conversation, "/release"))
    assert (nobody.status_code, nobody.json()["code"]) == (409, "no_agent")
    agent = await tenant.agent()
    await house.services.conversations.open_for(
        await house.services.conversations.contact_for(tenant.tenant_id, CUSTOMER), agent_id=agent["id"]
    )
    assert (await asha.ok("POST", place(conversation, "/release")))["owner"] == "bot"
