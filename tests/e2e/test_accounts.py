"""Calls that need proof of who calls, and a call that changes something, with real audio against the whole service."""

import pytest
import pytest_asyncio

from app.demo.calls import scripts_of
from app.demo.stack import DemoStack
from app.simulate.ringing import ring_all
from app.simulate.verdict import CallReport

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

VERIFIED, WRITTEN = "refund-with-pin", "cancel-order-english"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reports(stack: DemoStack) -> dict[str, CallReport]:
    async with stack.readback() as readback:
        made = await ring_all(scripts_of([VERIFIED, WRITTEN]), stack.target, stack.plivo, readback, concurrency=2)
    return {report.scenario: report for report in made}


def story(report: CallReport) -> str:
    return "\n".join(f"{line.at_ms / 1000:7.2f} {line.author} {line.text} [{line.note}]" for line in report.lines)


def place(report: CallReport, words: str) -> int:
    """Returns the first line of the agent that holds some words."""
    return next(n for n, line in enumerate(report.lines) if line.author == "agent" and words in line.text.lower())


@pytest.mark.parametrize("name", [VERIFIED, WRITTEN])
async def test_the_call_reaches_its_goal(reports: dict[str, CallReport], name: str) -> None:
    report = reports[name]
    failed = [check for check in report.checks if not check.ok]
    assert report.ok, f"{report.outcome.complaints}\n{failed}\n{story(report)}"


async def test_no_amount_is_said_before_the_pin_and_the_pin_is_nowhere(reports: dict[str, CallReport]) -> None:
    report = reports[VERIFIED]
    assert place(report, "pin") < place(report, "refund of"), story(report)
    assert any(line.author == "caller" for line in report.lines)
    assert not any("4321" in line.text for line in report.lines), story(report)


async def test_nothing_is_done_before_the_yes(reports: dict[str, CallReport]) -> None:
    report = reports[WRITTEN]
    assert place(report, "cancel order") < place(report, "is cancelled"), story(report)
