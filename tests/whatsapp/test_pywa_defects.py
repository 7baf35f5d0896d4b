"""What pywa does wrong, as run: each test fails when pywa mends it, and names what of ours could then go."""

import json
from typing import Any

import httpx
import pytest
from pywa_async import WhatsApp, types

from whatsapp.payload import ItemKind, items
from whatsapp.sender import RebasedTransport

pytestmark = pytest.mark.unit
TOKEN = "EAAG-token-of-the-tests"
NUMBER = "106540352242922"


class Wire(httpx.AsyncBaseTransport):
    """Answers every request and keeps it."""

    def __init__(self) -> None:
        self.seen: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        taken = {"messaging_product": "whatsapp", "contacts": [{"input": "9", "wa_id": "9"}]}
        return httpx.Response(200, json={**taken, "messages": [{"id": "wamid.1"}]}, request=request)


def client(wire: httpx.AsyncBaseTransport) -> WhatsApp:
    return WhatsApp(phone_id=NUMBER, token=TOKEN, session=httpx.AsyncClient(transport=wire))


def receiving(heard: list[Any]) -> WhatsApp:
    """Returns a client that takes webhooks through pywa's own handlers."""
    own = WhatsApp(
        phone_id=NUMBER, token=TOKEN, server=None, verify_token="v", session=httpx.AsyncClient(transport=Wire())
    )

    @own.on_message
    async def message(_: WhatsApp, update: types.Message) -> None:
        heard.append(update.text)

    @own.on_message_status
    async def status(_: WhatsApp, update: types.MessageStatus) -> None:
        heard.append(update.id)

    return own


def text(wamid: str, body: str) -> dict[str, Any]:
    return {"from": "919812345678", "id": wamid, "timestamp": "1795262400", "type": "text", "text": {"body": body}}


def webhook(*values: dict[str, Any]) -> bytes:
    metadata = {"display_phone_number": "15550001111", "phone_number_id": NUMBER}
    changes = [
        {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}
        for value in values
    ]
    return json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "waba", "changes": changes}]}).encode()


CONTACT = {"profile": {"name": "Asha"}, "wa_id": "919812345678", "user_id": "IN.1234567890"}


async def test_only_the_first_of_a_batch_is_handled() -> None:
    heard: list[Any] = []
    raw = webhook(
        {"contacts": [CONTACT], "messages": [text("wamid.1", "one"), text("wamid.2", "two")]},
        {"contacts": [CONTACT], "messages": [text("wamid.3", "three")]},
    )
    assert await receiving(heard).webhook_update_handler(raw) == ("ok", 200)
    assert heard == ["one"], "mended: whatsapp.payload.items might be left to pywa"
    assert [item.body["id"] for item in items(json.loads(raw))] == ["wamid.1", "wamid.2", "wamid.3"]


async def test_a_failed_status_without_contacts_is_lost() -> None:
    heard: list[Any] = []
    failed = {"id": "wamid.1", "status": "failed", "timestamp": "1795262400", "recipient_id": "919812345678"}
    raw = webhook({"statuses": [{**failed, "errors": [{"code": 131026, "title": "Undeliverable"}]}]})
    assert await receiving(heard).webhook_update_handler(raw) == ("ok", 200)
    assert heard == [], "mended: whatsapp.ingest need not read statuses itself"
    [item] = items(json.loads(raw))
    assert item.kind is ItemKind.STATUS and item.body["errors"][0]["code"] == 131026


async def test_a_contact_without_a_user_id_loses_the_message() -> None:
    heard: list[Any] = []
    nameless = {name: value for name, value in CONTACT.items() if name != "user_id"}
    raw = webhook({"contacts": [nameless], "messages": [text("wamid.1", "one")]})
    assert await receiving(heard).webhook_update_handler(raw) == ("ok", 200)
    assert heard == [], "mended: whatsapp.payload need not read contacts itself"
    [item] = items(json.loads(raw))
    assert item.kind is ItemKind.MESSAGE and item.name == "Asha" and item.bsuid is None


async def test_what_a_handler_raises_is_answered_with_200_and_its_repeat_is_dropped() -> None:
    heard: list[str] = []
    own = WhatsApp(
        phone_id=NUMBER, token=TOKEN, server=None, verify_token="v", session=httpx.AsyncClient(transport=Wire())
    )

    @own.on_message
    async def broken(_: WhatsApp, update: types.Message) -> None:
        heard.append(str(update.text))
        raise RuntimeError("the store is away")

    raw = webhook({"contacts": [CONTACT], "messages": [text("wamid.1", "one")]})
    answers = [await own.webhook_update_handler(raw) for _ in range(2)]
    assert answers == [("ok", 200)] * 2, "mended: a failure reaches Meta, so our own door may go"
    assert heard == ["one"], "mended: duplicates are marked after the work, so RawInbox may go"


async def test_an_alphanumeric_user_id_is_sent_as_a_group() -> None:
    wire = Wire()
    await client(wire).send_message(to="IN.a1B2c3D4e5F6", text="hi")
    body = json.loads(wire.seen[0].content)
    assert body["recipient_type"] == "group", "mended: BSUIDs may be sent through pywa"


async def test_a_language_as_a_plain_string_fails() -> None:
    wire = Wire()
    with pytest.raises((AttributeError, TypeError, ValueError)):
        await client(wire).send_template(to="919812345678", name="call_handoff", language="hi", params=[])
    assert wire.seen == [], "mended: the table of languages in whatsapp.sender may go"


async def test_media_of_any_host_are_asked_for_with_the_token() -> None:
    wire = Wire()
    await client(wire).get_media_bytes(url="https://lookaside.example/media")
    assert wire.seen[0].headers["authorization"] == f"Bearer {TOKEN}", "mended: the host check may be left to pywa"
    with pytest.raises(httpx.UnsupportedProtocol):
        await client(RebasedTransport("https://graph.facebook.com", wire)).get_media_bytes(
            url="https://lookaside.example/media"
        )
    assert len(wire.seen) == 1
