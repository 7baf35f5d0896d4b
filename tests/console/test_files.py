"""Files that a person sends from the page: once, within WhatsApp's limits, and not kept where they cannot be sent."""

import pytest

from app.conversations.attachments import COLLECTION
from tests.console.conftest import Desk, read
from tests.console.test_writing import lock, sent, taken
from tests.house import CUSTOMER

pytestmark = pytest.mark.integration
PDF = ("bill.pdf", b"%PDF-1.7 bill", "application/pdf")


def file_key(page: object) -> str:
    [form] = [form for form in page.all("form") if form.get("hx-encoding")]  # type: ignore[attr-defined]
    assert form["hx-encoding"] == "multipart/form-data"
    keys = [field["value"] for field in page.all("input", name="key")]  # type: ignore[attr-defined]
    return str(keys[1])


async def kept(desk: Desk) -> int:
    return await desk.house.services.database.tenant(desk.tenant.tenant_id).collection(COLLECTION).count({})


async def test_a_file_reaches_the_customer_once(desk: Desk) -> None:
    asha = await desk.person("Asha")
    _, place = await taken(desk, asha)
    page = read(await asha.get(place))
    [choice] = page.all("input", id="file-choice")
    assert "application/pdf" in choice["accept"] and "image/jpeg" in choice["accept"]
    assert choice["aria-label"] == "File" and "Photos up to 5 MB" in page.text
    key = file_key(page)
    for _ in range(2):
        answer = await asha.upload(f"{place}/file", PDF, key=key, caption="आपका बिल")
        assert answer.status_code == 200 and answer.headers["hx-trigger"] == "refresh"
    await desk.house.work()
    bubbles = [b for b in desk.house.graph.state.phones[CUSTOMER.lstrip("+")] if b.from_business]
    assert [b.kind for b in bubbles][-1] == "document" and sum(b.kind == "document" for b in bubbles) == 1
    assert await kept(desk) == 1, "the file that was sent twice is kept once"
    shown = await asha.get(f"{place}/live")
    assert "आपका बिल" in shown.text and "bill.pdf" in shown.text


@pytest.mark.parametrize(
    "file, caption, status, says",
    [
        (("x.exe", b"MZ", "application/x-msdownload"), "", 422, "does not carry files of this type"),
        (("x.pdf", b"", "application/pdf"), "", 422, "empty"),
        (("x.png", b"\x89PNG" * 1_400_000, "image/png"), "", 413, "too large"),
        (("x.ogg", b"OggS", "audio/ogg"), "listen", 422, "no words with sound"),
    ],
    ids=["type", "empty", "size", "caption"],
)
async def test_what_whatsapp_does_not_carry_is_refused_and_not_kept(
    desk: Desk, file: tuple[str, bytes, str], caption: str, status: int, says: str
) -> None:
    asha = await desk.person("Asha")
    _, place = await taken(desk, asha)
    before = sent(desk)
    key = file_key(read(await asha.get(place)))
    refused = await asha.upload(f"{place}/file", file, key=key, caption=caption)
    assert refused.status_code == status and says in read(refused).text
    await desk.house.work()
    assert sent(desk) == before and await kept(desk) == 0


async def test_no_file_leaves_outside_the_window(desk: Desk) -> None:
    asha = await desk.person("Asha")
    await desk.tenant.connect_whatsapp()
    conversation = await desk.conversation()
    place = f"/console/inbox/{conversation.conversation_id}"
    await asha.post(f"{place}/take", version="0")
    page = read(await asha.get(place))
    assert lock(page) == "window_closed" and not page.all("input", id="file-choice")
    key = page.all("input", name="key")[0]["value"]
    refused = await asha.upload(f"{place}/file", PDF, key=key)
    assert refused.status_code == 409 and "The window has closed" in read(refused).text and await kept(desk) == 0


async def test_the_form_speaks_hindi_and_wants_the_sessions_token(desk: Desk) -> None:
    asha = await desk.person("Asha")
    _, place = await taken(desk, asha)
    page = read(await asha.get(place, headers={"Accept-Language": "hi"}))
    assert "फ़ाइल भेजें" in page.text and "फ़ोटो 5 MB तक" in page.text
    asha.client.cookies.set("vs_csrf", "wrong", domain="console.test")
    refused = await asha.upload(f"{place}/file", PDF, key=file_key(page))
    assert refused.status_code in (401, 403) and await kept(desk) == 0
