"""Five handovers, each from a telephone call to a resolved conversation, with the person's part done in a browser.

Call, template on the phone, the customer's answer, the bot's, then a person takes over, answers and resolves.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.demo.calls import scripts_of
from app.demo.stack import DemoStack
from app.simulate.ringing import ring_all
from app.simulate.verdict import CallReport
from tests.console.chromium import browsing, page_in, picture, sign_in

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(900),
]
PATIENCE_SECONDS = 90.0


@dataclass(frozen=True)
class Handover:
    """What is written on WhatsApp after a call: by the customer, by the person; `letters` are those of the bot."""

    scenario: str
    asks: str
    answers: str
    letters: str


HANDOVERS = [
    Handover("order-status-hindi", "मेरा ऑर्डर 4512 कहाँ है?", "जी, मैंने देख लिया है, कल आ जाएगा।", r"[\u0900-\u097F]"),
    Handover("order-status-tamil", "என் ஆர்டர் எங்கே?", "வணக்கம், நாளைக்குள் வந்துவிடும்.", r"[\u0B80-\u0BFF]"),
    Handover("order-status-telugu", "నా ఆర్డర్ ఎక్కడ ఉంది?", "నమస్తే, రేపటికి వచ్చేస్తుంది అండి.", r"[\u0C00-\u0C7F]"),
    Handover("order-status-english", "Where is my order?", "Good morning, it will reach you tomorrow.", r"[A-Za-z]"),
    Handover(
        "code-switched-hindi-english", "mera order ka status kya hai", "Ji, order kal tak aa jayega.", r"[A-Za-z]"
    ),
]


@dataclass
class Office:
    """The service, the customers' phones, and a browser for the person who answers."""

    stack: DemoStack
    browser: Any
    graph: httpx.AsyncClient
    reports: dict[str, CallReport]

    async def phone(self, number: str) -> list[dict[str, Any]]:
        answer = await self.graph.get(f"/_phone/{number.lstrip('+')}", headers={"Accept": "application/json"})
        shown: list[dict[str, Any]] = answer.raise_for_status().json()["messages"]
        return shown

    async def received(self, number: str, count: int) -> list[dict[str, Any]]:
        """Returns what the business sent, once it is at least so much."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            sent = [bubble for bubble in await self.phone(number) if bubble["from"] == "business"]
            if len(sent) >= count:
                return sent
            assert time.monotonic() < deadline, f"{len(sent)} of {count} messages came: {sent}"
            await asyncio.sleep(0.3)

    async def writes(self, number: str, text: str) -> None:
        reply = {"from": number.lstrip("+"), "text": text}
        (await self.graph.post("/_phone/reply", json=reply)).raise_for_status()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def office(stack: DemoStack) -> AsyncIterator[Office]:
    async with browsing() as browser, httpx.AsyncClient(base_url=stack.tenant.graph_url, timeout=30) as graph:
        scripts = scripts_of([handover.scenario for handover in HANDOVERS])
        async with stack.readback() as readback:
            made = await ring_all(scripts, stack.target, stack.plivo, readback, concurrency=1)
        yield Office(stack, browser, graph, {report.scenario: report for report in made})


def number_of(handover: Handover) -> str:
    return str(scripts_of([handover.scenario])[0].scenario.from_number)


@pytest.mark.parametrize("handover", HANDOVERS, ids=lambda handover: handover.scenario)
async def test_a_call_becomes_a_chat_that_a_person_resolves(office: Office, handover: Handover) -> None:
    number, tenant = number_of(handover), office.stack.tenant
    failed = [check for check in office.reports[handover.scenario].checks if not check.ok]
    assert office.reports[handover.scenario].ok, failed
    [template] = await office.received(number, 1)
    assert template["template"] == "call_handoff"
    await office.writes(number, handover.asks)
    [_, *bots] = await office.received(number, 2)
    assert re.search(handover.letters, bots[0]["text"]) and bots[0]["template"] is None
    async with page_in(office.browser, tenant.url) as page:
        await sign_in(page, tenant.tenant_id, tenant.email, tenant.password)
        await page.locator("[data-search]").fill(number)
        await page.locator(
            f"#list [data-row]:has-text('{number}'), #list [data-row]:has-text('Customer')"
        ).first.click()
        await page.wait_for_selector("#pane[data-conversation] .call audio")
        assert number in await page.locator("#facts").inner_text()
        await page.wait_for_selector(f"#live .message.inbound >> text={handover.asks}")
        await page.wait_for_selector("#live .message.outbound.by-bot")
        assert await page.locator("#composer").get_attribute("data-lock") == "bot"
        await page.locator("#do-take").click()
        await page.wait_for_selector("#composer[data-lock='']")
        before = len(await office.received(number, 2))
        await page.locator("#reply-text").fill(handover.answers)
        await page.locator("[data-composer] button[type=submit]").click()
        await page.wait_for_selector(f"#live .by-person.outbound >> text={handover.answers}")
        assert [bubble["text"] for bubble in await office.received(number, before + 1)][before:] == [handover.answers]
        await page.wait_for_selector("#live .by-person .tick-delivered, #live .by-person .tick-read")
        await office.writes(number, "ok 👍")
        await page.wait_for_selector("#live .message.inbound >> text=ok 👍")
        assert len(await office.received(number, before + 1)) == before + 1, "the bot is silent while a person answers"
        await picture(page, f"handover-{handover.scenario}")
        await page.locator("#do-resolve").click()
        await page.wait_for_selector("#composer[data-lock=closed]")
    found = await _conversations(tenant.url, tenant.api_key, number)
    assert [(row["status"], row["owner"], row["resolved_at"] is not None) for row in found] == [
        ("closed", "person", True)
    ]


async def _conversations(url: str, key: str, number: str) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as http:
        answer = await http.get("/v1/conversations", params={"phone": number})
    rows: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
    return rows
