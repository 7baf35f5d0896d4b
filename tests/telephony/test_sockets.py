"""The server's WebSocket protocol: nothing is lost when messages pile up, and reading pauses only then."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from websockets.asyncio.client import connect

from app.telephony.sockets import MOST_WAITING, MediaSocketProtocol

pytestmark = pytest.mark.integration

MESSAGES = 6 * MOST_WAITING


async def test_a_burst_is_taken_in_order_and_pauses_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    paused = 0
    deepest = 0
    done = asyncio.Event()

    original = MediaSocketProtocol.send_receive_event_to_app

    def watched(self: MediaSocketProtocol) -> None:
        nonlocal paused, deepest
        original(self)
        paused += self.read_paused
        deepest = max(deepest, self.queue.qsize())

    monkeypatch.setattr(MediaSocketProtocol, "send_receive_event_to_app", watched)

    async def app(
        scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[dict[str, Any]], Awaitable[None]]
    ) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        await asyncio.sleep(0.2)  # let the burst pile up
        while len(taken) < MESSAGES:
            taken.append((await receive())["text"])
        done.set()

    config = uvicorn.Config(app, log_config=None, lifespan="off", port=0, ws=MediaSocketProtocol)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with connect(f"ws://127.0.0.1:{port}/") as client:
        for number in range(MESSAGES):
            await client.send(f"{number} " + "x" * 200)
        async with asyncio.timeout(10):
            await done.wait()
    server.should_exit = True
    await serving
    assert [int(text.split()[0]) for text in taken] == list(range(MESSAGES))
    assert paused > 0
    assert deepest <= MOST_WAITING + 64 * 1024 // 200
