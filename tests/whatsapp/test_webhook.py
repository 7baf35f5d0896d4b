"""Webhooks through the real door: signatures, batches, duplicates, opt-out, window, states."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from app.compliance.models import ConsentChannel
from app.conversations.models import Author, Owner
from app.conversations.ports import OutboxState
from app.errors import NluError
from app.language.packs import Pack
from tests.house import APP_SECRET, CUSTOMER, PHONE_NUMBER_ID, VERIFY_TOKEN, House, TenantDoor
from whatsapp.models import Kind
from whatsapp.webhook import signature_holds

pytestmark = pytest.mark.integration
WA_ID = CUSTOMER.removeprefix("+")


def text(wamid: str, body: str, *, sender: str = WA_ID, at: datetime | None = None) -> dict[str, Any]:
    moment = at or datetime.now(UTC)
    return {
        "from": sender,
        "id": wamid,
        "timestamp": str(int(moment.timestamp())),
        "type": "text",
        "text": {"body": body},
    }


def webhook(*changes: Mapping[str, Any], number: str = PHONE_NUMBER_ID) -> bytes:
    return json.dumps(
        {
            "object": "whatsapp_business_account",
            "entry": [
                {
                    "id": "waba",
                    "changes": [
                        {"field": "messages", "value": {"metadata": {"phone_number_id": number}, **value}}
                        for value in changes
                    ],
                }
            ],
        }
    ).encode()


async def post(house: House, raw: bytes, signature: str | None = None) -> httpx.Response:
    value = signature if signature is not None else house.graph.signature(raw)
    headers = {b"X-Hub-Signature-256": value.encode("latin-1"), b"Content-Type": b"application/json"}
    return await house.client.post("/v1/whatsapp/webhook", content=raw, headers=headers)


async def connected(house: House) -> TenantDoor:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    return tenant


async def messages(tenant: TenantDoor, phone: str = CUSTOMER) -> list[dict[str, Any]]:
    found = await tenant.ok("GET", "/v1/conversations", params={"phone": phone})
    listed: list[dict[str, Any]] = []
    for conversation in found["data"]:
        page = await tenant.ok("GET", f"/v1/conversations/{conversation['id']}/messages", params={"limit": 100})
        listed += page["data"]
    return listed[::-1]


async def test_challenge_is_echoed_only_for_a_known_verify_token(house: House) -> None:
    await connected(house)
    query = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": VERIFY_TOKEN}
    answer = await house.client.get("/v1/whatsapp/webhook", params=query)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    refused = await house.client.get("/v1/whatsapp/webhook", params={**query, "hub.verify_token": "guessed"})
    assert refused.status_code == 403


@pytest.mark.parametrize("signature", ["", "sha256=", "sha256=" + "0" * 64, "sha1=abc", "sha256=é"])
async def test_bad_signatures_are_refused_and_nothing_is_stored(house: House, signature: str) -> None:
    tenant = await connected(house)
    raw = webhook({"messages": [text("wamid.A", "hi")]})
    answer = await post(house, raw, signature)
    assert answer.status_code == 401 and answer.headers["content-type"] == "application/problem+json"
    assert house.jobs.jobs == [] and await messages(tenant) == []


async def test_the_signature_covers_the_raw_bytes(house: House) -> None:
    await connected(house)
    raw = webhook({"messages": [text("wamid.A", "नमस्ते")]})
    signature = house.graph.signature(raw)
    assert signature_holds(APP_SECRET, raw, signature)
    assert (await post(house, json.dumps(json.loads(raw), ensure_ascii=False).encode(), signature)).status_code == 401
    assert (await post(house, raw, signature)).status_code == 200


async def test_a_strangers_number_goes_to_quarantine_never_to_a_tenant(house: House) -> None:
    tenant = await connected(house)
    answer = await post(house, webhook({"messages": [text("wamid.A", "hi")]}, number="99999"))
    assert answer.status_code == 200 and house.jobs.jobs == []
    quarantine = house.services.database.system("test").collection("whatsapp_quarantine")
    assert await quarantine.count({}) == 1
    assert await messages(tenant) == []


async def test_another_tenants_secret_does_not_open_this_ones_number(house: House) -> None:
    await connected(house)
    other = await house.tenant("Other")
    body = {"phone_number_id": "77777", "access_token": "t" * 20, "app_secret": "their-secret", "verify_token": "v" * 9}
    await other.ok("PUT", "/v1/credentials/whatsapp", json=body)
    mixed = json.loads(webhook({"messages": [text("wamid.MINE", "forged")]}))
    mixed["entry"] += json.loads(webhook({"messages": [text("wamid.THEIRS", "true")]}, number="77777"))["entry"]
    raw = json.dumps(mixed).encode()
    signature = "sha256=" + hmac.new(b"their-secret", raw, hashlib.sha256).hexdigest()
    assert (await post(house, raw, signature)).status_code == 200
    await house.work()
    assert [message["text"] for message in await messages(other)][:1] == ["true"]
    everything = house.services.database.system("test").collection("messages")
    assert await everything.count({"provider_id": "wamid.MINE"}) == 0


async def test_every_item_of_a_batch_is_worked_off_and_a_bad_one_stops_no_other(house: House) -> None:
    tenant = await connected(house)
    other = "+919800000002"
    raw = webhook(
        {"messages": [text("wamid.1", "one"), {"id": "wamid.bad", "type": "text"}, text("wamid.2", "two")]},
        {"messages": [text("wamid.3", "three", sender=other.removeprefix("+"))], "statuses": [{"nonsense": True}]},
    )
    assert (await post(house, raw)).status_code == 200
    await house.work()
    inbound = [m["text"] for m in await messages(tenant) if m["direction"] == "inbound"]
    assert inbound == ["one", "two"]
    assert "three" in [m["text"] for m in await messages(tenant, other)]
    raws = await house.services.database.system("test").collection("whatsapp_webhooks").find({})
    assert raws[0]["state"] == "done" and len(raws[0]["errors"]) == 2


async def test_duplicates_are_answered_once_even_side_by_side(house: House) -> None:
    tenant = await connected(house)
    raw = webhook({"messages": [text("wamid.D", "where is my order")]})
    for _ in range(3):
        assert (await post(house, raw)).status_code == 200
    ids = [job.payload["raw_id"] for job in house.jobs.jobs]
    house.jobs.jobs.clear()
    ingest = house.services.ingest(house.brain)
    await asyncio.gather(*(ingest.ingest(raw_id) for raw_id in ids))
    await house.work()
    said = await messages(tenant)
    assert [m["text"] for m in said] == ["where is my order", "heard: where is my order"]
    assert house.brain.heard == ["where is my order"]


async def test_behaviour_05_ten_pictures_at_once_make_one_conversation(house: House) -> None:
    tenant = await connected(house)
    ingest = house.services.ingest(house.brain)
    for number in range(10):
        picture = {**text(f"wamid.{number}", ""), "type": "image", "image": {"id": "m"}}
        assert (await post(house, webhook({"messages": [picture]}))).status_code == 200
    ids = [job.payload["raw_id"] for job in house.jobs.jobs]
    house.jobs.jobs.clear()
    await asyncio.gather(*(ingest.ingest(raw_id) for raw_id in ids))
    found = await tenant.ok("GET", "/v1/conversations")
    assert len(found["data"]) == 1
    assert len([m for m in await messages(tenant) if m["direction"] == "inbound"]) == 10


async def test_the_bot_answers_over_the_graph_and_hands_over_with_its_last_words(house: House) -> None:
    tenant = await connected(house)
    house.graph.customer_writes(PHONE_NUMBER_ID, WA_ID, "hello")

    async def answered() -> bool:
        return len(await messages(tenant)) == 2

    await house.until(answered)
    house.brain.hand_over = "human_agent"
    house.graph.customer_writes(PHONE_NUMBER_ID, WA_ID, "a person please")

    async def handed_over() -> bool:
        found = await tenant.ok("GET", "/v1/conversations")
        return found["data"][0]["owner"] == Owner.PERSON and house.jobs.jobs == []

    await house.until(handed_over)
    house.graph.customer_writes(PHONE_NUMBER_ID, WA_ID, "anyone?")

    async def heard() -> bool:
        return len(await messages(tenant)) == 5

    await house.until(heard)
    assert house.brain.heard == ["hello", "a person please"], "the bot is silent once a person owns"
    phone = (await house.client.get(f"{house.url}/_phone/{WA_ID}")).json()["messages"]
    assert [m["text"] for m in phone if m["from"] == "business"] == ["heard: hello", "heard: a person please"]


@pytest.mark.parametrize("tag", ["en-IN", "hi-IN", "ta-IN", "te-IN"])
async def test_behaviour_23_stop_is_obeyed_before_the_bot_and_confirmed_once(
    house: House, packs: dict[str, Pack], tag: str
) -> None:
    tenant = await connected(house)
    pack = packs[tag]
    word = sorted(pack.lexicon.stop_words)[-1]
    for wamid in ("wamid.S1", "wamid.S2"):
        house.graph.state.last_inbound[PHONE_NUMBER_ID, WA_ID] = datetime.now(UTC)
        await post(house, webhook({"messages": [text(wamid, f"{word}!")]}))
        await house.work()
    for channel in ConsentChannel:
        assert await house.services.suppressions.is_suppressed(tenant.tenant_id, CUSTOMER, channel)
    assert house.brain.heard == []
    phone = (await house.client.get(f"{house.url}/_phone/{WA_ID}")).json()["messages"]
    confirmations = {p.disclosures["opt_out_confirmation"].text for p in packs.values()}
    assert len(phone) == 1 and phone[0]["text"] in confirmations
    entries = await house.services.audit.entries(tenant.tenant_id)
    assert [entry.action for entry in entries].count("contact.opted_out") == 1


async def test_behaviour_24_start_restores_and_a_question_after_stop_may_be_answered(house: House) -> None:
    tenant = await connected(house)
    house.graph.state.last_inbound[PHONE_NUMBER_ID, WA_ID] = datetime.now(UTC)
    await post(house, webhook({"messages": [text("wamid.1", "stop")]}))
    await house.work()
    conversation = (await tenant.ok("GET", "/v1/conversations"))["data"][0]["id"]
    refused = await tenant.request(
        "POST",
        f"/v1/conversations/{conversation}/messages",
        json={"text": "one more offer"},
        headers={"Idempotency-Key": "after-stop-1"},
    )
    assert refused.status_code == 409 and refused.json()["code"] == "opted_out"
    await asyncio.sleep(1.1)
    await post(house, webhook({"messages": [text("wamid.2", "but where is my order")]}))
    await house.work()
    assert house.brain.heard == ["but where is my order"]
    assert [m["text"] for m in await messages(tenant)][-1] == "heard: but where is my order"
    await post(house, webhook({"messages": [text("wamid.3", "START")]}))
    await house.work()
    assert not await house.services.suppressions.is_suppressed(tenant.tenant_id, CUSTOMER, ConsentChannel.WHATSAPP)


async def test_a_persons_text_goes_only_while_the_window_is_open(house: House) -> None:
    tenant = await connected(house)
    yesterday = datetime.fromtimestamp(datetime.now(UTC).timestamp() - 25 * 3600, UTC)
    await post(house, webhook({"messages": [text("wamid.old", "hello", at=yesterday)]}))
    await house.work()
    conversation = (await tenant.ok("GET", "/v1/conversations"))["data"][0]["id"]
    path = f"/v1/conversations/{conversation}/messages"
    body = {"text": "नमस्ते, मैं आशा हूँ"}
    closed = await tenant.request("POST", path, json=body, headers={"Idempotency-Key": "first-try-1"})
    assert closed.status_code == 409 and closed.json()["code"] == "window_closed"
    assert (await tenant.request("POST", path, json=body)).status_code == 422, "Idempotency-Key is required"

    house.graph.customer_writes(PHONE_NUMBER_ID, WA_ID, "are you there?")

    async def arrived() -> bool:
        return "are you there?" in [m["text"] for m in await messages(tenant)]

    await house.until(arrived)
    sent = [await tenant.request("POST", path, json=body, headers={"Idempotency-Key": "second-try"}) for _ in range(2)]
    assert [answer.status_code for answer in sent] == [202, 202] and sent[0].json() == sent[1].json()
    await house.work()
    detail = await tenant.ok("GET", f"/v1/conversations/{conversation}")
    assert detail["owner"] == "person" and detail["whatsapp_window"]["open"] is True
    phone = (await house.client.get(f"{house.url}/_phone/{WA_ID}")).json()["messages"]
    assert [m["text"] for m in phone].count(body["text"]) == 1


async def test_metas_word_closes_the_window(house: House) -> None:
    tenant = await connected(house)
    await post(house, webhook({"messages": [text("wamid.1", "hello")]}))
    await house.work()
    rows = house.services.database.tenant(tenant.tenant_id).collection("whatsapp_outbox")
    [row] = await rows.find({})
    assert (row["state"], row["failure"], row["error_code"]) == ("failed", "window_closed", 131047)
    conversation = (await tenant.ok("GET", "/v1/conversations"))["data"][0]["id"]
    detail = await tenant.ok("GET", f"/v1/conversations/{conversation}")
    assert detail["whatsapp_window"]["open"] is False


async def test_states_never_go_back_and_nothing_clears_a_failure(house: House) -> None:
    tenant = await connected(house)
    house.graph.customer_writes(PHONE_NUMBER_ID, WA_ID, "hello")

    async def delivered() -> bool:
        rows = await house.services.database.tenant(tenant.tenant_id).collection("whatsapp_outbox").find({})
        return bool(rows) and rows[0]["state"] == "delivered"

    await house.until(delivered)
    [row] = await house.services.database.tenant(tenant.tenant_id).collection("whatsapp_outbox").find({})

    async def status(state: str, **more: Any) -> str:
        update = {"id": row["wamid"], "status": state, "timestamp": "1795262400", "recipient_id": WA_ID, **more}
        await post(house, webhook({"statuses": [update]}))
        await house.work()
        current = await house.services.whatsapp_store.get(tenant.tenant_id, row["_id"])
        assert current is not None
        return current.state

    assert await status("read") == "read"
    assert await status("delivered") == "read"
    assert await status("sent") == "read"
    assert await status("failed", errors=[{"code": 131026}]) == "read", "what was read was not lost"
    assert await status("warehouse") == "read"


async def test_a_failed_status_before_delivery_fails_the_message(house: House) -> None:
    tenant = await connected(house)
    store = house.services.whatsapp_store
    house.graph.config = type(house.graph.config)(
        house.graph.config.numbers, APP_SECRET, None, house.graph.config.templates
    )
    house.graph.state.last_inbound[PHONE_NUMBER_ID, WA_ID] = datetime.now(UTC)
    await post(house, webhook({"messages": [text("wamid.1", "hello")]}))
    await house.work()
    [row] = await house.services.database.tenant(tenant.tenant_id).collection("whatsapp_outbox").find({})
    assert row["state"] == "sent"
    update = {"id": row["wamid"], "status": "failed", "timestamp": "1795262400", "errors": [{"code": 131026}]}
    await post(house, webhook({"statuses": [update]}))
    await post(house, webhook({"statuses": [{**update, "status": "delivered", "errors": []}]}))
    await house.work()
    failed = await store.get(tenant.tenant_id, row["_id"])
    assert failed is not None and (failed.state, failed.failure) == ("failed", "not_on_whatsapp")


async def test_a_status_that_comes_before_its_message_waits_for_it(house: House) -> None:
    tenant = await connected(house)
    store = house.services.whatsapp_store
    await post(house, webhook({"statuses": [{"id": "wamid.EARLY", "status": "delivered", "timestamp": "1795262400"}]}))
    await house.work()
    row, new = await store.add(tenant.tenant_id, "conv_x", CUSTOMER, Kind.TEXT, Author.BOT, "key-1", text="hi")
    assert new
    claimed = await store.claim(tenant.tenant_id, row.outbox_id)
    assert claimed is not None and await store.claim(tenant.tenant_id, row.outbox_id) is None
    await store.accepted(claimed, "wamid.EARLY")
    current = await store.get(tenant.tenant_id, row.outbox_id)
    assert current is not None and current.state is OutboxState.DELIVERED


async def test_the_sweep_takes_up_what_a_lost_worker_left(house: House) -> None:
    tenant = await connected(house)
    await post(house, webhook({"messages": [text("wamid.1", "hello")]}))
    house.jobs.jobs.clear()
    system = house.services.database.system("test")
    past = datetime(2026, 1, 1, tzinfo=UTC)
    raws = system.collection("whatsapp_webhooks")
    await raws.update_many({"state": "received"}, {"$set": {"received_at": past}})
    house.graph.state.last_inbound[PHONE_NUMBER_ID, WA_ID] = datetime.now(UTC)
    functions = house.services.job_functions(house.brain)
    await functions["whatsapp.sweep"]()
    assert [job.name for job in house.jobs.jobs] == ["whatsapp.ingest"]
    await functions["whatsapp.ingest"](**house.jobs.jobs.pop().payload)
    house.jobs.jobs.clear()
    await system.collection("whatsapp_outbox").update_many({"rank": {"$lt": 1}}, {"$set": {"updated_at": past}})
    await functions["whatsapp.sweep"]()
    assert await house.work() >= 1
    assert [m["text"] for m in await messages(tenant)] == ["hello", "heard: hello"]
    assert len(house.graph.state.requests) == 1


async def test_an_opt_out_in_other_words_is_confirmed_although_it_holds_at_once(house: House) -> None:
    tenant = await connected(house)
    house.brain.opted_out = True
    house.graph.state.last_inbound[PHONE_NUMBER_ID, WA_ID] = datetime.now(UTC)
    await post(house, webhook({"messages": [text("wamid.1", "do not ever write to me again")]}))
    await house.services.suppressions.opt_out(tenant.tenant_id, CUSTOMER, [ConsentChannel.WHATSAPP], {"n": 1})
    await house.work()
    said = await messages(tenant)
    assert [(m["author"], m["delivery"] and m["delivery"]["state"]) for m in said][-1][0] == "bot"
    assert len(house.graph.state.requests) == 1


@pytest.mark.parametrize(("code", "sent"), [("no_agent", 0), ("nlu_failed", 1)])
async def test_a_bot_that_cannot_answer_leaves_it_to_a_person(house: House, code: str, sent: int) -> None:
    tenant = await connected(house)
    house.brain.failure = NluError("as the test asked", code=code)
    house.graph.state.last_inbound[PHONE_NUMBER_ID, WA_ID] = datetime.now(UTC)
    await post(house, webhook({"messages": [text("wamid.1", "hello")]}))
    await house.work()
    [conversation] = (await tenant.ok("GET", "/v1/conversations"))["data"]
    assert (conversation["owner"], conversation["handoff_reason"]) == ("person", code)
    assert len(house.graph.state.requests) == sent
