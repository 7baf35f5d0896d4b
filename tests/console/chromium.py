"""A real browser for the console's tests: the machine's Chromium by Playwright; without one they are skipped."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

SCREENSHOTS = Path("build/screenshots")
WAIT_MS = 45_000
"""For a slow machine; nothing waits longer than it must."""
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


def executable() -> str:
    """Returns where Chromium is; skips the test where there is none."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("no Chromium on this machine: install one, or name it in CHROMIUM")
    return found


@asynccontextmanager
async def browsing() -> AsyncIterator[Any]:
    """Yields a headless browser."""
    playwright = pytest.importorskip("playwright.async_api", reason="Playwright is not installed")
    where = executable()
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=where, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def page_in(browser: Any, base: str, **options: Any) -> AsyncIterator[Any]:
    """Yields a page of a fresh profile; what its console calls an error fails the test."""
    context = await browser.new_context(base_url=base, **(options or DESK))
    context.set_default_timeout(WAIT_MS)
    page, errors = await context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    try:
        yield page
    finally:
        await context.close()
    wrong = [line for line in errors if "the server responded with a status of 4" not in line]
    assert wrong == [], wrong


async def sign_in(page: Any, tenant_id: str, email: str, password: str = "a sentence is a good one") -> None:
    """Fills the form in, as a person does."""
    await page.goto("/console/inbox")
    await page.locator("input[name=tenant]").fill(tenant_id)
    await page.locator("input[name=email]").fill(email)
    await page.locator("input[name=password]").fill(password)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/console/inbox")
    await page.wait_for_selector("body[data-live=true]")


async def picture(page: Any, name: str) -> None:
    """Keeps what the page looks like."""
    shot = await page.screenshot(caret="initial", path=str(SCREENSHOTS / f"{name}.png"))
    assert len(shot) > 5_000, "a page that shows nothing"
