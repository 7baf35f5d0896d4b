"""Who a contact is: identities with and without a number, claimed once, merged without rerouting."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.conversations.models import Author, Channel, Direction, NewMessage
from app.errors import Conflict, Unprocessable
from tests.house import House

pytestmark = pytest.mark.integration

PHONE, OTHER, BSUID = "+919812345678", "+919812345679", "IN.1A2b3C4d5E6f"
NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


def wrote(text: str, key: str, **more: object) -> NewMessage:
    base = NewMessage(Channel.WHATSAPP, Direction.INBOUND, Author.CUSTOMER, text, NOW, provider_id=key, dedupe_key=key)
    return replace(base, **more)


async def test_a_contact_without_a_number_is_claimed_once_by_ten_at_a_time(house: House) -> None:
    tenant, book = await house.tenant(), house.services.conversations
    found = await asyncio.gather(*(book.contact_of_identities(tenant.tenant_id, None, BSUID) for _ in range(10)))
    assert len({contact.contact_id for contact in found}) == 1
    assert found[0].phone is None and found[0].address == BSUID
    opened = await asyncio.gather(*(book.open_for(contact) for contact in found))
    assert len({conversation.conversation_id for conversation in opened}) == 1
    assert opened[0].address == BSUID
    view = await tenant.ok("GET", f"/v1/conversations/{opened[0].conversation_id}")
    assert view["phone"] is None and view["contact"]["phone"] is None


async def test_a_number_that_becomes_known_joins_the_id_and_nothing_is_rerouted(house: House) -> None:
    tenant, book = await house.tenant(), house.services.conversations
    hidden = await book.contact_of_identities(tenant.tenant_id, None, BSUID)
    chat = await book.open_for(hidden, address=BSUID)
    caller = await book.contact_for(tenant.tenant_id, PHONE)
    both = await book.contact_of_identities(tenant.tenant_id, PHONE, BSUID)
    assert both.contact_id == caller.contact_id and both.bsuid == BSUID
    assert set(await book.addresses(both)) == {PHONE, BSUID}
    assert (await book.contact_of_identities(tenant.tenant_id, None, BSUID)).contact_id == caller.contact_id
    again = await book.open_for(both, address=BSUID)
    assert again.conversation_id == chat.conversation_id and again.address == BSUID


async def test_merging_two_numbers_keeps_each_conversation_at_its_address(house: House) -> None:
    tenant, book = await house.tenant(), house.services.conversations
    first, second = [await book.contact_for(tenant.tenant_id, phone) for phone in (PHONE, OTHER)]
    one, two = await book.open_for(first), await book.open_for(second)
    merged = await book.merge(tenant.tenant_id, first.contact_id, second.contact_id)
    assert merged.contact_id == second.contact_id
    for phone, conversation in ((PHONE, one), (OTHER, two)):
        contact = await book.contact_for(tenant.tenant_id, phone)
        assert contact.contact_id == second.contact_id
        found = await book.open_for(contact, address=phone)
        assert (found.conversation_id, found.address) == (conversation.conversation_id, phone)
    with pytest.raises(Conflict):
        await book.merge(tenant.tenant_id, first.contact_id, second.contact_id)
    with pytest.raises(Unprocessable):
        await book.merge(tenant.tenant_id, second.contact_id, first.contact_id)


async def test_reactions_edits_and_removals_complete_a_message_in_any_order(house: House) -> None:
    tenant, book = await house.tenant(), house.services.conversations
    conversation = await book.open_for(await book.contact_for(tenant.tenant_id, PHONE))
    assert not await book.react(tenant.tenant_id, "wamid.1", Author.CUSTOMER, "👍", NOW)
    message, new = await book.append(conversation, wrote("order 4512", "wamid.1"))
    assert new and (await book.append(conversation, wrote("order 4512", "wamid.1")))[1] is False
    later, latest = NOW + timedelta(seconds=5), NOW + timedelta(seconds=9)
    assert await book.react(tenant.tenant_id, "wamid.1", Author.CUSTOMER, "🙏", later)
    assert await book.react(tenant.tenant_id, "wamid.1", Author.CUSTOMER, "👍", NOW), "known, but older"
    assert await book.edit(tenant.tenant_id, "wamid.1", "order 4513", latest)
    assert await book.edit(tenant.tenant_id, "wamid.1", "order 4511", later), "an older edit changes nothing"
    stored = await book.message(tenant.tenant_id, message.message_id)
    assert [reaction.emoji for reaction in stored.reactions] == ["🙏"]
    assert (stored.text, stored.earlier, stored.edited_at) == ("order 4513", 1, latest)
    assert await book.versions(tenant.tenant_id, message.message_id) == [("order 4512", latest)]
    assert await book.react(tenant.tenant_id, "wamid.1", Author.CUSTOMER, "", latest)
    assert await book.remove(tenant.tenant_id, "wamid.1", latest)
    stored = await book.message(tenant.tenant_id, message.message_id)
    assert stored.reactions == () and stored.removed_at == latest
