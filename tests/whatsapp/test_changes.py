"""Reactions, edits, removals, echoes: they find their message in any order, and what they say is shown truthfully."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.compliance.models import ConsentChannel
from tests.house import CUSTOMER, PHONE_NUMBER_ID, House
from tests.whatsapp.test_webhook import WA_ID, connected, messages, post, text, webhook

pytestmark = pytest.mark.integration


async def arrive(house: House, **value: Any) -> None:
    house.graph.state.last_inbound[PHONE_NUMBER_ID, WA_ID] = datetime.now(UTC)
    assert (await post(house, webhook(value))).status_code == 200
    await house.work()


def of(kind: str, wamid: str, **part: Any) -> dict[str, Any]:
    return {**text(wamid, ""), "type": kind, kind: part}


async def test_behaviour_26_reactions_attach_to_their_target_on_either_side(house: House) -> None:
    tenant = await connected(house)
    await arrive(house, messages=[text("wamid.1", "hello")])
    ours = next(message for message in await messages(tenant) if message["direction"] == "outbound")
    assert ours["provider_id"], "a message of ours is known by Meta's id"
    for target in ("wamid.1", ours["provider_id"]):
        await arrive(house, messages=[of("reaction", f"r.{target}", message_id=target, emoji="👍")])
    said = await messages(tenant)
    assert [[reaction["emoji"] for reaction in message["reactions"]] for message in said] == [["👍"], ["👍"]]
    await arrive(house, messages=[of("reaction", "r.3", message_id="wamid.1", emoji="")])
    assert (await messages(tenant))[0]["reactions"] == []
    assert house.brain.heard == ["hello"] and len(said) == 2, "a reaction is no message and is not answered"


async def test_behaviour_26_a_reaction_before_its_message_finds_it_later(house: House) -> None:
    tenant = await connected(house)
    raw = webhook({"messages": [of("reaction", "wamid.r", message_id="wamid.1", emoji="❤️")]})
    assert (await post(house, raw)).status_code == 200
    ingest = house.services.ingest(house.brain)
    await ingest.ingest(house.jobs.jobs.pop().payload["raw_id"])
    [parked] = (await tenant.ok("GET", "/v1/whatsapp/parked-items"))["data"]
    assert parked["reason"] == "target_unknown"
    replay = house.jobs.jobs[-1]
    assert replay.name == "whatsapp.replay" and replay.delay_seconds > 0, "it is tried again by itself"
    await arrive(house, messages=[text("wamid.1", "hello")])
    assert [reaction["emoji"] for reaction in (await messages(tenant))[0]["reactions"]] == ["❤️"]
    assert (await tenant.ok("GET", "/v1/whatsapp/parked-items"))["data"] == []


async def test_behaviour_26_edits_keep_versions_and_removals_hide_the_words(house: House) -> None:
    tenant = await connected(house)
    await arrive(house, messages=[text("wamid.1", "order 451")])
    fresh = {"type": "text", "text": {"body": "order 4512"}}
    edit = of("edit", "wamid.e", original_message_id="wamid.1", message=fresh)
    edit["timestamp"] = str(int(datetime.now(UTC).timestamp()) + 1)
    await arrive(house, messages=[edit])
    first = (await messages(tenant))[0]
    assert (first["text"], first["earlier_versions"]) == ("order 4512", 1)
    place = f"/v1/conversations/{first['conversation_id']}/messages/{first['id']}/versions"
    assert [version["text"] for version in await tenant.ok("GET", place)] == ["order 451"]
    await arrive(house, messages=[of("revoke", "wamid.v", original_message_id="wamid.1")])
    first = (await messages(tenant))[0]
    assert first["text"] == "" and first["removed_at"] is not None
    assert house.brain.heard == ["order 451"]


async def test_behaviour_23_a_stop_that_an_edit_brings_is_obeyed(house: House) -> None:
    tenant = await connected(house)
    await arrive(house, messages=[text("wamid.1", "stob")])
    edit = of("edit", "wamid.e", original_message_id="wamid.1", message={"type": "text", "text": {"body": "STOP"}})
    await arrive(house, messages=[edit])
    for channel in ConsentChannel:
        assert await house.services.suppressions.is_suppressed(tenant.tenant_id, CUSTOMER, channel)


async def test_behaviour_27_an_answer_from_the_app_itself_is_a_person_who_took_over(house: House) -> None:
    tenant = await connected(house)
    await arrive(house, messages=[text("wamid.1", "hello")])
    house.jobs.jobs.clear()
    assert (await post(house, webhook({"messages": [text("wamid.2", "are you a bot?")]}))).status_code == 200
    ingest = house.services.ingest(house.brain)
    await ingest.ingest(house.jobs.jobs.pop(0).payload["raw_id"])
    echo = {
        "from": "918047000001",
        "to": WA_ID,
        **{k: v for k, v in text("wamid.E", "Asha here").items() if k != "from"},
    }
    echoed = webhook({"message_echoes": [echo]})
    for _ in range(2):
        assert (await post(house, echoed)).status_code == 200
        job = next(job for job in house.jobs.jobs if job.name == "whatsapp.ingest")
        house.jobs.jobs.remove(job)
        await ingest.ingest(job.payload["raw_id"])
    await house.work()
    [conversation] = (await tenant.ok("GET", "/v1/conversations"))["data"]
    assert (conversation["owner"], conversation["handoff_reason"]) == ("person", "answered_in_app")
    said = await messages(tenant)
    assert [(m["author"], m["text"]) for m in said if m["author"] == "person"] == [("person", "Asha here")]
    late = next(message for message in said if message["text"] == "heard: are you a bot?")
    assert late["delivery"]["failure"] == "person_took_over", "the bot's queued answer stays here"
    window = await house.services.whatsapp_windows.get(tenant.tenant_id, PHONE_NUMBER_ID, CUSTOMER)
    assert window.last_inbound_at is not None
    before = window.expires_at
    await arrive(house, message_echoes=[{**echo, "id": "wamid.E2", "timestamp": str(int(echo["timestamp"]) + 60)}])
    after = await house.services.whatsapp_windows.get(tenant.tenant_id, PHONE_NUMBER_ID, CUSTOMER)
    assert after.expires_at == before, "what we say opens no window"


async def test_what_beside_text_is_shown_as_what_it_is(house: House) -> None:
    tenant = await connected(house)
    advert = {**text("wamid.1", "hi"), "referral": {"source_type": "ad", "headline": "Sale"}}
    place = of("location", "wamid.2", latitude=13.08, longitude=80.27, name="Home")
    card = {**text("wamid.3", ""), "type": "contacts", "contacts": [{"name": {"formatted_name": "Ravi"}}]}
    poll = of("unsupported", "wamid.4", type="poll")
    await arrive(house, messages=[advert, place, card, poll])
    inbound = [message for message in await messages(tenant) if message["direction"] == "inbound"]
    assert [(message["kind"], message["text"]) for message in inbound] == [
        ("text", "hi"),
        ("location", "[location] Home"),
        ("contacts", "[contacts] Ravi"),
        ("unsupported", "[unsupported]"),
    ]
    assert inbound[0]["extra"]["referral"]["headline"] == "Sale"
    assert inbound[1]["extra"]["latitude"] == 13.08 and inbound[3]["extra"]["type"] == "poll"
    assert house.brain.heard == ["hi"]
