"""Marketing needs a consent of its own, checked when a template is written and when it leaves; service goes on."""

from dataclasses import replace

import pytest

from app.compliance.models import ConsentChannel, Decision, Purpose
from app.compliance.suppression import EVERY_CHANNEL
from app.conversations.models import Author, Conversation
from app.errors import Conflict
from tests.house import CUSTOMER, House, TenantDoor

pytestmark = pytest.mark.integration
WA_ID = CUSTOMER.removeprefix("+")
OFFER = "order_update"
"""Which purpose is one of marketing in these tests."""
VALUES = {"hi-IN": ("4512", "दिवाली ऑफ़र"), "en-IN": ("4512", "Diwali offer")}


@pytest.fixture
async def shop(house: House) -> tuple[TenantDoor, Conversation]:
    """A tenant that serves a purpose of marketing by a template of its own."""
    uses = house.services.templates.uses
    uses.purposes = {**uses.purposes, OFFER: "marketing"}
    house.graph.shelf.stock({("diwali", "hi"): "Order {{1}}: {{2}} for you.", ("diwali", "en"): "Order {{1}}: {{2}}."})
    for language in ("hi", "en"):
        house.graph.shelf.recategorise("diwali", language, "MARKETING")
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    await uses.put(tenant.tenant_id, "key", OFFER, "diwali", [])
    await tenant.ok("POST", "/v1/whatsapp/templates/sync")
    contact = await house.services.conversations.contact_for(tenant.tenant_id, CUSTOMER)
    return tenant, await house.services.conversations.open_for(contact, language="hi-IN")


async def agree(house: House, tenant: TenantDoor) -> None:
    await house.services.consents.record(
        tenant.tenant_id, CUSTOMER, ConsentChannel.WHATSAPP, Purpose.MARKETING, Decision.GRANTED,
        evidence={"source": "opt_in", "words": "OFFERS"},
    )  # fmt: skip


async def write(house: House, conversation: Conversation, name: str = OFFER, key: str = "k1") -> str:
    values = VALUES if name == OFFER else {"hi-IN": ("सुंदर", "आपके ऑर्डर")}
    outbox = house.services.whatsapp_outbox
    return await outbox.add_template(
        conversation, name=name, parameters=values, idempotency_key=key, author=Author.PERSON
    )


async def failure(house: House, tenant: TenantDoor, outbox_id: str) -> tuple[str, str | None]:
    row = await house.services.whatsapp_store.get(tenant.tenant_id, outbox_id)
    assert row is not None
    return row.state.value, row.failure


def received(house: House) -> list[str | None]:
    return [bubble.template for bubble in house.graph.state.phones.get(WA_ID, [])]


async def test_consent_to_service_is_none_to_marketing(house: House, shop: tuple[TenantDoor, Conversation]) -> None:
    tenant, conversation = shop
    await house.services.consents.record(
        tenant.tenant_id, CUSTOMER, ConsentChannel.WHATSAPP, Purpose.SERVICE, Decision.GRANTED, evidence={}
    )
    with pytest.raises(Conflict) as refused:
        await write(house, conversation)
    assert refused.value.code == "no_consent"
    assert "diwali is a MARKETING template" in refused.value.detail and "UTILITY" in refused.value.detail
    await agree(house, tenant)
    await write(house, conversation)
    await house.work()
    assert received(house) == ["diwali"]


async def test_131050_ends_marketing_and_service_goes_on(house: House, shop: tuple[TenantDoor, Conversation]) -> None:
    tenant, conversation = shop
    await agree(house, tenant)
    person = house.graph.state.person(WA_ID)
    house.graph.state.people[WA_ID] = replace(person, takes_marketing=False)
    outbox_id = await write(house, conversation)

    async def told() -> bool:
        return await failure(house, tenant, outbox_id) == ("failed", "opted_out_at_meta")

    await house.until(told)
    held = await house.services.consents.latest(tenant.tenant_id, CUSTOMER, ConsentChannel.WHATSAPP, Purpose.MARKETING)
    assert held is not None and held.decision is Decision.WITHDRAWN and held.evidence["code"] == 131050
    asked = len(house.graph.state.requests)
    with pytest.raises(Conflict) as refused:
        await write(house, conversation, key="k2")
    assert refused.value.code == "opted_out_at_meta" and "withdrew consent to marketing" in refused.value.detail
    assert len(house.graph.state.requests) == asked, "it is never tried again"
    await write(house, conversation, "call_handoff", "k3")
    await house.work()
    assert received(house) == ["call_handoff"]


async def test_what_is_withdrawn_meanwhile_does_not_leave(house: House, shop: tuple[TenantDoor, Conversation]) -> None:
    tenant, conversation = shop
    await agree(house, tenant)
    outbox_id = await write(house, conversation)
    evidence = {"source": "user_preferences"}
    await house.services.suppressions.no_marketing(tenant.tenant_id, CUSTOMER, ConsentChannel.WHATSAPP, evidence)
    await house.work()
    assert await failure(house, tenant, outbox_id) == ("failed", "opted_out_at_meta")
    assert house.graph.state.requests == []


@pytest.mark.parametrize("channels", [EVERY_CHANNEL, (ConsentChannel.WHATSAPP,)], ids=["call", "stop"])
async def test_a_full_opt_out_stops_service_too(
    house: House, shop: tuple[TenantDoor, Conversation], channels: tuple[ConsentChannel, ...]
) -> None:
    tenant, conversation = shop
    await agree(house, tenant)
    evidence = {"call_id": "call_1", "words": "do not contact me"}
    await house.services.suppressions.opt_out(tenant.tenant_id, CUSTOMER, channels, evidence)
    for name, key in ((OFFER, "k1"), ("call_handoff", "k2")):
        with pytest.raises(Conflict) as refused:
            await write(house, conversation, name, key)
        assert refused.value.code == "opted_out"
    await house.services.suppressions.restore(tenant.tenant_id, CUSTOMER, ConsentChannel.WHATSAPP, {"words": "start"})
    await write(house, conversation, "call_handoff", "k3")
    with pytest.raises(Conflict) as still:
        await write(house, conversation, key="k4")
    assert still.value.code == "no_consent", "START brings service back, not marketing"


async def test_another_address_of_the_person_counts(house: House, shop: tuple[TenantDoor, Conversation]) -> None:
    tenant, conversation = shop
    await agree(house, tenant)
    contact = await house.services.conversations.contact_for(tenant.tenant_id, CUSTOMER)
    await house.services.conversations.also_known_as(contact, "IN.778899")
    await house.services.suppressions.no_marketing(
        tenant.tenant_id, "IN.778899", ConsentChannel.WHATSAPP, {"source": "meta"}
    )
    with pytest.raises(Conflict) as refused:
        await write(house, conversation)
    assert refused.value.code == "opted_out_at_meta"
