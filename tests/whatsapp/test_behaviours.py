"""What the module must do, by number, where no room of its own tests it; and that no number is left out."""

import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.compliance.models import ConsentChannel, Decision, Purpose
from app.conversations.models import Author, CallContext, Owner
from app.conversations.ports import OutboxState
from app.errors import Unavailable
from app.simulate.graph import Weather
from tests.house import ACCESS_TOKEN, CUSTOMER, PHONE_NUMBER_ID, House, TenantDoor
from tests.whatsapp.test_webhook import WA_ID, connected, post, text, webhook
from whatsapp.models import Kind, OutboxRow

pytestmark = pytest.mark.integration
STATES = [OutboxState.SENT, OutboxState.DELIVERED, OutboxState.READ, OutboxState.PLAYED, OutboxState.FAILED]
ARRIVED = {OutboxState.DELIVERED, OutboxState.READ, OutboxState.PLAYED}
BEHAVIOURS = 29
SECOND = "106540352299999"


async def rows(house: House, tenant: TenantDoor, name: str = "whatsapp_outbox") -> list[dict[str, Any]]:
    return await house.services.database.tenant(tenant.tenant_id).collection(name).find({})


def test_every_behaviour_has_a_test() -> None:
    tests = Path(__file__).parents[1]
    numbers = {
        int(number)
        for file in tests.rglob("test_*.py")
        for number in re.findall(r"def test_behaviour_0?(\d+)_", file.read_text(encoding="utf-8"))
    }
    assert numbers == set(range(1, BEHAVIOURS + 1))


async def test_behaviour_02_what_cannot_be_stored_is_not_acknowledged(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await connected(house)
    raw = webhook({"messages": [text("wamid.A", "hi")]})

    async def away(*_: Any) -> str:
        raise Unavailable("the store does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(house.services.whatsapp_door._inbox, "keep", away)
        assert (await post(house, raw)).status_code == 503 and house.jobs.jobs == []
    assert (await post(house, raw)).status_code == 200
    [job] = house.jobs.jobs
    stored = await house.services.database.system("test").collection("whatsapp_webhooks").find({})
    assert [(found["_id"], found["state"]) for found in stored] == [(job.payload["raw_id"], "received")]


async def test_behaviour_04_repeats_end_with_processing_and_numbers_are_kept_apart(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await connected(house)
    await tenant.ok("PUT", f"/v1/credentials/whatsapp/numbers/{SECOND}", json={"access_token": ACCESS_TOKEN})
    await post(house, webhook({"messages": [text("wamid.A", "hi")]}))
    [job] = house.jobs.jobs
    house.jobs.jobs.clear()
    reply = type(house.brain).reply

    async def lost(*_: Any) -> Any:
        raise RuntimeError("the worker died")

    monkeypatch.setattr(type(house.brain), "reply", lost)
    with pytest.raises(RuntimeError):
        await house.services.ingest(house.brain).ingest(job.payload["raw_id"])
    [stored] = await rows(house, tenant, "messages")
    assert stored["handled"] is False
    monkeypatch.setattr(type(house.brain), "reply", reply)
    for number in (PHONE_NUMBER_ID, PHONE_NUMBER_ID, SECOND):
        await post(house, webhook({"messages": [text("wamid.A", "hi")]}, number=number))
    await house.work()
    inbound = [found for found in await rows(house, tenant, "messages") if found["direction"] == "inbound"]
    assert len(inbound) == 2 and house.brain.heard == ["hi", "hi"], "once for each number"


async def test_behaviour_08_nothing_but_the_user_opens_the_window(house: House) -> None:
    tenant = await connected(house)
    outbox = house.services.whatsapp_outbox
    contact = await house.services.conversations.contact_for(tenant.tenant_id, CUSTOMER)
    conversation = await house.services.conversations.open_for(contact)
    context = CallContext("call_1", "hi-IN", "asked")
    await house.services.conversations.attach_call(conversation, context)
    at = str(int(datetime.now(UTC).timestamp()))
    system = {"from": WA_ID, "id": "wamid.S", "timestamp": at, "type": "system", "system": {"body": "changed"}}
    echo = {"from": "15550001111", "to": WA_ID, "id": "wamid.E", "timestamp": at, "type": "text", "text": {"body": "x"}}
    await post(
        house,
        webhook(
            {"messages": [system, {**text("wamid.U", ""), "type": "unsupported", "errors": [{"code": 131051}]}]},
            {"statuses": [{"id": "wamid.O", "status": "read", "timestamp": at, "recipient_id": WA_ID}]},
            {"message_echoes": [echo]},
        ),
    )
    await house.work()
    assert await outbox.window_expires_at(tenant.tenant_id, CUSTOMER) is None
    await post(house, webhook({"messages": [text("wamid.T", "hi")]}))
    await house.work()
    assert await outbox.window_expires_at(tenant.tenant_id, CUSTOMER) is not None
    assert await outbox.window_expires_at(tenant.tenant_id, "+919800000002") is None, "of this user only"


async def test_behaviour_09_the_window_is_checked_again_when_the_message_leaves(house: House) -> None:
    tenant = await connected(house)
    await post(house, webhook({"messages": [text("wamid.T", "hi")]}))
    ingest = house.services.ingest(house.brain)
    await ingest.ingest(house.jobs.jobs.pop().payload["raw_id"])
    house.clock.ahead = timedelta(hours=24)
    await house.work()
    [row] = await rows(house, tenant)
    assert (row["state"], row["failure"], house.graph.state.requests) == ("failed", "window_closed", [])


async def test_behaviour_10_a_free_entry_point_is_kept_for_billing_and_opens_nothing(house: House) -> None:
    tenant = await connected(house)
    advert = {"source_type": "ad", "source_id": "120", "source_url": "https://fb.me/ad", "ctwa_clid": "clid"}
    house.graph.state.last_inbound[PHONE_NUMBER_ID, WA_ID] = datetime.now(UTC)
    await post(house, webhook({"messages": [{**text("wamid.T", "hi"), "referral": advert}]}))
    raw = house.jobs.jobs.pop()
    await house.services.ingest(house.brain).ingest(raw.payload["raw_id"])
    [conversation] = (await tenant.ok("GET", "/v1/conversations"))["data"]

    async def entry() -> dict[str, Any]:
        shown = await tenant.ok("GET", f"/v1/conversations/{conversation['id']}")
        return shown["whatsapp_window"]["free_entry_point"]  # type: ignore[no-any-return]

    came = await entry()
    assert (came["source"], came["source_id"], came["free_until"]) == ("ad", "120", None) and came["answer_by"]
    await house.work()
    opened = await entry()
    assert opened["answer_by"] is None and opened["free_until"] > came["answer_by"]
    spent = await tenant.ok("GET", f"/v1/conversations/{conversation['id']}/whatsapp-costs")
    assert spent["free_until"] == opened["free_until"]
    [row] = await rows(house, tenant)
    pricing = {"billable": False, "pricing_model": "PMP", "type": "free_entry_point", "category": "referral_conversion"}
    update = {"id": row["wamid"], "status": "read", "timestamp": "1795262400", "pricing": pricing}
    await post(house, webhook({"statuses": [update]}))
    await house.work()
    [row] = await rows(house, tenant)
    assert (row["pricing"]["type"], row["pricing"]["billable"]) == ("free_entry_point", False)
    house.clock.ahead = timedelta(hours=25)
    refused = await house.services.whatsapp_outbox.text_refusal(tenant.tenant_id, CUSTOMER)
    assert refused is not None and refused.code == "window_closed", "its 72 hours are a price, not a window"


async def test_behaviour_11_a_lost_answer_is_unknown_until_a_status_tells_and_never_sent_again(house: House) -> None:
    tenant = await connected(house)
    house.graph.sky.weather = Weather(lost=1.0)
    house.graph.state.last_inbound[PHONE_NUMBER_ID, WA_ID] = datetime.now(UTC)
    await post(house, webhook({"messages": [text("wamid.T", "hi")]}))
    ingest, jobs = house.services.ingest(house.brain), house.jobs.jobs
    await ingest.ingest(jobs.pop().payload["raw_id"])
    dispatch = jobs.pop().payload
    await house.services.whatsapp_dispatcher.dispatch(**dispatch)
    await house.services.whatsapp_dispatcher.dispatch(**dispatch)
    store = house.services.whatsapp_store
    unknown = await store.get(tenant.tenant_id, dispatch["outbox_id"])
    assert unknown is not None and (unknown.state, unknown.wamid) == (OutboxState.UNKNOWN, None)

    async def told() -> bool:
        found = await store.get(tenant.tenant_id, dispatch["outbox_id"])
        return found is not None and found.state is OutboxState.DELIVERED and found.wamid is not None

    await house.until(told)
    await house.services.whatsapp_dispatcher.sweep()
    await house.work()
    assert len(house.graph.state.requests) == 1


async def lost_while_sending(house: House, *, left: bool) -> tuple[OutboxRow, TenantDoor]:
    """Returns a row that a worker claimed a while ago and never finished."""
    tenant = await connected(house)
    house.graph.customer_writes(PHONE_NUMBER_ID, WA_ID, "hi")

    async def answered() -> bool:
        return house.graph.state.requests != []

    await house.until(answered)
    [conversation] = await rows(house, tenant, "conversations")
    store = house.services.whatsapp_store
    row, _ = await store.add(
        tenant.tenant_id, conversation["_id"], CUSTOMER, Kind.TEXT, Author.PERSON, "key-lost", text="lost"
    )
    claimed = await store.claim(tenant.tenant_id, row.outbox_id)
    assert claimed is not None
    if left:
        assert await store.leaves(claimed)
    house.clock.ahead += timedelta(minutes=5)
    await house.services.whatsapp_dispatcher.sweep()
    await house.work()
    return claimed, tenant


async def test_behaviour_11_a_worker_lost_before_the_request_went_out_loses_nothing(house: House) -> None:
    claimed, _ = await lost_while_sending(house, left=False)
    sent = [request["text"]["body"] for request in house.graph.state.requests]
    assert sent == ["heard: hi", "lost"]
    assert not await house.services.whatsapp_store.leaves(claimed), "the lost worker, come back, lets nothing out"
    assert not await house.services.whatsapp_store.take_back(claimed)


async def test_behaviour_11_a_worker_lost_after_it_leaves_an_unknown_fate(house: House) -> None:
    claimed, tenant = await lost_while_sending(house, left=True)
    assert len(house.graph.state.requests) == 1
    current = await house.services.whatsapp_store.get(tenant.tenant_id, claimed.outbox_id)
    assert current is not None and current.state is OutboxState.UNKNOWN


@pytest.mark.parametrize("seed", range(6))
async def test_behaviour_13_any_order_of_statuses_ends_where_the_highest_says(house: House, seed: int) -> None:
    tenant = await house.tenant()
    store, dice = house.services.whatsapp_store, random.Random(seed)
    for number in range(12):
        row, _ = await store.add(
            tenant.tenant_id, f"conv_{number}", CUSTOMER, Kind.TEXT, Author.BOT, f"key-{number}", text="hi"
        )
        claimed = await store.claim(tenant.tenant_id, row.outbox_id)
        assert claimed is not None
        told = [dice.choice(STATES) for _ in range(dice.randrange(1, 9))]
        if dice.random() < 0.5:
            told.insert(dice.randrange(len(told)), OutboxState.UNKNOWN)
        before = OutboxState.SENDING
        for state in told:
            await store.advance(tenant.tenant_id, row.outbox_id, state, failure="refused", error_code=1)
            after = await store.get(tenant.tenant_id, row.outbox_id)
            assert after is not None
            assert before is not OutboxState.FAILED or after.state is OutboxState.FAILED, "nothing clears a failure"
            assert before not in ARRIVED or after.state is not OutboxState.FAILED, "what arrived was not lost"
            before = after.state
        assert before is expected(told), told


def expected(told: list[OutboxState]) -> OutboxState:
    """Returns where these statuses lead, by looking at the whole of them."""
    failed = told.index(OutboxState.FAILED) if OutboxState.FAILED in told else len(told)
    if failed < len(told) and not ARRIVED & set(told[:failed]):
        return OutboxState.FAILED
    order = [OutboxState.UNKNOWN, *STATES[:-1]]
    return max((state for state in told if state is not OutboxState.FAILED), key=order.index)


async def test_behaviour_22_consent_is_a_ledger_by_channel_and_purpose(house: House) -> None:
    tenant = await house.tenant()
    ledger = house.services.consents
    about = (tenant.tenant_id, CUSTOMER)
    for decision in (Decision.GRANTED, Decision.WITHDRAWN):
        await ledger.record(
            *about, ConsentChannel.CALL, Purpose.SERVICE, decision, evidence={"call_id": "c1"}, language="hi-IN"
        )
    lines = (await ledger.page(*about, 10, None)).data
    assert len(lines) == 2, "a withdrawal adds a line and takes none away"
    latest = await ledger.latest(*about, ConsentChannel.CALL, Purpose.SERVICE)
    assert latest is not None and latest.decision is Decision.WITHDRAWN
    for channel, purpose in (
        (ConsentChannel.WHATSAPP, Purpose.SERVICE),
        (ConsentChannel.WHATSAPP, Purpose.MARKETING),
        (ConsentChannel.CALL, Purpose.MARKETING),
    ):
        assert await ledger.latest(*about, channel, purpose) is None, "never inferred"


async def test_behaviour_28_a_queued_answer_of_the_bot_gives_way_to_a_person(house: House) -> None:
    tenant = await connected(house)
    await post(house, webhook({"messages": [text("wamid.T", "hi")]}))
    ingest = house.services.ingest(house.brain)
    await ingest.ingest(house.jobs.jobs.pop().payload["raw_id"])
    [conversation] = (await tenant.ok("GET", "/v1/conversations"))["data"]
    current = await house.services.conversations.get(tenant.tenant_id, conversation["id"])
    await house.services.conversations.hand_to(current, Owner.PERSON, reason="taken")
    await house.work()
    [row] = await rows(house, tenant)
    assert (row["state"], row["failure"], house.graph.state.requests) == ("failed", "person_took_over", [])


async def test_behaviour_29_a_calls_context_is_attached_once_and_never_changed(house: House) -> None:
    tenant = await house.tenant()
    book = house.services.conversations
    contact = await book.contact_for(tenant.tenant_id, CUSTOMER)
    conversation = await book.open_for(contact)
    first = await book.attach_call(conversation, CallContext("call_1", "hi-IN", "asked", slots={"order": "4512"}))
    second = await book.attach_call(conversation, CallContext("call_1", "ta-IN", "other", slots={"order": "9"}))
    for snapshot in (first, second):
        context = snapshot.context
        assert (context.language, context.reason, dict(context.slots)) == ("hi-IN", "asked", {"order": "4512"})
    assert len(await book.snapshots(tenant.tenant_id, conversation.conversation_id)) == 1
