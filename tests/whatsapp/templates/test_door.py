"""At the outbox's door: only approved templates leave, alternates step in, a person is called where nothing may."""

import pytest

from app.conversations.models import Author, Conversation, Owner
from app.errors import Conflict
from app.simulate.graph import ACCOUNT_ID
from tests.house import ACCESS_TOKEN, APP_SECRET, CUSTOMER, PHONE_NUMBER_ID, VERIFY_TOKEN, House, TenantDoor
from tests.standins.graph import Fault
from whatsapp.templates.models import TemplateStatus

pytestmark = pytest.mark.integration
WA_ID = CUSTOMER.removeprefix("+")
VALUES = {"hi-IN": ("सुंदर", "आपके ऑर्डर"), "en-IN": ("Sundar", "your order")}
SPARE = "Hello from {{1}}, we go on here about {{2}} as you asked on the phone."


async def connected(house: House) -> tuple[TenantDoor, Conversation]:
    house.graph.shelf.stock({("handoff_spare", "hi"): SPARE})
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    contact = await house.services.conversations.contact_for(tenant.tenant_id, CUSTOMER)
    return tenant, await house.services.conversations.open_for(contact, language="hi-IN")


async def write(house: House, conversation: Conversation, key: str = "key-1", author: Author = Author.BOT) -> str:
    outbox = house.services.whatsapp_outbox
    parameters = VALUES
    return await outbox.add_template(
        conversation, name="call_handoff", parameters=parameters, idempotency_key=key, author=author
    )


async def phone(house: House) -> list[tuple[str | None, str | None]]:
    return [(bubble.template, bubble.language) for bubble in house.graph.state.phones.get(WA_ID, [])]


async def test_behaviour_19_a_paused_template_gives_way_to_the_named_alternate(house: House) -> None:
    tenant, conversation = await connected(house)
    await house.services.templates.uses.put(tenant.tenant_id, "key", "call_handoff", "call_handoff", ["handoff_spare"])
    house.graph.shelf.decide("call_handoff", "hi", "PAUSED")
    await tenant.ok("POST", "/v1/whatsapp/templates/sync")
    outbox_id = await write(house, conversation)
    await house.work()
    assert await phone(house) == [("handoff_spare", "hi")]
    row = await house.services.whatsapp_store.get(tenant.tenant_id, outbox_id)
    assert row is not None and (row.template, row.template_sent, row.language) == (
        "call_handoff",
        "handoff_spare",
        "hi-IN",
    )
    assert row.text == "Hello from सुंदर, we go on here about आपके ऑर्डर as you asked on the phone."


async def test_behaviour_19_a_pause_that_meta_tells_only_when_sending_is_taken_over(house: House) -> None:
    tenant, conversation = await connected(house)
    await house.services.templates.uses.put(tenant.tenant_id, "key", "call_handoff", "call_handoff", ["handoff_spare"])
    house.graph.shelf.decide("call_handoff", "hi", "PAUSED")
    await write(house, conversation)
    await house.services.whatsapp_dispatcher.dispatch(tenant.tenant_id, house.jobs.jobs.pop(0).payload["outbox_id"])
    assert await phone(house) == [("handoff_spare", "hi")]
    found = await house.services.templates.registry.find(tenant.tenant_id, ACCOUNT_ID, "call_handoff", "hi")
    assert found is not None and found.facts.status is TemplateStatus.PAUSED
    asked = len(house.graph.state.requests)
    await write(house, conversation, "key-2")
    await house.work()
    names = [request["template"]["name"] for request in house.graph.state.requests[asked:]]
    assert names == ["handoff_spare"], "a template that Meta refused is not tried again"


async def test_behaviour_19_without_an_alternate_a_person_is_called(house: House) -> None:
    tenant, conversation = await connected(house)
    for language in ("hi", "en"):
        house.graph.shelf.decide("call_handoff", language, "DISABLED")
    await tenant.ok("POST", "/v1/whatsapp/templates/sync")
    with pytest.raises(Conflict) as refused:
        await write(house, conversation)
    assert refused.value.code == "template_not_approved"
    for part in ("only APPROVED", "call_handoff in hi is DISABLED", "follow_up (hi)", "template-uses/call_handoff"):
        assert part in refused.value.detail
    after = await house.services.conversations.get(tenant.tenant_id, conversation.conversation_id)
    assert (after.owner, after.handoff_reason) == (Owner.PERSON, "template_not_approved")
    await house.work()
    assert house.graph.state.requests == []


async def test_behaviour_19_a_template_that_became_marketing_serves_no_service_message(house: House) -> None:
    tenant, conversation = await connected(house)
    for language in ("hi", "en"):
        house.graph.shelf.recategorise("call_handoff", language, "MARKETING")
    await tenant.ok("POST", "/v1/whatsapp/templates/sync")
    with pytest.raises(Conflict, match="is MARKETING at Meta, not UTILITY"):
        await write(house, conversation)


async def test_what_was_approved_when_written_is_asked_again_when_it_leaves(house: House) -> None:
    tenant, conversation = await connected(house)
    outbox_id = await write(house, conversation)
    for language in ("hi", "en"):
        house.graph.shelf.decide("call_handoff", language, "REJECTED")
    await tenant.ok("POST", "/v1/whatsapp/templates/sync")
    await house.work()
    assert house.graph.state.requests == []
    row = await house.services.whatsapp_store.get(tenant.tenant_id, outbox_id)
    assert row is not None and (row.state, row.failure) == ("failed", "template_not_approved")
    after = await house.services.conversations.get(tenant.tenant_id, conversation.conversation_id)
    assert (after.owner, after.handoff_reason) == (Owner.PERSON, "template_not_approved")


async def test_a_repeated_wish_is_the_first_message_even_after_a_pause(house: House) -> None:
    tenant, conversation = await connected(house)
    first = await write(house, conversation)
    for language in ("hi", "en"):
        house.graph.shelf.decide("call_handoff", language, "PAUSED")
    await tenant.ok("POST", "/v1/whatsapp/templates/sync")
    assert await write(house, conversation) == first
    with pytest.raises(Conflict):
        await write(house, conversation, "key-2")


async def test_an_account_of_which_nothing_is_known_has_its_list_fetched(house: House) -> None:
    tenant = await house.tenant()
    body = {"access_token": ACCESS_TOKEN, "app_secret": APP_SECRET, "verify_token": VERIFY_TOKEN}
    more = {"phone_number_id": PHONE_NUMBER_ID, "business_account_id": ACCOUNT_ID}
    await tenant.ok("PUT", "/v1/credentials/whatsapp", json={**body, **more})
    contact = await house.services.conversations.contact_for(tenant.tenant_id, CUSTOMER)
    conversation = await house.services.conversations.open_for(contact, language="hi-IN")
    with pytest.raises(Conflict, match="does not exist at Meta"):
        await write(house, conversation)
    await house.work()
    await write(house, conversation)
    await house.work()
    assert await phone(house) == [("call_handoff", "hi")]


async def test_a_tenant_whose_account_is_not_known_sends_no_template(house: House) -> None:
    tenant, conversation = await connected(house)
    body = {"phone_number_id": "77777", "access_token": "t" * 20, "app_secret": "s" * 9, "verify_token": "v" * 9}
    await tenant.ok("PUT", "/v1/credentials/whatsapp", json=body)
    with pytest.raises(Conflict, match="business_account_id"):
        await write(house, conversation)


async def test_when_all_languages_are_refused_the_reason_is_metas(house: House) -> None:
    tenant, conversation = await connected(house)
    outbox_id = await write(house, conversation)
    house.graph.faults.extend([Fault(code=132001), Fault(code=132007)])
    await house.work()
    row = await house.services.whatsapp_store.get(tenant.tenant_id, outbox_id)
    assert row is not None and (row.state, row.failure, row.error_code) == ("failed", "template_breaks_policy", 132007)
