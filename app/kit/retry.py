"""Repeats what a busy or restarting store may accept a moment later, for no longer than its caller can wait."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from app.errors import AppError, Unavailable

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 2.0

T = TypeVar("T")


async def until_done(work: Callable[[], Awaitable[T]], *, by: float | None) -> T:
    """Returns what `work` returns, repeating it with growing pauses while its error is retryable.

    Args:
        work: Must be safe to repeat.
        by: When to give up, in the running loop's time; None never does.

    Raises:
        AppError: A failure that repeating cannot mend, or the last one when the time is up.
    """
    last: AppError = Unavailable("no answer in the time there was")
    pause_seconds = FIRST_PAUSE_SECONDS
    try:
        async with asyncio.timeout_at(by):
            while True:
                try:
                    return await work()
                except AppError as error:
                    if not error.retryable:
                        raise
                    last = error
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
    except TimeoutError as error:
        raise last from error
