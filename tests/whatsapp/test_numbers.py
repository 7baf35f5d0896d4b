"""Whose a webhook is: several numbers of a tenant, updates of whole accounts, tokens that change meanwhile."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.house import ACCESS_TOKEN, CUSTOMER, PHONE_NUMBER_ID, House, TenantDoor
from tests.whatsapp.test_webhook import WA_ID, connected, post, text, webhook
from whatsapp.payload import Item

pytestmark = pytest.mark.integration
SECOND = "106540352299999"
SECOND_TOKEN = "EAAG-second-token-of-the-tests"
ACCOUNT = "102290129340398"
PLACE = f"/v1/credentials/whatsapp/numbers/{SECOND}"


def knowing(house: House, **numbers: str) -> None:
    """Tells the stand-in which tokens open which numbers."""
    known = {"first": PHONE_NUMBER_ID, "second": SECOND}
    tokens = {known[name]: token for name, token in numbers.items()}
    house.graph.config = replace(house.graph.config, numbers=tokens)


def of_account(field: str, value: dict[str, Any], account: str = ACCOUNT) -> bytes:
    change = {"field": field, "value": value}
    entry = {"id": account, "time": 1795262400, "changes": [change]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


REVIEW = of_account(
    "message_template_status_update",
    {"event": "APPROVED", "message_template_id": 1, "message_template_name": "call_handoff"},
)


async def with_account(house: House, account: str = ACCOUNT) -> TenantDoor:
    tenant = await connected(house)
    body = {"access_token": ACCESS_TOKEN, "app_secret": "app-secret-of-the-tests", "verify_token": "v" * 9}
    more = {"phone_number_id": PHONE_NUMBER_ID, "business_account_id": account}
    await tenant.ok("PUT", "/v1/credentials/whatsapp", json={**body, **more})
    return tenant


async def quarantined(house: House) -> int:
    return await house.services.database.system("test").collection("whatsapp_quarantine").count({})


async def test_behaviour_01_updates_of_an_account_find_their_tenant_once(house: House) -> None:
    tenant = await with_account(house)
    heard: list[tuple[str, Item]] = []

    async def listen(tenant_id: str, item: Item) -> None:
        heard.append((tenant_id, item))

    house.services.whatsapp_account.hear("message_template_status_update", listen)
    for _ in range(2):
        assert (await post(house, REVIEW)).status_code == 200
        await house.work()
    assert {(tenant_id, item.account_id, item.body["event"]) for tenant_id, item in heard} == {
        (tenant.tenant_id, ACCOUNT, "APPROVED")
    }
    page = await tenant.ok("GET", "/v1/whatsapp/account-updates")
    [shown] = page["data"]
    assert (shown["field"], shown["value"]["message_template_name"], shown["phone_number_id"]) == (
        "message_template_status_update",
        "call_handoff",
        None,
    )
    actions = [entry.action for entry in await house.services.audit.entries(tenant.tenant_id)]
    assert actions.count("whatsapp.message_template_status_update") == 1


async def test_behaviour_01_accounts_of_strangers_and_forged_updates_reach_nobody(house: House) -> None:
    tenant = await with_account(house)
    assert (await post(house, REVIEW, "sha256=" + "0" * 64)).status_code == 401
    assert (await post(house, of_account("account_update", {"event": "BAN"}, "999999999"))).status_code == 200
    assert await quarantined(house) == 1 and house.jobs.jobs == []
    assert (await tenant.ok("GET", "/v1/whatsapp/account-updates"))["data"] == []


async def test_an_account_is_learnt_from_the_signed_webhooks_of_its_numbers(house: House) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp(account_id=None)
    assert (await post(house, REVIEW)).status_code == 200 and await quarantined(house) == 1
    named = json.loads(webhook({"messages": [text("wamid.1", "hello")]}))
    named["entry"][0]["id"] = ACCOUNT
    await post(house, json.dumps(named).encode())
    assert (await post(house, REVIEW)).status_code == 200 and await quarantined(house) == 1
    [first] = await tenant.ok("GET", "/v1/credentials/whatsapp/numbers")
    assert first["business_account_id"] == ACCOUNT
    other = await house.tenant("Other")
    body = {"phone_number_id": "77777", "access_token": "t" * 20, "app_secret": "s" * 20, "verify_token": "v" * 9}
    taken = await other.request("PUT", "/v1/credentials/whatsapp", json={**body, "business_account_id": ACCOUNT})
    assert (taken.status_code, taken.json()["code"]) == (409, "account_taken")


async def test_a_conversation_is_answered_from_the_number_it_came_in_on(house: House) -> None:
    tenant = await connected(house)
    knowing(house, first=ACCESS_TOKEN, second=SECOND_TOKEN)
    added = await tenant.ok("PUT", PLACE, json={"label": "Chennai", "access_token": SECOND_TOKEN})
    assert added["check"]["state"] == "verified" and added["own_app_secret"] is False
    house.graph.state.last_inbound[SECOND, WA_ID] = datetime.now(UTC)
    await post(house, webhook({"messages": [text("wamid.1", "hello")]}, number=SECOND))
    await house.work()
    phone = house.graph.state.phones[WA_ID]
    assert [(bubble.text, bubble.phone_number_id) for bubble in phone] == [("heard: hello", SECOND)]
    [conversation] = (await tenant.ok("GET", "/v1/conversations"))["data"]
    assert conversation["business_number"] == SECOND
    detail = await tenant.ok("GET", f"/v1/conversations/{conversation['id']}")
    assert detail["whatsapp_window"]["open"] is True
    outbox = house.services.whatsapp_outbox
    assert await outbox.window_expires_at(tenant.tenant_id, CUSTOMER) is None, "the first number was never written to"

    house.graph.state.last_inbound[PHONE_NUMBER_ID, WA_ID] = datetime.now(UTC)
    await post(house, webhook({"messages": [text("wamid.2", "and here")]}))
    await house.work()
    [same] = (await tenant.ok("GET", "/v1/conversations"))["data"]
    assert (same["id"], same["business_number"]) == (conversation["id"], PHONE_NUMBER_ID)
    assert house.graph.state.phones[WA_ID][-1].phone_number_id == PHONE_NUMBER_ID


async def test_a_number_that_is_gone_sends_nothing_more(house: House) -> None:
    tenant = await connected(house)
    knowing(house, first=ACCESS_TOKEN, second=ACCESS_TOKEN)
    await tenant.ok("PUT", PLACE, json={})
    await post(house, webhook({"messages": [text("wamid.1", "hello")]}, number=SECOND))
    ingest = house.services.ingest(house.brain)
    await ingest.ingest(house.jobs.jobs.pop().payload["raw_id"])
    await tenant.ok("DELETE", PLACE)
    await house.work()
    [row] = await house.services.database.tenant(tenant.tenant_id).collection("whatsapp_outbox").find({})
    assert (row["state"], row["failure"], house.graph.state.requests) == ("failed", "no_whatsapp_number", [])
    assert (await post(house, webhook({"messages": [text("wamid.2", "x")]}, number=SECOND))).status_code == 200
    assert await quarantined(house) == 1
    assert (await tenant.request("DELETE", PLACE)).status_code == 404


async def test_a_rotated_token_holds_from_the_next_message_on_for_every_number(house: House) -> None:
    tenant = await connected(house)
    await tenant.ok("PUT", PLACE, json={})
    fresh = "EAAG-fresh-token-of-the-tests"
    for number, token in enumerate((ACCESS_TOKEN, fresh)):
        knowing(house, first=token, second=token)
        body = {"phone_number_id": PHONE_NUMBER_ID, "access_token": token, "app_secret": "app-secret-of-the-tests"}
        await tenant.ok("PUT", "/v1/credentials/whatsapp", json={**body, "verify_token": "v" * 9})
        for own in (PHONE_NUMBER_ID, SECOND):
            house.graph.state.last_inbound[own, WA_ID] = datetime.now(UTC)
            await post(house, webhook({"messages": [text(f"wamid.{number}.{own}", "hello")]}, number=own))
            await house.work()
    rows = await house.services.database.tenant(tenant.tenant_id).collection("whatsapp_outbox").find({})
    assert [row["state"] in {"sent", "delivered"} for row in rows] == [True] * 4
    assert sorted(bubble.phone_number_id for bubble in house.graph.state.phones[WA_ID]) == sorted(
        [PHONE_NUMBER_ID, SECOND] * 2
    )


async def test_numbers_are_one_tenants_and_listed_without_secrets(house: House) -> None:
    tenant, other = await connected(house), await house.tenant("Other")
    missing = await other.request("PUT", PLACE, json={})
    assert missing.status_code == 404, "without credentials there is nothing to add a number to"
    first = await tenant.request("PUT", f"/v1/credentials/whatsapp/numbers/{PHONE_NUMBER_ID}", json={})
    assert (first.status_code, first.json()["code"]) == (409, "first_number")
    await tenant.ok("PUT", PLACE, json={"label": "Chennai", "access_token": SECOND_TOKEN})
    body = {"phone_number_id": "77777", "access_token": "t" * 20, "app_secret": "s" * 20, "verify_token": "v" * 9}
    await other.ok("PUT", "/v1/credentials/whatsapp", json=body)
    taken = await other.request("PUT", PLACE, json={})
    assert (taken.status_code, taken.json()["code"]) == (409, "number_taken")
    listed = await tenant.ok("GET", "/v1/credentials/whatsapp/numbers")
    assert [(entry["phone_number_id"], entry["first"], entry["label"]) for entry in listed] == [
        (PHONE_NUMBER_ID, True, None),
        (SECOND, False, "Chennai"),
    ]
    assert SECOND_TOKEN not in json.dumps(listed)
    await tenant.ok("DELETE", "/v1/credentials/whatsapp")
    assert await tenant.ok("GET", "/v1/credentials/whatsapp/numbers") == []
