"""Files that expire, and the customer's phone as a page on which one can write."""

from datetime import timedelta

import pytest

from app.simulate.graph.media import kind_of
from tests.simulate.graph.desk import BEARER, NUMBER, PERSON, TEMPLATE, Desk

pytestmark = pytest.mark.unit
PAGE = {"Accept": "text/html"}
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20


async def test_a_file_goes_up_is_sent_and_shown() -> None:
    desk = Desk()
    desk.graph.customer_writes(NUMBER, PERSON, "hi")
    fields = {"messaging_product": "whatsapp", "type": "image/png"}
    files = {"file": ("bill.png", PNG, "image/png")}
    place = f"/v24.0/{NUMBER}/media"
    refused = await desk.client.post(place, data=fields, files=files, headers={"Authorization": "Bearer other"})
    assert refused.status_code == 401
    media_id = (await desk.client.post(place, data=fields, files=files, headers=BEARER)).json()["id"]
    assert await desk.refused("image", {"id": media_id, "caption": "your bill"}) == 0
    assert await desk.refused("document", {"id": media_id}) == 131053
    page = (await desk.client.get(f"/_phone/{PERSON}", headers=PAGE)).text
    assert f"/file/{media_id}" in page and "your bill" in page
    assert (await desk.client.get(f"/_phone/{PERSON}/file/{media_id}")).content == PNG
    desk.clock.ahead = timedelta(hours=1)
    assert (await desk.client.delete(f"/v24.0/{media_id}", headers=BEARER)).json() == {"success": True}
    assert await desk.refused("image", {"id": media_id}) == 100


@pytest.mark.parametrize(
    ("name", "content", "code"), [("a.exe", b"MZ", 100), ("a.png", b"", 131053), ("a.png", b"0" * 5_242_881, 131053)]
)
async def test_files_of_a_wrong_type_or_size_are_refused(name: str, content: bytes, code: int) -> None:
    desk = Desk()
    kind = "image/png" if name.endswith("png") else "application/x-msdownload"
    answer = await desk.client.post(
        f"/v24.0/{NUMBER}/media",
        data={"messaging_product": "whatsapp", "type": kind},
        files={"file": (name, content, kind)},
        headers=BEARER,
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


async def test_ids_of_inbound_files_expire_in_a_week_and_addresses_in_five_minutes() -> None:
    desk = Desk()
    desk.graph.customer_sends_file(NUMBER, PERSON, b"OggS", "audio/ogg; codecs=opus", voice=True)
    [value] = desk.values()
    audio = value["messages"][0]["audio"]
    assert audio["voice"] is True and value["messages"][0]["type"] == "audio"
    facts = (await desk.client.get(f"/v24.0/{audio['id']}", headers=BEARER)).json()
    assert (facts["file_size"], facts["sha256"]) == (4, audio["sha256"])
    assert (await desk.client.get(facts["url"])).status_code == 401, "an address needs the token"
    fetched = await desk.client.get(facts["url"], headers=BEARER)
    assert fetched.content == b"OggS"
    desk.clock.ahead = timedelta(minutes=5)
    assert (await desk.client.get(facts["url"], headers=BEARER)).status_code == 404
    assert (await desk.client.get(f"/v24.0/{audio['id']}", headers=BEARER)).status_code == 200
    desk.clock.ahead = timedelta(days=7)
    assert (await desk.client.get(f"/v24.0/{audio['id']}", headers=BEARER)).status_code == 400


async def test_one_can_write_attach_and_react_on_the_page() -> None:
    desk = Desk()
    await desk.send("template", TEMPLATE)
    wamid = desk.graph.state.phones[PERSON][0].wamid
    said = await desk.client.post(f"/_phone/{PERSON}/say", data={"text": "<b>नमस्ते</b>"})
    assert said.status_code == 303 and said.headers["location"] == f"/_phone/{PERSON}"
    await desk.client.post(f"/_phone/{PERSON}/say", data={"text": ""}, files={"file": ("a.png", PNG, "image/png")})
    await desk.client.post(f"/_phone/{PERSON}/react", data={"wamid": wamid, "emoji": "👍"})
    page = (await desk.client.get(f"/_phone/{PERSON}", headers=PAGE)).text
    assert "&lt;b&gt;नमस्ते" in page and "<b>न" not in page and "<img src" in page and "👍" in page
    assert "✓✓ read" in page, "who opens the page has read what is there"
    kinds = [message["type"] for value in desk.values() for message in value.get("messages", [])]
    assert kinds == ["text", "image", "reaction"]
    assert f'href="/_phone/{PERSON}"' in (await desk.client.get("/_phone")).text
    assert (await desk.client.get(f"/_phone/{PERSON}/file/404")).status_code == 404


async def test_corrections_and_deletions_name_their_message() -> None:
    desk = Desk()
    wamid = desk.graph.customer_writes(NUMBER, PERSON, "tomorow")
    desk.graph.customer_edits(NUMBER, PERSON, wamid, "tomorrow")
    desk.graph.customer_takes_back(NUMBER, PERSON, wamid)
    _, edit, revoke = (value["messages"][0] for value in desk.values())
    assert edit["edit"]["message"]["text"]["body"] == "tomorrow"
    assert edit["edit"]["original_message_id"] == revoke["revoke"]["original_message_id"] == wamid


def test_types_have_their_kinds() -> None:
    assert [kind_of(name) for name in ("image/jpeg", "audio/ogg; codecs=opus", "application/pdf", "text/html")] == [
        "image",
        "audio",
        "document",
        None,
    ]
