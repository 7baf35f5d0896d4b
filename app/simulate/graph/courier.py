"""Carries the Graph stand-in's webhooks to the business: signed, repeated until taken, late or twice if asked."""

import asyncio
import json
from collections.abc import Callable
from typing import Final

import httpx
import structlog

from app.kit.tls import trusted
from app.simulate.graph.config import Sky

_log = structlog.get_logger(__name__)
_PAUSES_SECONDS: Final = (0.2, 1.0, 3.0, 10.0, 60.0)
_GIVEN_UP_SECONDS: Final = 7 * 86_400
_MOST_HELD: Final = 50
_HELD_SECONDS: Final = 0.3


class Courier:
    """One way to the business. An update that is not answered with 200 comes again, for seven days."""

    def __init__(
        self,
        updates: Callable[[], asyncio.Queue[bytes]],
        address: Callable[[], str | None],
        sign: Callable[[bytes], str],
        sky: Sky,
    ) -> None:
        """Takes what may change while it runs as functions.

        Args:
            updates: The queue of what is to be told.
            address: Where it goes; None: nowhere.
            sign: Returns the value of X-Hub-Signature-256.
            sky: What goes wrong on the way.
        """
        self._updates = updates
        self._address = address
        self._sign = sign
        self._sky = sky
        self._held: list[bytes] = []

    async def run(self) -> None:
        """Delivers until it is cancelled."""
        async with httpx.AsyncClient(timeout=5.0, verify=trusted()) as client, asyncio.TaskGroup() as group:
            while True:
                raw = await self._next()
                if raw is None:
                    continue
                for _ in range(2 if self._sky.strikes(self._sky.weather.duplicates) else 1):
                    if not await self._post(client, raw):
                        group.create_task(self._repeat(client, raw))

    async def _next(self) -> bytes | None:
        """Returns what goes next; None: it was held back, so that later ones overtake it."""
        if not self._held:
            raw = await self._updates().get()
        else:
            try:
                raw = await asyncio.wait_for(self._updates().get(), _HELD_SECONDS)
            except TimeoutError:
                return self._held.pop(self._sky.pick(len(self._held)))
        if len(self._held) < _MOST_HELD and self._sky.strikes(self._sky.weather.reordered):
            self._held.append(raw)
            return None
        return self._batched(raw)

    def _batched(self, raw: bytes) -> bytes:
        waiting = self._updates()
        if self._sky.weather.batch == 1 or waiting.empty():
            return raw
        whole = json.loads(raw)
        while not waiting.empty() and len(whole["entry"]) < self._sky.weather.batch:
            whole["entry"] += json.loads(waiting.get_nowait())["entry"]
        return json.dumps(whole).encode()

    async def _repeat(self, client: httpx.AsyncClient, raw: bytes) -> None:
        waited, attempt = 0.0, 0
        while waited < _GIVEN_UP_SECONDS:
            pause = _PAUSES_SECONDS[min(attempt, len(_PAUSES_SECONDS) - 1)]
            await asyncio.sleep(pause)
            if await self._post(client, raw):
                return
            waited, attempt = waited + pause, attempt + 1

    async def _post(self, client: httpx.AsyncClient, raw: bytes) -> bool:
        address = self._address()
        if address is None:
            return True
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": self._sign(raw)}
        try:
            answer = await client.post(address, content=raw, headers=headers)
        except httpx.HTTPError as error:
            _log.warning("graph.webhook_failed", reason=type(error).__name__)
            return False
        return answer.status_code == 200
