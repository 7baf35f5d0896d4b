"""The kill switch on three live calls at once: each is handed over, aloud, in its language; new calls are refused."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.demo.calls import scripts_of
from app.demo.children import Child, free_port
from app.demo.stack import DemoStack
from app.simulate.carrier import SimulatedCall
from app.simulate.ringing import Target, renumbered, ring
from app.simulate.scenario import Expect, Step
from app.simulate.verdict import CallReport
from app.simulate.voices import Script
from tests.packs import shipped_packs

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

PACKS = {pack.tag: pack for pack in shipped_packs().packs}
PERSON = "+918049999777"
PATIENCE_SECONDS = 90.0


@dataclass
class Line:
    """An agent of its own, how it is switched off, and what its caller must then hear."""

    tag: str
    scenario: str
    mode: str
    sentence: str
    number: str
    agent_id: str = ""
    calls: list[SimulatedCall] = field(default_factory=list)

    def script(self) -> Script:
        """The scenario's first words, spoken a moment after the opening; then the caller listens to the end."""
        (script,) = scripts_of([self.scenario])
        scenario = script.scenario
        says = scenario.steps[0].model_copy(update={"pause_ms": 2_000})
        steps = (says, Step(wait_for="call_ended"))
        changed = scenario.model_copy(
            update={"steps": steps, "replies": (), "expect": Expect(longest_seconds=60), "patience_seconds": 60}
        )
        return renumbered(Script(changed, (script.steps[0], None), (script.again[0], None), ()), 700)

    def target(self, stack: DemoStack, url: str | None = None) -> Target:
        return Target(url or stack.tenant.url, self.number, stack.tenant.auth_id)


LINES = [
    Line("te-IN", "order-status-telugu", "transfer_only", "transfer_to_person", "+918049999701"),
    Line("ta-IN", "order-status-tamil", "whatsapp_only", "handoff_whatsapp_done", "+918049999702"),
    Line("hi-IN", "order-status-hindi", "stop", "no_person_available", "+918049999703"),
]


async def ok(http: httpx.AsyncClient, method: str, path: str, **body: Any) -> Any:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    answer = await http.request(method, path, json=body or None, headers=headers)
    assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def http(stack: DemoStack) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {stack.tenant.api_key}"}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=30, trust_env=False) as client:
        for line in LINES:
            agent = await ok(
                client,
                "POST",
                "/v1/agents",
                name=f"Switched, {line.tag}",
                entity_name="Sundar Stores",
                languages=[line.tag],
                default_language=line.tag,
                transfer_number=PERSON,
            )
            line.agent_id = agent["id"]
            await ok(client, "POST", "/v1/phone-numbers", number=line.number, agent_id=line.agent_id)
            await ok(client, "POST", f"/v1/agents/{line.agent_id}/go-live")
            consent = {"channel": "whatsapp", "purpose": "service", "decision": "granted", "source": "web"}
            given = {"artefact_sha256": "cd" * 32, "given_at": datetime.now(UTC).isoformat()}
            await ok(client, "POST", "/v1/consents", phone=line.script().scenario.from_number, **consent, **given)
        yield client


async def silent_after_the_opening(call: SimulatedCall) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (call.heard and time.monotonic() - call.heard[-1].at > 0.5):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def switched_off(stack: DemoStack, http: httpx.AsyncClient, line: Line) -> tuple[CallReport, float]:
    """Rings, sets the switch while the caller is about to speak, and lives the call to its end."""
    async with stack.readback() as readback:
        living = ring(line.script(), line.target(stack), stack.plivo, readback, on_call=line.calls.append)
        ringing = asyncio.create_task(living)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not line.calls:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await silent_after_the_opening(line.calls[0])
        await ok(http, "PUT", f"/v1/agents/{line.agent_id}/kill-switch", mode=line.mode, reason="wrong prices")
        set_at = time.monotonic()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while line.calls[0].live and line.calls[0].transferred_to is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        if line.calls[0].live:
            await line.calls[0].hang_up()
        return await ringing, set_at


async def agent_turns(stack: DemoStack, report: CallReport) -> list[dict[str, Any]]:
    assert report.call_id is not None
    async with stack.readback() as readback:
        return [event["data"] for event in await readback.events(report.call_id) if event["kind"] == "agent_turn"]


async def test_live_calls_are_handed_over_aloud_in_their_language_at_the_next_turn(
    stack: DemoStack, http: httpx.AsyncClient
) -> None:
    done = await asyncio.gather(*(switched_off(stack, http, line) for line in LINES))
    for line, (report, set_at) in zip(LINES, done, strict=True):
        (call,) = line.calls
        place = f"{line.tag} {line.mode}: {report.lines}"
        assert call.first_heard_after(set_at) is not None, f"{place}: nothing was heard any more"
        turns = await agent_turns(stack, report)
        spoken = [index for index, turn in enumerate(turns) if turn["text"] in PACKS[line.tag].responses[line.sentence]]
        assert spoken and turns[spoken[0]]["language"] == line.tag, place
        assert turns[spoken[0]].get("heard_ms", 0) > 500, f"{place}: the sentence was not played"
        assert len(turns) - spoken[0] <= 2, f"{place}: the agent went on"
        assert call.faults == [], place
    transferred, moved, stopped = (line.calls[0] for line in LINES)
    assert transferred.transferred_to is not None and PERSON.lstrip("+") in transferred.transferred_to
    assert moved.transferred_to is None and stopped.transferred_to is None
    assert stopped.ending is not None and stopped.ending.source != "Caller", "the agent ended it"
    audit = (await http.get("/v1/audit-entries", params={"limit": 100})).json()["data"]
    set_for = {entry["target"]: entry["data"]["mode"] for entry in audit if entry["action"] == "kill_switch.set"}
    assert {line.agent_id: line.mode for line in LINES}.items() <= set_for.items()


async def refused(stack: DemoStack, line: Line, url: str | None = None) -> bool:
    calls: list[SimulatedCall] = []
    await ring(line.script(), line.target(stack, url), stack.plivo, None, on_call=calls.append)
    return calls[0].heard == [] and calls[0].ending is not None and calls[0].ending.status == "failed"


async def test_new_calls_of_a_stopped_agent_are_refused_at_once(stack: DemoStack, http: httpx.AsyncClient) -> None:
    line = LINES[2]
    started = time.monotonic()
    assert await refused(stack, line)
    assert time.monotonic() - started < 10


@pytest.mark.slow
async def test_a_server_that_starts_later_keeps_to_the_switch(
    stack: DemoStack, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {**stack.server_environment, "VAANISETU_PORT": str(port), "VAANISETU_PUBLIC_URL": url}
    later = Child("later-server", ["serve"], environment, tmp_path)
    try:
        await later.answers(f"{url}/readyz", 120)
        assert await refused(stack, LINES[2], url)
        await ok(http, "PUT", f"/v1/agents/{LINES[2].agent_id}/kill-switch", mode="off", reason="prices are right")
        (script,) = scripts_of(["silent-caller"])
        report = await ring(renumbered(script, 701), LINES[2].target(stack, url), stack.plivo, None)
        assert report.outcome.agent_seconds > 1, "once it is lifted, the same agent answers"
    finally:
        await later.stop()
