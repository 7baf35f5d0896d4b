"""Writing to the customer from the page: only while it is allowed, once, with what became of it beside the words."""

import json
import re
from datetime import timedelta

import pytest

from app.compliance.models import ConsentChannel, Decision, Purpose
from app.compliance.suppression import EVERY_CHANNEL
from app.conversations.models import Conversation
from app.conversations.ports import OutboxState
from tests.console.conftest import Browser, Desk, Page, read
from tests.house import CUSTOMER

pytestmark = pytest.mark.integration


async def taken(desk: Desk, browser: Browser) -> tuple[Conversation, str]:
    """Returns a conversation that the browser's person has taken, in an open window."""
    await desk.tenant.connect_whatsapp()
    conversation = await desk.conversation()
    await desk.customer_writes(conversation, "नमस्ते")
    place = f"/console/inbox/{conversation.conversation_id}"
    version = (await desk.stands(conversation)).version
    assert (await browser.post(f"{place}/take", version=str(version))).status_code == 200
    return conversation, place


def lock(page: Page) -> str:
    return page.one("div", id="composer")["data-lock"]


def key_of(page: Page) -> str:
    return page.all("input", name="key")[0]["value"]


def sent(desk: Desk) -> list[str]:
    bubbles = desk.house.graph.state.phones.get(CUSTOMER.lstrip("+"), [])
    return [bubble.text for bubble in bubbles if bubble.from_business]


async def test_an_answer_leaves_once_and_shows_how_far_it_got(desk: Desk) -> None:
    asha = await desk.person("Asha")
    conversation, place = await taken(desk, asha)
    page = read(await asha.get(place))
    assert lock(page) == "" and "Free text is allowed for" in page.text and re.search(r"2[34] h \d+ min", page.text)
    before = sent(desk)
    form = {"key": key_of(page), "text": "जी, अभी देखती हूँ।"}
    first = await asha.post(f"{place}/reply", **form)
    assert first.headers["hx-trigger"] == "refresh" and key_of(read(first)) != form["key"]
    await asha.post(f"{place}/reply", **form)

    async def left() -> bool:
        return sent(desk) != before

    await desk.house.until(left, seconds=30)
    await desk.house.work()
    assert sent(desk) == [*before, form["text"]], "the same form sent twice is one message"
    shown = await asha.get(f"{place}/live")
    assert form["text"] in shown.text and "You" in read(shown).text
    ticks = [span["class"] for span in read(shown).all("span") if span.get("class", "").startswith("tick ")]
    assert ticks and ticks[-1] != "tick tick-failed"
    assert await desk.audited("conversation.taken_over") == [asha.member_id]
    empty = await asha.post(f"{place}/reply", key=key_of(page), text="   ")
    assert empty.status_code == 422 and "write something" in read(empty).text
    assert (await desk.stands(conversation)).desk.first_responded_at is not None


async def test_a_closed_window_locks_the_place_and_keeps_what_was_typed(desk: Desk) -> None:
    asha = await desk.person("Asha")
    _, place = await taken(desk, asha)
    key = key_of(read(await asha.get(place)))
    desk.house.clock.ahead += timedelta(hours=25)
    await asha.client.post("/console/sign-in", data=desk.form_of("Asha"))
    refused = await asha.post(f"{place}/reply", key=key, text="too late")
    assert refused.status_code == 409 and "The window has closed" in read(refused).text
    assert lock(read(refused)) == "window_closed" and "Only an approved template" in read(refused).text
    assert "too late" not in sent(desk)
    options = [option["value"] for option in read(refused).all("option")]
    assert "follow_up:hi-IN" in options and "follow_up:en-IN" in options
    assert not read(refused).all("textarea", id="reply-text")


async def test_a_template_is_picked_previewed_and_sent_with_consent_only(desk: Desk) -> None:
    asha = await desk.person("Asha")
    await desk.tenant.connect_whatsapp()
    conversation = await desk.conversation()
    place = f"/console/inbox/{conversation.conversation_id}"
    await asha.post(f"{place}/take", version="0")
    page = read(await asha.get(place))
    assert lock(page) == "window_closed"
    form = read(await asha.fragment(f"{place}/template", params={"choice": "order_update:en-IN"}))
    assert [field["name"] for field in form.all("input")] == ["value", "value"] and "[order_id]" in form.text
    query = {"choice": "order_update:en-IN", "value": ["4512", "out for delivery"]}
    preview = read(await asha.fragment(f"{place}/template/preview", params=query))
    assert "4512" in preview.text and "out for delivery" in preview.text
    values = {"choice": "follow_up:hi-IN", "value": ["Sundar Stores", "ऑर्डर 4512"]}
    refused = await asha.post(f"{place}/template", key=key_of(page), **values)
    assert refused.status_code == 409 and "has not agreed" in read(refused).text
    names = (desk.tenant.tenant_id, CUSTOMER, ConsentChannel.WHATSAPP, Purpose.SERVICE, Decision.GRANTED)
    await desk.house.services.consents.record(*names, evidence={"words": "haan, bhej dijiye"})
    short = await asha.post(f"{place}/template", key=key_of(page), choice=values["choice"], value=["x"])
    assert short.status_code == 422 and "every field" in read(short).text
    assert (await asha.post(f"{place}/template", key=key_of(page), **values)).status_code == 200
    await desk.house.work()
    [text] = sent(desk)
    assert "ऑर्डर 4512" in text and text in (await asha.get(f"{place}/live")).text


async def test_templates_are_offered_while_the_window_is_open_too_once_they_are_asked_for(desk: Desk) -> None:
    asha = await desk.person("Asha")
    _, place = await taken(desk, asha)
    page = read(await asha.get(place))
    assert lock(page) == "" and not page.all("select", name="choice")
    [offer] = [part for part in page.all("details") if "templates" in part.get("class", "")]
    offered = read(await asha.fragment(offer["hx-get"]))
    form = {"key": key_of(offered), "choice": "follow_up:en-IN", "value": ["Sundar Stores", "your order 4512"]}
    assert (await asha.post(f"{place}/template", **form)).status_code == 200
    await desk.house.work()
    assert any("your order 4512" in text for text in sent(desk))


async def test_who_opted_out_can_be_written_to_by_no_means(desk: Desk) -> None:
    asha = await desk.person("Asha")
    conversation, place = await taken(desk, asha)
    await desk.house.services.suppressions.opt_out(
        desk.tenant.tenant_id, conversation.address, EVERY_CHANNEL, {"words": "STOP"}
    )
    page = read(await asha.get(place))
    assert lock(page) == "opted_out" and not page.all("option", value="follow_up:hi-IN")
    key = "write_" + "0" * 26
    assert (await asha.post(f"{place}/reply", key=key, text="please")).status_code == 409
    choice = {"choice": "follow_up:hi-IN", "value": ["Sundar Stores", "ऑर्डर"]}
    assert (await asha.post(f"{place}/template", key=key, **choice)).status_code == 409


async def test_a_message_that_failed_says_why_in_the_viewers_language(desk: Desk) -> None:
    asha = await desk.person("Asha")
    conversation, place = await taken(desk, asha)
    await asha.post(f"{place}/reply", key=key_of(read(await asha.get(place))), text="are you there?")
    messages, _ = await desk.house.services.conversations.messages(
        desk.tenant.tenant_id, conversation.conversation_id, limit=20, starting_after=None
    )
    [outbox_id] = [m.outbox_id for m in messages if m.text == "are you there?" and m.outbox_id]
    store = desk.house.services.whatsapp_store
    await store.advance(
        desk.tenant.tenant_id, outbox_id, OutboxState.FAILED, failure="not_on_whatsapp", error_code=131026
    )
    english = read(await asha.get(f"{place}/live"))
    assert "cannot be reached on WhatsApp" in english.text and english.one("p", **{"class": "failure"})
    again = english.one("button", **{"class": "outline again"})
    headers = {"X-CSRF-Token": asha.client.cookies["vs_csrf"], **json.loads(again["hx-headers"])}
    assert (await asha.client.post(again["hx-post"], headers=headers)).status_code == 202
    assert read(await asha.get(f"{place}/live")).text.count("are you there?") == 2
    await asha.get("/console/language/hi")
    assert "WhatsApp पर नहीं मिल रहा" in read(await asha.get(f"{place}/live")).text


async def test_ready_made_replies_come_in_the_customers_language(desk: Desk) -> None:
    asha = await desk.person("Asha")
    texts = {"en-IN": "Thank you!", "hi-IN": "धन्यवाद!"}
    await desk.tenant.ok("POST", "/v1/inbox/canned-replies", json={"shortcut": "thanks", "texts": texts})
    _, place = await taken(desk, asha)
    offered = [option["value"] for option in read(await asha.get(f"{place}/composer")).all("option")]
    assert "धन्यवाद!" in offered and "Thank you!" not in offered
