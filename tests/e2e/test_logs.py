"""What the processes log of a call: enough to follow it, and nothing that a caller said, keyed or is known by."""

import re

import pytest

from app.demo.calls import scripts_of
from app.demo.stack import DemoStack
from app.simulate.ringing import ring

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]


async def test_the_logs_of_a_call_name_the_call_and_no_person(stack: DemoStack) -> None:
    (script,) = scripts_of(["refund-with-pin"])
    async with stack.readback() as readback:
        report = await ring(script, stack.target, stack.plivo, readback)
        row = await readback.find_call(report.outcome.carrier_call_id)
        turns = await readback.events(row["id"]) if row is not None else []
    assert row is not None and report.ok, report.outcome.complaints
    assert stack.worker is not None
    logs = "\n".join(child.log.read_text(errors="replace") for child in (stack.server, stack.worker))
    assert row["id"] in logs and "tenant_id" in logs
    number = script.scenario.from_number.removeprefix("+")
    said = [event["data"]["text"] for event in turns if event["kind"] in ("caller_turn", "agent_turn")]
    words = [text for text in said if len(text.split()) > 2]
    assert words
    personal = [number, number.removeprefix("91"), stack.tenant.api_key, stack.operator_key, *words]
    assert [text for text in personal if text in logs] == []
    assert not re.search(r"(?<![0-9A-Za-z.:_-])(4321|6127)(?![0-9A-Za-z.:_-])", logs), "a key that was pressed"
