"""Files of people to customers: uploaded and sent inside the window, shown as sent, and by id to who hides a number."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.simulate.graph.updates import Person
from tests.house import PHONE_NUMBER_ID, House, TenantDoor
from tests.whatsapp.test_identities import named
from tests.whatsapp.test_webhook import WA_ID, connected, messages, post, text, webhook

pytestmark = pytest.mark.integration
BILL = b"%PDF-1.7 a bill"


async def writing(house: House, value: dict[str, Any] | None = None) -> tuple[TenantDoor, str]:
    """Returns a tenant and its conversation with a customer who just wrote."""
    tenant = await connected(house)
    house.graph.state.last_inbound[PHONE_NUMBER_ID, WA_ID] = datetime.now(UTC)
    await post(house, webhook(value or {"messages": [text("wamid.1", "hello")]}))
    await house.work()
    [conversation] = (await tenant.ok("GET", "/v1/conversations"))["data"]
    return tenant, str(conversation["id"])


async def uploaded(tenant: TenantDoor, content: bytes = BILL, mime_type: str = "application/pdf") -> str:
    file = await tenant.ok("POST", "/v1/attachments", files={"file": ("bill.pdf", content, mime_type)})
    return str(file["id"])


async def send(tenant: TenantDoor, conversation: str, key: str, **body: Any) -> Any:
    path, headers = f"/v1/conversations/{conversation}/files", {"Idempotency-Key": key}
    return await tenant.request("POST", path, json=body, headers=headers)


async def test_a_persons_file_is_uploaded_and_sent_once(house: House) -> None:
    tenant, conversation = await writing(house)
    file = await uploaded(tenant)
    for _ in range(2):
        answer = await send(tenant, conversation, "file-number-1", attachment_id=file, caption="Your bill")
        assert answer.status_code == 202, answer.text
    await house.work()
    sent = [body for body in house.graph.state.requests if body["type"] == "document"]
    assert len(sent) == 1 and (sent[0]["document"]["caption"], sent[0]["document"]["filename"]) == (
        "Your bill",
        "bill.pdf",
    )
    kept = house.graph.media.files[sent[0]["document"]["id"]]
    assert (kept.content, kept.mime_type) == (BILL, "application/pdf")
    shown = next(message for message in await messages(tenant) if message["kind"] == "document")
    assert (shown["text"], shown["author"], shown["media"]["attachment_id"]) == ("[document] Your bill", "person", file)
    assert shown["delivery"]["state"] in {"sent", "delivered"}
    detail = await tenant.ok("GET", f"/v1/conversations/{conversation}")
    assert detail["owner"] == "person"


async def test_behaviour_04_a_customer_without_a_number_gets_texts_and_files_as_recipient(house: House) -> None:
    person = house.graph.state.people[WA_ID] = Person(WA_ID, hides_number=True)
    tenant, conversation = await writing(house, named("wamid.1", "hello", phone=False, bsuid=person.user_id))
    answer = await send(tenant, conversation, "file-number-2", attachment_id=await uploaded(tenant))
    assert answer.status_code == 202, answer.text
    await house.work()
    bodies = house.graph.state.requests
    assert [(body["type"], body.get("recipient"), body.get("to")) for body in bodies] == [
        ("text", person.user_id, None),
        ("document", person.user_id, None),
    ]
    delivered = [message["delivery"]["state"] for message in await messages_of(tenant, conversation)]
    assert set(delivered) <= {"sent", "delivered"}


async def messages_of(tenant: TenantDoor, conversation: str) -> list[dict[str, Any]]:
    page = await tenant.ok("GET", f"/v1/conversations/{conversation}/messages")
    return [message for message in page["data"] if message["direction"] == "outbound"]


async def test_files_keep_the_rules_of_texts(house: House) -> None:
    tenant, conversation = await writing(house)
    voice = await uploaded(tenant, b"OggS", "audio/ogg")
    words = await send(tenant, conversation, "file-number-3", attachment_id=voice, caption="listen")
    assert words.status_code == 422 and words.json()["errors"][0]["pointer"] == "/body/caption"
    assert (await send(tenant, conversation, "file-number-4", attachment_id="att_none")).status_code == 404
    system = house.services.database.tenant(tenant.tenant_id).collection("whatsapp_windows")
    await system.update_many({}, {"$set": {"last_inbound_at": datetime(2026, 1, 1, tzinfo=UTC)}})
    closed = await send(tenant, conversation, "file-number-5", attachment_id=voice)
    assert (closed.status_code, closed.json()["code"]) == (409, "window_closed")
