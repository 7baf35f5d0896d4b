"""The order of what leaves: first in, first out in a conversation, pauses kept, early statuses kept whole."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from app.conversations.models import Author
from app.conversations.ports import OutboxState
from app.kit.sealed import SealedText
from tests.house import CUSTOMER, PHONE_NUMBER_ID, House, TenantDoor
from tests.standins.graph import Fault
from whatsapp.models import Kind, OutboxRow
from whatsapp.outbox import OutboxStore
from whatsapp.service import DISPATCH

pytestmark = pytest.mark.integration
WA_ID = CUSTOMER.removeprefix("+")


async def written_to(house: House) -> tuple[TenantDoor, str]:
    """Returns a tenant and the conversation that its customer began; nothing is waiting."""
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    house.graph.customer_writes(PHONE_NUMBER_ID, WA_ID, "hello")

    async def answered() -> bool:
        found = await tenant.ok("GET", "/v1/conversations")
        return bool(found["data"]) and len(phone(house)) == 1

    await house.until(answered)
    found = await tenant.ok("GET", "/v1/conversations")
    return tenant, found["data"][0]["id"]


def phone(house: House) -> list[str]:
    return [bubble.text for bubble in house.graph.state.phones.get(WA_ID, []) if bubble.from_business]


async def queued(
    house: House, tenant: TenantDoor, conversation_id: str, text: str, kind: Kind = Kind.TEXT
) -> OutboxRow:
    row, new = await house.services.whatsapp_store.add(
        tenant.tenant_id, conversation_id, CUSTOMER, kind, Author.PERSON, f"key-{text}", text=text
    )
    assert new
    return row


async def dispatch(house: House, row: OutboxRow) -> None:
    await house.services.whatsapp_dispatcher.dispatch(row.tenant_id, row.outbox_id)


async def state(house: House, row: OutboxRow) -> OutboxState:
    current = await house.services.whatsapp_store.get(row.tenant_id, row.outbox_id)
    assert current is not None
    return current.state


async def test_behaviour_15_jobs_in_any_order_leave_in_the_order_written(house: House) -> None:
    tenant, conversation_id = await written_to(house)
    rows = [await queued(house, tenant, conversation_id, text) for text in ("one", "two", "three")]
    for row in reversed(rows):
        await dispatch(house, row)
    assert phone(house)[1:] == ["one"], "only the oldest may leave; the others wait to be called"
    await house.work()
    assert phone(house)[1:] == ["one", "two", "three"]


async def test_behaviour_15_a_pause_of_one_holds_those_behind_but_no_other_conversation(house: House) -> None:
    tenant, conversation_id = await written_to(house)
    first = await queued(house, tenant, conversation_id, "first")
    second = await queued(house, tenant, conversation_id, "second")
    other = await queued(house, tenant, "conv_other", "other")
    house.graph.faults.append(Fault(code=131056))
    await dispatch(house, first)
    assert [(job.name, job.payload["outbox_id"]) for job in house.jobs.jobs] == [(DISPATCH, first.outbox_id)]
    assert house.jobs.jobs[0].delay_seconds == 6
    await dispatch(house, second)
    assert await state(house, second) is OutboxState.QUEUED
    assert not await house.services.whatsapp_store.must_wait(other.tenant_id, other.outbox_id)
    await house.work()
    assert phone(house)[1:] == ["first", "second"]


async def test_the_sweep_leaves_a_pause_alone_until_it_is_over(house: House) -> None:
    tenant, conversation_id = await written_to(house)
    row = await queued(house, tenant, conversation_id, "later")
    for _ in range(3):
        house.graph.faults.append(Fault(code=130429))
        await dispatch(house, row)
    assert house.jobs.jobs[-1].delay_seconds == 600
    house.jobs.jobs.clear()
    house.clock.ahead += timedelta(seconds=500)
    assert await house.services.whatsapp_dispatcher.sweep() == 0
    house.clock.ahead += timedelta(seconds=200)
    assert await house.services.whatsapp_dispatcher.sweep() == 1


async def test_a_message_whose_fate_is_unknown_holds_nobody(house: House) -> None:
    tenant, conversation_id = await written_to(house)
    lost = await queued(house, tenant, conversation_id, "lost")
    after = await queued(house, tenant, conversation_id, "after")
    store = house.services.whatsapp_store
    assert await store.claim(tenant.tenant_id, lost.outbox_id) is not None
    await dispatch(house, after)
    assert await state(house, after) is OutboxState.QUEUED
    await store.advance(tenant.tenant_id, lost.outbox_id, OutboxState.UNKNOWN)
    await dispatch(house, after)
    assert phone(house)[1:] == ["after"]


async def test_the_confirmation_of_an_opt_out_waits_for_nothing(house: House) -> None:
    tenant, conversation_id = await written_to(house)
    await queued(house, tenant, conversation_id, "before")
    word = await queued(house, tenant, conversation_id, "you are off the list", Kind.OPT_OUT_CONFIRMATION)
    await dispatch(house, word)
    assert phone(house)[1:] == ["you are off the list"]


@pytest.mark.parametrize("late", [OutboxState.SENT, OutboxState.DELIVERED, OutboxState.READ, OutboxState.FAILED])
async def test_behaviour_13_what_was_played_was_read_and_stays_so(house: House, late: OutboxState) -> None:
    tenant, conversation_id = await written_to(house)
    row = await queued(house, tenant, conversation_id, "voice")
    store = house.services.whatsapp_store
    assert await store.advance(tenant.tenant_id, row.outbox_id, OutboxState.PLAYED) is not None
    assert await store.advance(tenant.tenant_id, row.outbox_id, late) is None
    assert await state(house, row) is OutboxState.PLAYED


async def test_behaviour_12_a_failure_that_came_first_keeps_its_reason(house: House) -> None:
    tenant, conversation_id = await written_to(house)
    store = house.services.whatsapp_store
    row = await queued(house, tenant, conversation_id, "early")
    raw = house.graph.webhook(
        PHONE_NUMBER_ID,
        statuses=[
            {
                "id": "wamid.EARLY",
                "status": "failed",
                "timestamp": "1795262400",
                "errors": [{"code": 131026}],
                "pricing": {"billable": False, "category": "service"},
            }
        ],
    )
    headers = {"X-Hub-Signature-256": house.graph.signature(raw)}
    assert (await house.client.post("/v1/whatsapp/webhook", content=raw, headers=headers)).status_code == 200
    await house.work()
    claimed = await store.claim(tenant.tenant_id, row.outbox_id)
    assert claimed is not None
    await store.accepted(claimed, "wamid.EARLY")
    current = await store.get(tenant.tenant_id, row.outbox_id)
    assert current is not None
    assert (current.state, current.failure, current.error_code) == (OutboxState.FAILED, "not_on_whatsapp", 131026)
    assert current.pricing == {"billable": False, "category": "service"}


async def test_listeners_are_told_of_every_step_of_a_message_and_of_no_step_twice(house: House) -> None:
    told: list[dict[str, Any]] = []

    async def hear(tenant_id: str, message: Mapping[str, Any]) -> None:
        told.append({"tenant_id": tenant_id, **message})

    services = house.services
    store = OutboxStore(services.database, SealedText(services.vault), services.clock, hear)
    row, _ = await store.add("tenant_1", "conv_1", CUSTOMER, Kind.TEXT, Author.PERSON, "key-1", text="hello")
    for state in (OutboxState.SENT, OutboxState.SENT, OutboxState.READ, OutboxState.DELIVERED):
        await store.advance("tenant_1", row.outbox_id, state)
    ids = {"conversation_id": "conv_1", "outbox_id": row.outbox_id}
    expected = {"tenant_id": "tenant_1", "type": "conversation.changed", "what": "delivery", **ids}
    assert told == [{**expected, "state": "sent"}, {**expected, "state": "read"}]
