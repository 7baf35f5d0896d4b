"""What goes wrong in the middle of a call: a speech worker dies, a caller leaves."""

import asyncio
import time
from collections.abc import Callable

import httpx
import psutil
import pytest

from app.demo.calls import scripts_of
from app.demo.stack import DemoStack
from app.simulate.carrier import SimulatedCall
from app.simulate.readback import Readback
from app.simulate.ringing import renumbered, ring
from app.simulate.scenario import Expect, Step
from app.simulate.voices import Script

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]


def listener_of(stack: DemoStack) -> psutil.Process:
    children = psutil.Process(stack.server.pid).children(recursive=True)
    return next(child for child in children if "listen" in child.cmdline())


async def until(true: Callable[[], bool], seconds: float) -> None:
    """Waits until something is true, `seconds` at the longest."""
    for _ in range(round(seconds / 0.01)):
        if true():
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"not within {seconds} s")


async def quiet(call: SimulatedCall) -> None:
    """Waits until the agent has spoken and fallen silent."""
    await until(lambda: call.heard != [] and time.monotonic() - call.heard[-1].at > 0.7, 60)


async def open_streams(stack: DemoStack) -> float:
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"{stack.url}/metrics")).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("vaanisetu_streams_open "))


def patient(script: Script) -> Script:
    """The keypad call, but the caller hears the apology out before the first word."""
    scenario = script.scenario
    steps = (Step(wait_for="agent_done", pause_ms=3_000), *scenario.steps)
    expect = Expect(heard=("रास्ते में है",), intents=("order_status",), events=("stage_failed",))
    changed = scenario.model_copy(update={"steps": steps, "expect": expect})
    return Script(changed, (None, *script.steps), (None, *script.again), script.replies)


async def test_a_killed_speech_worker_is_apologised_for_restarted_and_the_call_goes_on(stack: DemoStack) -> None:
    (script,) = scripts_of(["keypad-order"])
    calls: list[SimulatedCall] = []
    before = listener_of(stack).pid
    async with stack.readback() as readback:
        ringing = asyncio.create_task(
            ring(renumbered(patient(script), 500), stack.target, stack.plivo, readback, on_call=calls.append)
        )
        await until(lambda: calls != [], 10)
        await quiet(calls[0])
        psutil.Process(before).kill()
        killed_at = time.monotonic()
        await until(lambda: calls[0].first_heard_after(killed_at) is not None, 4)
        report = await ringing
    heard = calls[0].first_heard_after(killed_at)
    assert heard is not None and heard.at - killed_at < 2.0
    assert listener_of(stack).pid != before
    failed = [check for check in report.checks if not check.ok]
    assert report.ok, f"{report.outcome.complaints}\n{failed}\n{report.lines}"


async def ended_at(readback: Readback, carrier_call_id: str) -> str | None:
    row = await readback.find_call(carrier_call_id)
    return row["ended_at"] if row else None


async def test_a_caller_who_leaves_in_mid_sentence_is_released_within_a_second(stack: DemoStack) -> None:
    (script,) = scripts_of(["hang-up-mid-sentence"])
    calls: list[SimulatedCall] = []
    async with stack.readback() as readback:
        ringing = asyncio.create_task(
            ring(renumbered(script, 500), stack.target, stack.plivo, None, on_call=calls.append)
        )
        await until(lambda: calls != [] and calls[0].ending is not None, 60)
        left_at = time.monotonic()
        for _ in range(100):
            if await open_streams(stack) == 0 and await ended_at(readback, calls[0].call_id) is not None:
                break
            await asyncio.sleep(0.02)
        released = time.monotonic() - left_at
        report = await ringing
    assert report.ok and report.outcome.ended_by == "caller"
    assert released < 1.0


@pytest.mark.slow
async def test_a_call_goes_on_and_ends_while_redis_hangs_and_jobs_run_again_afterwards(stack: DemoStack) -> None:
    (script,) = scripts_of(["hang-up-mid-sentence"])
    calls: list[SimulatedCall] = []
    redis = psutil.Process(int((stack._settings.data_dir / "redis.pid").read_text().split()[0]))
    ringing = asyncio.create_task(ring(renumbered(script, 900), stack.target, stack.plivo, None, on_call=calls.append))
    await until(lambda: calls != [] and calls[0].heard != [], 60)
    redis.suspend()
    try:
        before = len(calls[0].heard)
        await until(lambda: len(calls[0].heard) > before + 20, 30)
        await until(lambda: calls[0].ending is not None, 60)
    finally:
        redis.resume()
    await ringing
    async with stack.readback() as readback, asyncio.timeout(90):
        while await ended_at(readback, calls[0].call_id) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        row = await readback.find_call(calls[0].call_id)
        events = await readback.events(row["id"]) if row is not None else []
    assert events[0]["kind"] == "started" and events[-1]["kind"] == "ended"
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    async with httpx.AsyncClient(trust_env=False) as http, asyncio.timeout(90):
        while (await http.get(f"{stack.url}/readyz")).json()["workers"] != "ok":  # noqa: ASYNC110
            await asyncio.sleep(0.2)


@pytest.mark.slow
async def test_a_call_goes_on_and_ends_while_the_store_hangs_and_is_written_down_afterwards(stack: DemoStack) -> None:
    (script,) = scripts_of(["hang-up-mid-sentence"])
    calls: list[SimulatedCall] = []
    data_dir = stack._settings.data_dir
    store = psutil.Process(int((data_dir / "mongo.pid").read_text().split()[0]))

    def spooled() -> bool:
        return any((data_dir / "spool").glob("*/*.sealed"))

    ringing = asyncio.create_task(ring(renumbered(script, 700), stack.target, stack.plivo, None, on_call=calls.append))
    await until(lambda: calls != [] and calls[0].heard != [], 60)
    store.suspend()
    try:
        before = len(calls[0].heard)
        await until(lambda: len(calls[0].heard) > before + 20, 30)
        await until(lambda: calls[0].ending is not None, 60)
        await until(spooled, 60)
    finally:
        store.resume()
    await ringing
    await until(lambda: not spooled(), 60)
    async with stack.readback() as readback:
        row = await readback.find_call(calls[0].call_id)
        events = await readback.events(row["id"]) if row is not None else []
    assert row is not None and row["ended_at"] is not None
    assert events[0]["kind"] == "started" and events[-1]["kind"] == "ended"
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
