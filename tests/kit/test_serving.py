"""A server is told to stop: it drains first, and is in a hurry only when told twice."""

import asyncio
import signal

import pytest
import uvicorn

from app.kit.serving import DrainingServer

pytestmark = pytest.mark.unit


class Tank:
    def __init__(self) -> None:
        self.asked = 0
        self.empty = asyncio.Event()

    async def drain(self) -> None:
        self.asked += 1
        await self.empty.wait()


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def tank() -> Tank:
    return Tank()


async def test_a_sigterm_waits_until_all_has_run_out(tank: Tank) -> None:
    server = DrainingServer(uvicorn.Config("nowhere:app"), tank.drain)
    server.handle_exit(signal.SIGTERM, None)
    await turn()
    assert tank.asked == 1 and not server.should_exit
    tank.empty.set()
    await turn()
    assert server.should_exit


async def test_a_second_sigterm_or_ctrl_c_does_not_wait(tank: Tank) -> None:
    server = DrainingServer(uvicorn.Config("nowhere:app"), tank.drain)
    server.handle_exit(signal.SIGTERM, None)
    await turn()
    server.handle_exit(signal.SIGTERM, None)
    assert server.should_exit and tank.asked == 1
    hurried = DrainingServer(uvicorn.Config("nowhere:app"), tank.drain)
    hurried.handle_exit(signal.SIGINT, None)
    assert hurried.should_exit and tank.asked == 1
    tank.empty.set()
    await turn()
