"""Reads of tenants' systems, each made once: kept for its seconds, and shared while it is under way."""

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine, Mapping
from typing import Any, Final

import orjson

from app.integrations.http_calls import Endpoint, HttpCalls, Outcome
from app.kit.clock import Clock

_MOST_KEPT: Final = 5_000
_Key = tuple[str, str, bytes]


class Reads:
    """Shared by all calls of a process; holds answers in memory only.

    A thought that is thrown away does not stop its read: the next thought finds it done.
    """

    def __init__(self, calls: HttpCalls, clock: Clock) -> None:
        self._calls = calls
        self._clock = clock
        self._kept: OrderedDict[_Key, tuple[float, Outcome]] = OrderedDict()
        self._running: dict[_Key, asyncio.Task[Outcome]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def read(self, tenant_id: str, endpoint: Endpoint, arguments: Mapping[str, Any]) -> tuple[Outcome, bool]:
        """Returns what the system answers, and whether that had been kept; see `HttpCalls.send`."""
        key = (tenant_id, f"{endpoint.method} {endpoint.url}", _canonical(endpoint, arguments))
        kept = self._kept.get(key)
        if kept is not None and self._clock.monotonic() < kept[0]:
            return kept[1], True
        running = self._running.get(key)
        if running is None:
            running = self.own(self._read(key, tenant_id, endpoint, arguments))
            self._running[key] = running
            running.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(running), False

    def own(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Runs work that outlives whoever wants it; it ends with the process."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    def forget(self, tenant_id: str) -> None:
        """Drops what is kept of a tenant's systems: something was written there."""
        for key in [key for key in self._kept if key[0] == tenant_id]:
            del self._kept[key]

    async def aclose(self) -> None:
        """Cancels what is under way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self, key: _Key, tenant_id: str, endpoint: Endpoint, arguments: Mapping[str, Any]) -> Outcome:
        outcome = await self._calls.send(tenant_id, endpoint, arguments)
        if outcome.ok and endpoint.cache_seconds:
            self._kept[key] = (self._clock.monotonic() + endpoint.cache_seconds, outcome)
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return outcome


def _canonical(endpoint: Endpoint, arguments: Mapping[str, Any]) -> bytes:
    return orjson.dumps([endpoint.contract.name, dict(arguments)], option=orjson.OPT_SORT_KEYS)
