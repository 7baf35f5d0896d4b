"""A server is told to stop in the middle of a call: it says so, lets the call reach its goal, and ends."""

import asyncio
import shutil
from pathlib import Path

import httpx
import psutil
import pytest

from app.config import Settings
from app.demo.calls import scripts_of
from app.demo.stack import DemoStack
from app.simulate.carrier import SimulatedCall
from app.simulate.ringing import ring

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]


async def test_a_live_call_reaches_its_goal_before_the_server_ends(stack: DemoStack, tmp_path: Path) -> None:
    shutil.copytree(stack._settings.data_dir / "models", tmp_path / "models")
    (script,) = scripts_of(["order-status-english"])
    calls: list[SimulatedCall] = []
    environment = {"VAANISETU_DRAIN_SECONDS": "120"}
    async with DemoStack(Settings(data_dir=tmp_path), with_worker=False, environment=environment) as other:
        ringing = asyncio.create_task(ring(script, other.target, other.plivo, None, on_call=calls.append))
        async with asyncio.timeout(60):
            while not (calls and calls[0].heard):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        heard = len(calls[0].heard)
        psutil.Process(other.server.pid).terminate()
        async with httpx.AsyncClient(trust_env=False) as http, asyncio.timeout(30):
            while (answer := await http.get(f"{other.url}/readyz")).json()["calls"] == "ok":  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert answer.status_code == 503
        report = await ringing
        assert report.outcome.complaints == () and report.outcome.ended_by == "caller"
        assert len(calls[0].heard) > heard + 100, "it went on for seconds"
        async with asyncio.timeout(60):
            while other.server.alive:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
