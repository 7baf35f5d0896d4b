"""The inbox's pages: the list with its filters, a conversation with its calls, what people do, who was faster."""

from datetime import timedelta

import pytest

from app.auth.roles import Role
from app.conversations.models import Owner, Status
from tests.console.conftest import Desk, Page, read

pytestmark = pytest.mark.integration


def rows(page: Page) -> list[str]:
    return [row["data-id"] for row in page.all("a") if "data-id" in row]


async def test_the_list_shows_who_waits_and_narrows_by_what_is_asked(desk: Desk) -> None:
    asha = await desk.person("Asha")
    made = [await desk.conversation(f"+9198123456{n:02d}", "ta-IN" if n == 4 else "hi-IN") for n in range(5)]
    ids = [conversation.conversation_id for conversation in made]
    await desk.note_inbound(made[0], "मेरा पैसा कब आएगा?")
    for place, path, form in (
        (ids[1], "take", {"version": "0"}),
        (ids[2], "assign", {"version": "0", "to": ""}),
        (ids[3], "labels", {"version": "0", "labels": "VIP, refund"}),
    ):
        assert (await asha.post(f"/console/inbox/{place}/{path}", **form)).status_code == 200

    async def listed(**query: str) -> set[str]:
        return set(rows(read(await asha.fragment("/console/inbox/list", params=query))))

    assert await listed() == set(ids)
    assert await listed(view="mine") == {ids[1]} and await listed(view="unassigned") == {ids[2]}
    assert await listed(view="unread") == {ids[0]} and await listed(view="bot") == {ids[0], ids[3], ids[4]}
    assert await listed(label="vip") == {ids[3]} and await listed(language="ta-IN") == {ids[4]}
    assert await listed(q="98123 45602") == {ids[2]} and await listed(view="closed") == set()
    whole = read(await asha.get("/console/inbox"))
    assert whole.one("span", data__count="mine") and "+919812345600" in whole.text and "हिन्दी" in whole.text
    assert whole.one("main")["data-events"] == "/v1/events"
    odd = await asha.fragment("/console/inbox/list", params={"label": "no.such"})
    assert odd.status_code == 422 and odd.headers["hx-retarget"] == "#notice"


async def test_search_finds_words_in_messages_and_calls_and_is_written_down(desk: Desk) -> None:
    asha, conversation = await desk.person("Asha"), await desk.conversation()
    other = await desk.conversation("+919812345699", "en-IN")
    await desk.note_inbound(other, "my parcel never came")
    await desk.house.services.inbox.search.index()
    found = read(await asha.fragment("/console/inbox/list", params={"q": "parcel"}))
    assert rows(found) == [other.conversation_id] and "my parcel never came" in found.text
    spoken = read(await asha.fragment("/console/inbox/list", params={"q": "ऑर्डर"}))
    assert conversation.conversation_id in rows(spoken)
    assert await desk.audited("conversation.searched") == [asha.member_id, asha.member_id]


async def test_a_conversation_shows_the_call_the_messages_and_what_can_be_done(desk: Desk) -> None:
    asha, conversation = await desk.person("Asha"), await desk.conversation()
    await desk.note_inbound(conversation, "<script>alert(1)</script> कब आएगा?")
    answer = await asha.get(f"/console/inbox/{conversation.conversation_id}")
    page = read(answer)
    for words in ("order_status", "4512", "Pune", "किसी से बात कराइए", "मेरा ऑर्डर कहाँ है?", "asked for a person"):
        assert words in page.text, words
    assert "&lt;script&gt;alert(1)" in answer.text and "<script>alert" not in answer.text
    assert page.one("div", id="composer")["data-lock"] == "bot" and page.one("button", id="do-take")
    assert await desk.audited("conversation.read") == [asha.member_id], "one look in an hour"
    part = await asha.fragment(f"/console/inbox/{conversation.conversation_id}")
    assert "<html" not in part.text and read(part).one("div", id="pane")["data-conversation"]
    assert (await asha.get("/console/inbox/conv_unknown")).status_code == 404


async def test_taking_over_and_giving_back_say_who_was_faster(desk: Desk) -> None:
    asha, bala = await desk.person("Asha"), await desk.person("Bala")
    conversation = await desk.conversation()
    place = f"/console/inbox/{conversation.conversation_id}"
    taken = read(await asha.post(f"{place}/take", version="0"))
    assert taken.one("input", id="version")["value"] == "1" and "You took over." in taken.text
    late = await bala.post(f"{place}/take", version="0")
    assert late.status_code == 409 and "Asha has taken this conversation over." in read(late).text
    stale = await asha.post(f"{place}/labels", version="0", labels="vip")
    assert stale.status_code == 409 and "Somebody changed the conversation meanwhile" in read(stale).text
    assert (await desk.stands(conversation)).desk.labels == ()
    assert read(await bala.get(place)).one("div", id="composer")["data-lock"] == "other"
    forced = await bala.post(f"{place}/take", version="1", force="true")
    assert forced.status_code == 403, "only supervisors take from people"
    boss = await desk.person("Devi", Role.SUPERVISOR)
    assert (await boss.post(f"{place}/take", version="1", force="true")).status_code == 200
    assert (await desk.stands(conversation)).desk.assignee_id == boss.member_id
    nobody = await boss.post(f"{place}/release", version="2")
    assert nobody.status_code == 409 and "No bot answers here" in read(nobody).text


async def test_hands_on_with_a_note_hides_resolves_and_reopens(desk: Desk) -> None:
    asha, bala = await desk.person("Asha"), await desk.person("Bala")
    boss = await desk.person("Devi", Role.SUPERVISOR)
    await desk.house.services.inbox.people.put(desk.tenant.tenant_id, boss.member_id, bala.member_id, ["hi-IN"], [], 5)
    conversation = await desk.conversation()
    place = f"/console/inbox/{conversation.conversation_id}"
    offered = [option["value"] for option in read(await asha.get(place)).all("option")]
    assert bala.member_id in offered and asha.member_id in offered
    await asha.post(f"{place}/assign", version="0", to=bala.member_id, note="waits since Monday")
    seen = read(await bala.get(place))
    assert "Asha assigned it." in seen.text and "Note by Asha" in seen.text and "waits since Monday" in seen.text
    assert desk.house.graph.state.requests == [], "notes stay here"
    await bala.post(f"{place}/snooze", version="1", hours="4")
    assert (await desk.stands(conversation)).status is Status.SNOOZED
    await bala.post(f"{place}/snooze", version="2", hours="0")
    await bala.post(f"{place}/resolve", version="3")
    closed = read(await bala.get(place))
    assert closed.one("div", id="composer")["data-lock"] == "closed" and closed.one("button", id="do-reopen")
    assert not closed.all("button", id="do-take")
    await bala.post(f"{place}/reopen", version="4")
    assert (await desk.stands(conversation)).status is Status.OPEN
    bad = await bala.post(f"{place}/labels", version="5", labels="ना")
    assert bad.status_code == 422 and "small Latin letters" in read(bad).text
    asked = read(await bala.post(f"{place}/callback", version="5"))
    assert "will be called" in asked.text
    [wish] = await desk.house.services.inbox.callbacks.of_conversation(
        desk.tenant.tenant_id, conversation.conversation_id
    )
    assert wish.asked_by == bala.member_id


async def test_a_refreshed_conversation_names_the_state_of_its_other_regions(desk: Desk) -> None:
    asha, conversation = await desk.person("Asha"), await desk.conversation()
    place = f"/console/inbox/{conversation.conversation_id}"

    def states(page: Page) -> dict[str, str]:
        return {mark["data-region"]: mark["data-state"] for mark in page.all("span") if "data-region" in mark}

    whole = read(await asha.get(place))
    for region, tag in (("actions", "div"), ("calls", "ol"), ("composer", "div")):
        assert whole.one(tag, id=region)["data-state"] == states(whole)[region]
    await asha.post(f"{place}/take", version="0")
    live = read(await asha.fragment(f"{place}/live"))
    assert live.one("header", id="facts")["hx-swap-oob"] == "true"
    changed = {name for name, state in states(live).items() if state != states(whole)[name]}
    assert changed == {"actions", "composer"}
    for region, tag in (("actions", "div"), ("calls", "ol"), ("composer", "div")):
        assert read(await asha.fragment(f"{place}/{region}")).one(tag, id=region)["data-state"] == states(live)[region]


async def test_older_messages_come_on_demand_and_stay(desk: Desk) -> None:
    asha, conversation = await desk.person("Asha"), await desk.conversation()
    for n in range(45):
        await desk.note_inbound(conversation, f"message number {n}")
    place = f"/console/inbox/{conversation.conversation_id}"
    first = read(await asha.get(place))
    assert len(first.all("li", **{"class": "message by-customer inbound kind-text"})) == 40
    assert "message number 4 " not in first.text and "message number 44" in first.text
    [more] = [button["hx-get"] for button in first.all("button") if "older" in button.get("class", "")]
    shown = read(await asha.fragment(more))
    assert len(shown.all("li", **{"class": "message by-customer inbound kind-text"})) == 45
    assert shown.one("div", id="live")["hx-get"].endswith("count=80")


async def test_presence_and_reading_are_noted(desk: Desk) -> None:
    asha, conversation = await desk.person("Asha"), await desk.conversation()
    people = desk.house.services.inbox.people
    await asha.post("/console/inbox/presence", online="true")
    assert [person.member_id for person in await people.on_line(desk.tenant.tenant_id)] == [asha.member_id]
    assert "checked" in read(await asha.get("/console/inbox")).one("input", id="presence")
    await asha.post("/console/inbox/presence")
    assert await people.on_line(desk.tenant.tenant_id) == []
    await desk.note_inbound(conversation, "hello")
    place = f"/console/inbox/{conversation.conversation_id}"
    [seen] = [span["hx-post"] for span in read(await asha.get(place)).all("span") if "hx-post" in span]
    assert (await asha.post(seen)).status_code == 204
    assert (await desk.stands(conversation)).desk.unread == 0


async def test_a_stranger_from_another_company_finds_nothing(desk: Desk) -> None:
    """Whatever page or button names another tenant's conversation answers as if there were none."""
    conversation = await desk.conversation()
    other = await desk.house.tenant("Other")
    spy = await desk.person("Zoya", Role.OWNER, other)
    place = f"/console/inbox/{conversation.conversation_id}"
    for path in ("", "/live", "/actions", "/calls", "/composer", "/template?choice=follow_up:hi-IN"):
        answer = await spy.get(place + path)
        assert answer.status_code == 404 and "4512" not in answer.text, path
    for verb in "take release resolve reopen assign labels snooze callback read note reply template".split():
        form = {"version": "0", "hours": "1", "text": "x", "key": "write_" + "0" * 26, "choice": "follow_up:hi-IN"}
        answer = await spy.post(f"{place}/{verb}", **form)
        assert answer.status_code == 404 and "4512" not in answer.text, verb
    assert rows(read(await spy.get("/console/inbox"))) == []
    assert (await desk.stands(conversation)).version == 0 and (await desk.stands(conversation)).owner is Owner.BOT
    assert (await spy.get("/console/calls/call_9812345678")).status_code == 404


async def test_time_is_the_tenants_and_what_is_late_says_so(desk: Desk) -> None:
    asha, conversation = await desk.person("Asha"), await desk.conversation()
    place = f"/console/inbox/{conversation.conversation_id}"
    await asha.post(f"{place}/take", version="0")
    await desk.house.services.conversations.wait_from(conversation, desk.house.clock.now())
    assert "answer in" in read(await asha.get(place)).text
    desk.house.clock.ahead += timedelta(minutes=30)
    late = read(await asha.get("/console/inbox"))
    assert "late by" in late.text and late.one("span", data__count="overdue")
