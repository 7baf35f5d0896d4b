"""The console in a real browser: live refresh, the keyboard alone, a phone, Hindi, and what it looks like."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from app.calls import endpoints as call_endpoints
from app.calls.models import Call, CallStatus
from app.speech.audio import wav_header
from tests.console.chromium import PHONE, browsing, page_in, picture, sign_in
from tests.console.conftest import Calls, Desk
from tests.console.test_calls import ringing
from tests.house import CUSTOMER
from tests.standins.graph import Fault, served

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass
class Office:
    """A desk behind a real address, with signals, and a browser in front of it."""

    desk: Desk
    base: str
    browser: Any


@pytest_asyncio.fixture
async def office(desk: Desk) -> AsyncIterator[Office]:
    desk.house.services.conversations._signal = desk.app.state.signals.publish
    desk.house.services.whatsapp_store._signal = desk.app.state.signals.publish
    desk.app.include_router(call_endpoints.router, prefix="/v1")
    await desk.tenant.connect_whatsapp()
    async with browsing() as browser, served(desk.app) as base:
        yield Office(desk, base, browser)


async def test_what_happens_shows_at_once_and_answers_leave(office: Office) -> None:
    desk = office.desk
    await desk.tenant.member("Asha")
    conversation = await desk.conversation()
    async with page_in(office.browser, office.base) as page:
        await sign_in(page, desk.tenant.tenant_id, "asha@example.com")
        await page.locator("[data-row]").first.click()
        await page.wait_for_selector("#pane[data-conversation]")
        assert page.url.endswith(conversation.conversation_id)
        await picture(page, "conversation-bot")
        await desk.customer_writes(conversation, "मुझे किसी से बात करनी है")
        await page.wait_for_selector("#live >> text=मुझे किसी से बात करनी है")
        await page.wait_for_selector("#list .name")
        await page.locator("#do-take").click()
        await page.wait_for_selector("#composer[data-lock='']")
        await page.locator(".templates summary").click()
        await page.wait_for_selector(".templates select[name=choice]")
        await page.locator("#reply-text").fill("नमस्ते, मैं आशा बोल रही हूँ।")
        await page.keyboard.press("Control+Enter")
        await page.wait_for_selector("#live .message.outbound.by-person")

        async def left() -> bool:
            phone = desk.house.graph.state.phones[CUSTOMER.lstrip("+")]
            return any("आशा" in bubble.text for bubble in phone)

        await desk.house.until(left, seconds=60)
        await page.wait_for_selector("#live .by-person .tick-sent, #live .by-person .tick-delivered")
        assert await page.locator("#reply-text").input_value() == ""
        await picture(page, "conversation-person")
        await page.locator("#do-resolve").click()
        await page.wait_for_selector("#composer[data-lock=closed]")
        await page.reload()
        await page.wait_for_selector("#do-reopen")


async def test_somebody_else_being_faster_is_said_clearly_and_shown(office: Office) -> None:
    desk = office.desk
    await desk.tenant.member("Asha")
    bala = await desk.person("Bala")
    conversation = await desk.conversation()
    place = f"/console/inbox/{conversation.conversation_id}"
    async with page_in(office.browser, office.base) as page:
        await sign_in(page, desk.tenant.tenant_id, "asha@example.com")
        await page.goto(place)
        await page.evaluate("for (const s of document.querySelectorAll('#live')) s.removeAttribute('id')")
        await bala.post(f"{place}/take", version="0")
        await page.locator("#do-take").click()
        await page.wait_for_selector(".problem >> text=Bala has taken this conversation over.")
        assert await page.locator("#composer").get_attribute("data-lock") == "other"
        await picture(page, "taken-by-somebody-else")


async def test_a_file_is_sent_by_the_keyboard(office: Office) -> None:
    desk = office.desk
    await desk.tenant.member("Asha")
    conversation = await desk.conversation()
    await desk.customer_writes(conversation, "hello")
    async with page_in(office.browser, office.base) as page:
        await sign_in(page, desk.tenant.tenant_id, "asha@example.com")
        await page.goto(f"{office.base}/console/inbox/{conversation.conversation_id}")
        await page.locator("#do-take").click()
        await page.wait_for_selector("#composer[data-lock='']")
        await page.locator("body").press("f")
        assert await page.evaluate("document.activeElement.id") == "file-choice"
        file = {"name": "bill.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 bill"}
        await page.locator("#file-choice").set_input_files(file)
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.id") == "file-caption"
        await page.keyboard.type("Your bill")
        await picture(page, "file-to-send")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#live .message.outbound.by-person >> text=Your bill")

        async def left() -> bool:
            phone = desk.house.graph.state.phones[CUSTOMER.lstrip("+")]
            return any(bubble.kind == "document" for bubble in phone)

        await desk.house.until(left, seconds=60)


async def test_everything_can_be_done_by_the_keyboard_alone(office: Office) -> None:
    desk = office.desk
    await desk.tenant.member("Asha")
    conversation = await desk.conversation()
    await desk.conversation("+919812345600", "ta-IN")
    await desk.customer_writes(conversation, "hello")
    async with page_in(office.browser, office.base) as page:
        await sign_in(page, desk.tenant.tenant_id, "asha@example.com")
        await page.locator("body").press("j")
        opened = await page.evaluate("document.activeElement.dataset.id")
        await page.keyboard.press("j")
        assert await page.evaluate("document.activeElement.dataset.id") != opened
        await page.keyboard.press("ArrowUp")
        assert await page.evaluate("document.activeElement.dataset.id") == opened == conversation.conversation_id
        await page.keyboard.press("Enter")
        await page.wait_for_selector(f"#pane[data-conversation={opened}]")
        for _ in range(60):
            if await page.evaluate("document.activeElement.id") == "do-take":
                break
            await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.id") == "do-take"
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#composer[data-lock='']")
        await page.keyboard.press("r")
        assert await page.evaluate("document.activeElement.id") == "reply-text"
        await page.keyboard.type("Good morning.")
        await page.keyboard.press("Control+Enter")
        await page.wait_for_selector("#live .message.outbound.by-person >> text=Good morning.")
        await page.keyboard.press("Escape")
        await page.keyboard.press("/")
        assert await page.evaluate("document.activeElement.name") == "q"
        await page.keyboard.type("98123 45600")
        await page.wait_for_selector("#list .rows li:only-child .name >> text=+919812345600")


async def test_a_phone_shows_the_list_or_the_conversation_and_scrolls_no_wider(office: Office) -> None:
    desk = office.desk
    await desk.tenant.member("Asha")
    await desk.conversation()
    async with page_in(office.browser, office.base, **PHONE) as page:
        await sign_in(page, desk.tenant.tenant_id, "asha@example.com")
        await picture(page, "phone-list")
        assert await page.locator(".list").is_visible()
        await page.locator("[data-row]").first.tap()
        await page.wait_for_selector("#pane")
        assert not await page.locator(".list").is_visible() and await page.locator("#do-take").is_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
        height = (await page.locator("#do-take").bounding_box())["height"]
        assert height >= 44, "large enough for a thumb"
        await picture(page, "phone-conversation")
        await page.locator(".back").tap()
        await page.wait_for_selector(".list:visible")


async def test_the_whole_page_speaks_hindi(office: Office) -> None:
    desk = office.desk
    await desk.tenant.member("Asha")
    conversation = await desk.conversation()
    async with page_in(office.browser, office.base, locale="hi-IN", viewport={"width": 1280, "height": 800}) as page:
        await sign_in(page, desk.tenant.tenant_id, "asha@example.com")
        await page.goto(f"/console/inbox/{conversation.conversation_id}")
        assert await page.locator("html").get_attribute("lang") == "hi"
        assert await page.locator("#do-take").inner_text() == "बातचीत अपने पास लें"
        english = ["Take over", "Inbox", "Resolve", "The bot is answering", "Private note", "Sign out", "All open"]
        words = await page.locator("body").inner_text()
        assert [word for word in english if word in words] == []
        await picture(page, "hindi")
        await page.locator(".languages a[lang=en]").click()
        await page.wait_for_selector("#do-take >> text=Take over")


async def test_a_template_is_previewed_while_it_is_filled_in(office: Office) -> None:
    desk = office.desk
    await desk.tenant.member("Asha")
    conversation = await desk.conversation()
    async with page_in(office.browser, office.base) as page:
        await sign_in(page, desk.tenant.tenant_id, "asha@example.com")
        await page.goto(f"/console/inbox/{conversation.conversation_id}")
        await page.locator("#do-take").click()
        await page.wait_for_selector("#composer[data-lock=window_closed]")
        await page.locator("select[name=choice]").select_option("order_update:en-IN")
        await page.wait_for_selector("#preview >> text=[order_id]")
        await page.locator("#template input[name=value]").first.fill("4512")
        await page.wait_for_selector("#preview >> text=4512")
        await picture(page, "template")
        await page.locator("#template input[name=value]").nth(1).fill("out for delivery")
        await page.locator(".templates button[type=submit]").click()
        await page.wait_for_selector("#composer .problem >> text=has not agreed")


async def test_what_failed_says_why_and_is_sent_again(office: Office) -> None:
    desk = office.desk
    await desk.tenant.member("Asha")
    conversation = await desk.conversation()
    await desk.customer_writes(conversation, "hello")
    async with page_in(office.browser, office.base) as page:
        await sign_in(page, desk.tenant.tenant_id, "asha@example.com")
        await page.goto(f"/console/inbox/{conversation.conversation_id}")
        await page.locator("#do-take").click()
        await page.wait_for_selector("#composer[data-lock='']")
        desk.house.graph.faults.append(Fault(132000))
        await page.locator("#reply-text").fill("Your parcel is here.")
        await page.keyboard.press("Control+Enter")
        await page.wait_for_selector("#live .by-person")
        await desk.house.work()
        await page.wait_for_selector("#live .failure >> text=do not fit")
        await picture(page, "failed")
        await page.locator("#live .again").click()
        await page.wait_for_selector("#live .by-person >> nth=1")

        async def left() -> bool:
            phone = desk.house.graph.state.phones[CUSTOMER.lstrip("+")]
            return [bubble.text for bubble in phone].count("Your parcel is here.") == 1

        await desk.house.until(left, seconds=60)


async def test_the_player_plays_recordings_as_they_are_kept(office: Office) -> None:
    desk, sound = office.desk, bytes([255, 127] * 8_000 * 2)
    await desk.tenant.member("Asha")
    conversation = await desk.conversation()
    call = await ringing(desk, id=f"call_{CUSTOMER[-10:]}")
    over = {"status": CallStatus.COMPLETED.value, "recording_bytes": len(sound)}
    await Calls(desk.house).calls_of(desk.tenant.tenant_id).update(call.id, over)
    desk.app.state.calls.closing = _Recordings(wav_header(2, len(sound)) + sound)
    async with page_in(office.browser, office.base) as page:
        await sign_in(page, desk.tenant.tenant_id, "asha@example.com")
        await page.goto(f"/console/inbox/{conversation.conversation_id}")
        seconds = await page.evaluate(
            """() => new Promise((done, fail) => {
                const player = document.querySelector("audio");
                player.addEventListener("loadedmetadata", () => done(player.duration));
                player.addEventListener("error", () => fail(new Error(player.error.message)));
                player.preload = "auto";
                player.load();
            })"""
        )
    assert seconds == pytest.approx(2.0, abs=0.1)


@dataclass
class _Recordings:
    sound: bytes

    async def recording(self, call: Call) -> bytes:
        return self.sound
