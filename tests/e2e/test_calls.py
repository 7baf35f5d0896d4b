"""Simulated calls with real audio against the whole service; several at once, then each judged by itself."""

import pytest
import pytest_asyncio

from app.demo.calls import scripts_of
from app.demo.stack import DemoStack
from app.simulate.report import barge_in_times, reply_times
from app.simulate.ringing import ring_all
from app.simulate.verdict import CallReport

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

SCENARIOS = ["order-status-hindi", "stop-contact", "barge-in"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reports(stack: DemoStack) -> dict[str, CallReport]:
    async with stack.readback() as readback:
        made = await ring_all(scripts_of(SCENARIOS), stack.target, stack.plivo, readback, concurrency=len(SCENARIOS))
    return {report.scenario: report for report in made}


@pytest.mark.parametrize("name", SCENARIOS)
async def test_the_call_reaches_its_goal(reports: dict[str, CallReport], name: str) -> None:
    report = reports[name]
    story = "\n".join(f"{line.at_ms / 1000:7.2f} {line.author} {line.text} [{line.note}]" for line in report.lines)
    failed = [check for check in report.checks if not check.ok]
    assert report.ok, f"{report.outcome.complaints}\n{failed}\n{story}"


async def test_an_interruption_stops_the_agent_at_the_carrier(reports: dict[str, CallReport]) -> None:
    times = barge_in_times([reports["barge-in"]])
    assert times and max(times) < 600


async def test_replies_come_while_the_caller_still_listens(reports: dict[str, CallReport]) -> None:
    times = reply_times(list(reports.values()))
    assert len(times) >= 4 and max(times) < 3_000


async def test_the_carriers_rules_were_kept(reports: dict[str, CallReport], stack: DemoStack) -> None:
    assert [call.faults for call in stack.plivo.calls.values() if call.faults] == []
