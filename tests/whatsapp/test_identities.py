"""Who wrote: by number, by business-scoped id, by both; ids that change; opt-outs that hold for the whole person."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.compliance.models import ConsentChannel, Decision, Purpose
from tests.house import CUSTOMER, PHONE_NUMBER_ID, House, TenantDoor
from tests.whatsapp.test_webhook import WA_ID, connected, messages, post, text, webhook

pytestmark = pytest.mark.integration
BSUID = "IN.a1B2c3D4e5F6"


def named(wamid: str, body: str, *, phone: bool, bsuid: str | None = BSUID, name: str = "Asha") -> dict[str, Any]:
    """Returns the value of a change with one text, its sender shown as Meta shows them."""
    message = text(wamid, body)
    contact: dict[str, Any] = {"profile": {"name": name}}
    if phone:
        contact["wa_id"] = WA_ID
    else:
        del message["from"]
    if bsuid is not None:
        message["from_user_id"] = contact["user_id"] = bsuid
    return {"contacts": [contact], "messages": [message]}


async def arrive(house: House, *values: dict[str, Any]) -> None:
    house.graph.state.last_inbound[PHONE_NUMBER_ID, WA_ID] = datetime.now(UTC)
    assert (await post(house, webhook(*values))).status_code == 200
    await house.work()


async def conversations(tenant: TenantDoor) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await tenant.ok("GET", "/v1/conversations"))["data"]
    return found


async def rows(tenant: TenantDoor) -> list[dict[str, Any]]:
    store = tenant.house.services.database.tenant(tenant.tenant_id).collection("whatsapp_outbox")
    return [dict(row) for row in await store.find({}, sort=(("_id", 1),))]


async def test_behaviour_20_a_customer_without_a_number_is_answered_by_their_id(house: House) -> None:
    tenant = await connected(house)
    await arrive(house, named("wamid.1", "hello", phone=False))
    assert house.brain.heard == ["hello"]
    [conversation] = await conversations(tenant)
    assert conversation["phone"] is None
    contact = await house.services.conversations.contact(tenant.tenant_id, conversation["contact_id"])
    assert (contact.phone, contact.bsuid, contact.name) == (None, BSUID, "Asha")
    assert [row["phone"] for row in await rows(tenant)] == [BSUID]
    contacts = house.services.database.tenant(tenant.tenant_id).collection("contacts")
    assert await contacts.count({}) == 1, "a send makes no second contact of the id"


async def test_behaviour_20_an_id_that_turns_out_to_be_a_number_is_one_story_answered_where_it_wrote(
    house: House,
) -> None:
    tenant = await connected(house)
    await arrive(house, named("wamid.1", "first", phone=False))
    [before] = await conversations(tenant)
    await arrive(house, named("wamid.2", "second", phone=True))
    [after] = await conversations(tenant)
    assert after["id"] == before["id"] and after["phone"] == CUSTOMER
    await arrive(house, named("wamid.3", "third", phone=False))
    [last] = await conversations(tenant)
    assert last["id"] == before["id"] and last["phone"] is None, "the identity that wrote last is answered"
    assert [row["phone"] for row in await rows(tenant)] == [BSUID, CUSTOMER, BSUID]


async def test_behaviour_20_two_people_of_one_batch_stay_two(house: House) -> None:
    tenant = await connected(house)
    await arrive(house, named("wamid.1", "one", phone=True), named("wamid.2", "two", phone=False, bsuid="IN.other9"))
    assert len(await conversations(tenant)) == 2
    contacts = await house.services.database.tenant(tenant.tenant_id).collection("contacts").find({})
    assert {(contact["bsuid"], contact["merged_into"]) for contact in contacts} == {(BSUID, None), ("IN.other9", None)}


async def test_stop_by_one_address_holds_for_every_address_that_the_person_has_or_gets(house: House) -> None:
    tenant = await connected(house)
    await arrive(house, named("wamid.1", "STOP", phone=False))
    suppressions = house.services.suppressions
    assert not await suppressions.is_suppressed(tenant.tenant_id, CUSTOMER, ConsentChannel.CALL)
    await arrive(house, named("wamid.2", "who is this?", phone=True))
    for address in (BSUID, CUSTOMER):
        for channel in ConsentChannel:
            assert await suppressions.is_suppressed(tenant.tenant_id, address, channel), (address, channel)
    await arrive(house, named("wamid.3", "start", phone=True))
    for address in (BSUID, CUSTOMER):
        assert not await suppressions.is_suppressed(tenant.tenant_id, address, ConsentChannel.WHATSAPP), address


def system(wamid: str, **told: Any) -> dict[str, Any]:
    message = {**text(wamid, ""), "type": "system", "system": {"body": "changed", **told}}
    return {"messages": [message]}


async def test_a_new_number_is_noted_and_never_written_to_by_itself(house: House) -> None:
    tenant = await connected(house)
    await arrive(house, named("wamid.1", "hello", phone=True))
    await house.services.suppressions.opt_out(tenant.tenant_id, CUSTOMER, [ConsentChannel.WHATSAPP], {"words": "no"})
    for _ in range(2):
        await arrive(house, system("wamid.S", type="user_changed_number", wa_id="919800000077"))
    [conversation] = await conversations(tenant)
    assert conversation["phone"] == CUSTOMER, "a merge or a change reroutes nothing"
    events = [message for message in await messages(tenant) if message["kind"] == "event"]
    assert [(event["text"], event["extra"]["phone"]) for event in events] == [("number_changed", "+919800000077")]
    suppressed = await house.services.suppressions.is_suppressed(
        tenant.tenant_id, "+919800000077", ConsentChannel.WHATSAPP
    )
    assert suppressed, "who forbade us the old number forbade us the new one"
    assert house.brain.heard == ["hello"]


@pytest.mark.parametrize("door", ["system", "update"])
async def test_behaviour_20_an_id_that_meta_renews_is_the_same_contact(house: House, door: str) -> None:
    tenant = await connected(house)
    await arrive(house, named("wamid.1", "hello", phone=False))
    if door == "system":
        told = system("wamid.S", type="user_changed_user_id", user_id="IN.renewed1")
        told["messages"][0]["from_user_id"] = BSUID
        del told["messages"][0]["from"]
        await arrive(house, told)
    else:
        await arrive(house, {"user_id_update": [{"user_id": {"previous": BSUID, "current": "IN.renewed1"}}]})
    await arrive(house, named("wamid.2", "again", phone=False, bsuid="IN.renewed1"))
    [conversation] = await conversations(tenant)
    assert [row["phone"] for row in await rows(tenant)] == [BSUID, "IN.renewed1"]
    contact = await house.services.conversations.contact(tenant.tenant_id, conversation["contact_id"])
    assert contact.bsuid == "IN.renewed1"


async def test_marketing_switched_off_and_on_at_meta_restores_only_what_was_agreed(house: House) -> None:
    tenant = await connected(house)
    await arrive(house, named("wamid.1", "hello", phone=True))
    ledger = house.services.consents

    async def switch(value: str, at: str) -> Decision | None:
        preference = {"wa_id": WA_ID, "category": "marketing_messages", "value": value, "timestamp": at}
        await arrive(house, {"user_preferences": [preference]})
        other = await ledger.latest(tenant.tenant_id, BSUID, ConsentChannel.WHATSAPP, Purpose.MARKETING)
        assert other is None or other.decision is Decision.WITHDRAWN, "the id itself never agreed"
        entry = await ledger.latest(tenant.tenant_id, CUSTOMER, ConsentChannel.WHATSAPP, Purpose.MARKETING)
        return entry.decision if entry else None

    assert await switch("resume", "1") is None, "what was never agreed to is not inferred"
    assert await switch("stop", "2") is Decision.WITHDRAWN
    assert await switch("resume", "3") is Decision.WITHDRAWN
    await ledger.record(
        tenant.tenant_id,
        CUSTOMER,
        ConsentChannel.WHATSAPP,
        Purpose.MARKETING,
        Decision.GRANTED,
        evidence={"words": "yes, send offers"},
    )
    assert await switch("stop", "4") is Decision.WITHDRAWN
    assert await switch("resume", "5") is Decision.GRANTED
