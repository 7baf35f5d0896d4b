"""Searching sealed words: what holds them is found, nothing else, and the store never sees one."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.conversations.models import Author, CallContext, Channel, Conversation, Direction, NewMessage, TranscriptLine
from app.conversations.search import POSTINGS, forms_of, matches, query_forms, tokens, words_of
from tests.house import CUSTOMER, House, TenantDoor

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
alphabet = st.sampled_from("abcxyz०१4 आदमी ஆர்டர் ఆర్డర్ order ऑर्डर .,!-‍")
texts = st.lists(alphabet, max_size=30).map("".join)


async def told(house: House, tenant: TenantDoor, *said: str, phone: str = CUSTOMER) -> Conversation:
    book = house.services.conversations
    conversation = await book.open_for(await book.contact_for(tenant.tenant_id, phone))
    for number, text in enumerate(said):
        key = f"{phone}:{text}:{number}"
        new = NewMessage(
            Channel.WHATSAPP, Direction.INBOUND, Author.CUSTOMER, text, NOW, provider_id=key, dedupe_key=key
        )
        await book.append(conversation, new)
    await house.services.inbox.search.index()
    return conversation


def finder(tenant: TenantDoor) -> Callable[..., Awaitable[list[str]]]:
    async def found(q: str) -> list[str]:
        return [hit["excerpt"] for hit in (await tenant.ok("GET", "/v1/inbox/search", params={"q": q}))["data"]]

    return found


@pytest.mark.unit
@given(texts, texts)
def test_hashes_find_exactly_what_the_open_text_holds(text: str, query: str) -> None:
    key = b"k" * 32
    words = words_of(query)
    index = set(tokens(key, (form for word in words_of(text) for form in forms_of(word))))
    by_hash = all(index.intersection(tokens(key, query_forms(word))) for word in words)
    assert by_hash == matches(text, words)
    assert matches(text, words_of(text)), "every text holds its own words"


@pytest.mark.unit
@given(texts)
def test_another_key_finds_nothing(text: str) -> None:
    forms = [form for word in words_of(text) for form in forms_of(word)]
    assert not set(tokens(b"a" * 32, forms)) & set(tokens(b"b" * 32, forms))


@pytest.mark.unit
@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ("मेरा ऑर्डर 4512 कहाँ है", "order", True),
        ("mera order kahan hai", "ऑर्डर", True),
        ("என் ஆர்டர் எங்கே", "order", True),
        ("నా ఆర్డర్ ఎక్కడ", "order", True),
        ("order no ४५१२", "4512", True),
        ("ORDER 4512!", "order 4512", True),
        ("order 4512", "order 4513", False),
        ("orders", "order", False),
        ("date", "data", False),
    ],
)
def test_words_are_found_whole_in_any_script(text: str, query: str, expected: bool) -> None:
    assert matches(text, words_of(query)) is expected


@pytest.mark.integration
async def test_finds_messages_and_calls_and_the_store_holds_no_word(house: House) -> None:
    tenant = await house.tenant()
    conversation = await told(house, tenant, "my parcel is torn", "मेरा ऑर्डर 4512 कहाँ है", "parcel of glass is torn too")
    line = TranscriptLine(Author.CUSTOMER, "the parcel was promised on Monday", "en-IN", 900)
    await house.services.conversations.attach_call(
        conversation, CallContext("call_7", "en-IN", "x", transcript=(line,))
    )
    await house.services.inbox.search.index()
    find = finder(tenant)
    assert await find("torn parcel") == ["parcel of glass is torn too", "my parcel is torn"]
    assert await find("order 4512") == ["मेरा ऑर्डर 4512 कहाँ है"]
    page = await tenant.ok("GET", "/v1/inbox/search", params={"q": "promised"})
    assert [(hit["call_id"], hit["message_id"]) for hit in page["data"]] == [("call_7", None)]
    assert await find("glas") == []
    rows = await house.services.database.tenant(tenant.tenant_id).collection(POSTINGS).find({})
    assert rows and not any(word in str(rows) for word in ("parcel", "torn", "promised", "ऑर्डर"))
    assert (await tenant.request("GET", "/v1/inbox/search", params={"q": "?!"})).status_code == 422


@pytest.mark.integration
async def test_another_tenant_finds_nothing_and_has_other_hashes(house: House) -> None:
    one, two = await house.tenant("One"), await house.tenant("Two")
    await told(house, one, "parcel")
    await told(house, two, "parcel", phone="+919812345670")
    held = []
    for tenant in (one, two):
        rows = await house.services.database.tenant(tenant.tenant_id).collection(POSTINGS).find({})
        held.append({row["token"] for row in rows})
        assert len(await finder(tenant)("parcel")) == 1
    assert not held[0] & held[1]


@pytest.mark.integration
async def test_pages_follow_one_another_and_edits_and_removals_are_followed(house: House) -> None:
    tenant, book = await house.tenant(), house.services.conversations
    said = [f"parcel number {n}" for n in range(5)]
    await told(house, tenant, *said)
    seen, cursor = [], None
    while True:
        query = {"q": "parcel", "limit": "2"} | ({"starting_after": cursor} if cursor else {})
        page = await tenant.ok("GET", "/v1/inbox/search", params=query)
        seen += [hit["excerpt"] for hit in page["data"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == said[::-1]
    await book.edit(tenant.tenant_id, f"{CUSTOMER}:{said[0]}:0", "a letter", NOW + timedelta(seconds=3))
    await book.remove(tenant.tenant_id, f"{CUSTOMER}:{said[1]}:1", NOW + timedelta(seconds=3))
    await house.services.inbox.search.index()
    assert await finder(tenant)("parcel") == said[:1:-1]
    assert await finder(tenant)("letter") == ["a letter"]
    actions = [entry.action for entry in await house.services.audit.entries(tenant.tenant_id, limit=100)]
    assert actions.count("conversation.searched") == 5
