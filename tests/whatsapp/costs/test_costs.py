"""What messages cost: billed once, on delivery, by the rates of that moment; summed per conversation and month."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.conversations.models import Author
from tests.house import CUSTOMER, PHONE_NUMBER_ID, House, TenantDoor
from whatsapp.costs.models import Cost, Rate, RateCard, cost_of, tallies

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
CARD = RateCard(
    "INR", (Rate("utility", "", 900_000), Rate("utility", "+91", 115_000), Rate("marketing", "+91", 880_000))
)
RATES = {
    "currency": "INR",
    "rates": [
        {"category": "utility", "prefix": "+91", "amount_micros": 115_000},
        {"category": "service", "prefix": "", "amount_micros": 40_000},
    ],
}


def regular(category: str = "utility", **more: Any) -> dict[str, Any]:
    return {"billable": True, "pricing_model": "PMP", "category": category, "type": "regular", **more}


@pytest.mark.unit
@pytest.mark.parametrize(
    ("pricing", "phone", "card", "amount", "currency", "billable"),
    [
        (regular(), "+919812345678", CARD, 115_000, "INR", True),
        (regular(), "+4912345678", CARD, 900_000, "INR", True),
        (regular("service"), "+919812345678", CARD, None, None, True),
        (regular(), "+919812345678", None, None, None, True),
        (regular(billable=False, type="free_entry_point"), "+919812345678", CARD, 0, "INR", False),
        ({"type": "free_customer_service"}, "+919812345678", None, 0, None, False),
        (regular("MARKETING"), "+919812345678", CARD, 880_000, "INR", True),
        (regular(), "", CARD, 900_000, "INR", True),
    ],
)
def test_a_message_costs_what_the_longest_prefix_of_its_category_says(
    pricing: dict[str, Any], phone: str, card: RateCard | None, amount: int | None, currency: str | None, billable: bool
) -> None:
    cost = cost_of("out_1", "conv_1", phone, pricing, card, NOVEMBER)
    assert (cost.amount_micros, cost.currency, cost.billable, cost.month) == (amount, currency, billable, "2026-11")


_COSTS = st.builds(
    Cost,
    st.just("out"),
    st.just("conv"),
    st.sampled_from(["utility", "service"]),
    st.sampled_from(["regular", "free_entry_point"]),
    st.just("PMP"),
    st.booleans(),
    st.one_of(st.none(), st.integers(0, 10**7)),
    st.sampled_from(["INR", None]),
    st.just(NOVEMBER),
)


@pytest.mark.unit
@given(st.lists(_COSTS))
def test_sums_lose_nothing(costs: list[Cost]) -> None:
    sums = tallies(costs)
    assert sum(tally.messages for tally in sums) == len(costs)
    assert sum(tally.amount_micros for tally in sums) == sum(cost.amount_micros or 0 for cost in costs)
    assert sum(tally.unpriced for tally in sums) == sum(cost.amount_micros is None for cost in costs)
    assert len({(t.category, t.kind, t.billable, t.currency) for t in sums}) == len(sums)


async def sent(house: House) -> tuple[TenantDoor, str, str]:
    """Returns a tenant, a conversation and the message id of a template that Meta took, its statuses left unsent."""
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    contact = await house.services.conversations.contact_for(tenant.tenant_id, CUSTOMER)
    conversation = await house.services.conversations.open_for(contact)
    house.graph._updates.put_nowait = lambda raw: None  # type: ignore[method-assign]
    outbox_id = await house.services.whatsapp_outbox.add_template(
        conversation,
        name="call_handoff",
        parameters={"hi-IN": ("सुंदर", "आपके ऑर्डर")},
        idempotency_key="key-1",
        author=Author.BOT,
    )
    await house.work()
    row = await house.services.whatsapp_store.get(tenant.tenant_id, outbox_id)
    assert row is not None and row.wamid is not None
    return tenant, conversation.conversation_id, row.wamid


async def told(house: House, wamid: str, status: str, pricing: dict[str, Any] | None, at: datetime = NOVEMBER) -> None:
    update: dict[str, Any] = {"id": wamid, "status": status, "timestamp": str(int(at.timestamp()))}
    raw = house.graph.webhook(PHONE_NUMBER_ID, statuses=[update | ({"pricing": pricing} if pricing else {})])
    headers = {"X-Hub-Signature-256": house.graph.signature(raw)}
    assert (await house.client.post("/v1/whatsapp/webhook", content=raw, headers=headers)).status_code == 200
    await house.work()


async def delivery(tenant: TenantDoor, conversation_id: str) -> dict[str, Any]:
    [message] = (await tenant.ok("GET", f"/v1/conversations/{conversation_id}/messages"))["data"]
    shown: dict[str, Any] = message["delivery"]
    return shown


async def month(tenant: TenantDoor, name: str = "2026-11") -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await tenant.ok("GET", "/v1/whatsapp/costs", params={"month": name}))["data"]
    return listed


@pytest.mark.integration
async def test_a_message_is_billed_once_when_it_is_delivered(house: House) -> None:
    tenant, conversation_id, wamid = await sent(house)
    assert await tenant.ok("PUT", "/v1/whatsapp/rates", json=RATES) == RATES
    await told(house, wamid, "sent", regular())
    assert (await delivery(tenant, conversation_id))["cost"] is None and await month(tenant) == []
    for status in ("delivered", "delivered", "read"):
        await told(house, wamid, status, regular())
    shown = await delivery(tenant, conversation_id)
    assert shown["state"] == "read" and shown["template"] == "call_handoff"
    cost = {"category": "utility", "kind": "regular", "billable": True, "amount_micros": 115_000, "currency": "INR"}
    assert shown["cost"] == cost
    tally = {**cost, "messages": 1, "unpriced": 0}
    assert await month(tenant) == [tally] and await month(tenant, "2026-10") == []
    sums = await tenant.ok("GET", f"/v1/conversations/{conversation_id}/whatsapp-costs")
    assert sums["data"] == [tally]
    await tenant.ok("PUT", "/v1/whatsapp/rates", json={"currency": "USD", "rates": []})
    assert await month(tenant) == [tally], "what was delivered keeps its price"


@pytest.mark.integration
async def test_pricing_that_came_late_or_without_rates_still_counts(house: House) -> None:
    tenant, conversation_id, wamid = await sent(house)
    await told(house, wamid, "read", None)
    assert (await delivery(tenant, conversation_id))["cost"] is None
    await told(house, wamid, "delivered", regular())
    assert (await delivery(tenant, conversation_id))["state"] == "read"
    [tally] = await month(tenant)
    assert (tally["messages"], tally["unpriced"], tally["amount_micros"], tally["currency"]) == (1, 1, 0, None)


@pytest.mark.integration
async def test_wrong_rates_and_months_are_refused_with_the_place(house: House) -> None:
    tenant = await house.tenant()
    assert await tenant.ok("GET", "/v1/whatsapp/rates") == {"currency": None, "rates": []}
    for body, place in (
        ({**RATES, "currency": "rupees"}, "/body/currency"),
        ({**RATES, "rates": [{"category": "utility", "amount_micros": -1}]}, "/body/rates/0/amount_micros"),
        ({**RATES, "rates": [{"category": "utility", "amount_micros": 1}] * 2}, "/body"),
    ):
        answer = await tenant.request("PUT", "/v1/whatsapp/rates", json=body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, place)
    answer = await tenant.request("GET", "/v1/whatsapp/costs", params={"month": "2026-13"})
    assert answer.status_code == 422
