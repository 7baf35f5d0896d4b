"""Owns every task and timer of one call, so that the end of the call is the end of all of them."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any

import structlog

from app.errors import StageError

_log = structlog.get_logger("calls")


class Lifetime:
    """Tasks and named timers. A task's failure is logged once and handed to `on_failure` as an error code."""

    def __init__(self, on_failure: Callable[[str], Awaitable[None]]) -> None:
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._closed = False
        self._context: Context | None = None

    def inherit(self) -> None:
        """Has every task from here on run in the context of the caller: its ids in logs, its trace."""
        self._context = copy_context()

    @property
    def task_count(self) -> int:
        """How many tasks are alive."""
        return len(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs a task that ends with the call at the latest."""
        if self._closed:
            work.close()
            work = _nothing()
        task = self._loop.create_task(self._guard(work), context=self._context.copy() if self._context else None)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def after(self, name: str, seconds: float, then: Callable[[], Any]) -> None:
        """Calls `then` later; a timer of the same name starts anew."""
        self.cancel(name)
        if not self._closed:
            self._timers[name] = self._loop.call_later(seconds, then)

    def cancel(self, name: str) -> None:
        """Stops a timer, if it runs."""
        if timer := self._timers.pop(name, None):
            timer.cancel()

    async def close(self) -> None:
        """Cancels everything and waits until it is gone."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except StageError as error:
            _log.warning("calls.stage_failed", code=error.code, detail=error.detail)
            await self._on_failure(error.code)
        except Exception:
            _log.exception("calls.task_failed")
            await self._on_failure("internal_error")


async def _nothing() -> None:
    return
