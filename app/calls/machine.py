"""An answering machine on the line: its greeting is let pass, then the session leaves the message."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from app.calls.lifetime import Lifetime
from app.calls.turns import TurnEvent, TurnEventKind, TurnTaker

QUIET_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 45.0
_LOOK_SECONDS: Final = 0.1


class MachineGreeting:
    """Nothing that is heard while it runs is a turn of a person."""

    __slots__ = ("_life", "_loop", "_over", "is_running", "noticed")

    def __init__(self, life: Lifetime, over: Callable[[str], Awaitable[None]]) -> None:
        """Creates one that has not begun.

        Args:
            life: Owns the wait.
            over: Leaves the message; takes the number to call back, E.164.
        """
        self._life = life
        self._loop = asyncio.get_running_loop()
        self._over = over
        self.noticed = False
        self.is_running = False

    def begin(self, number: str, taker: Callable[[], TurnTaker]) -> None:
        """Waits for a second of silence, `LONGEST_SECONDS` at most, then says that it is over.

        Args:
            number: Where to call back.
            taker: Who hears whether somebody speaks.
        """
        self.noticed = self.is_running = True
        self._life.spawn(self._wait(number, taker))

    def hear(self, event: TurnEvent, taker: TurnTaker) -> None:
        """Takes what the turn taker noticed: an end of speech, not a turn."""
        if event.kind in (TurnEventKind.ENDED, TurnEventKind.FALSE_ALARM):
            taker.reset()

    async def _wait(self, number: str, taker: Callable[[], TurnTaker]) -> None:
        begun = quiet_since = self._loop.time()
        while (now := self._loop.time()) - quiet_since < QUIET_SECONDS and now - begun < LONGEST_SECONDS:
            await asyncio.sleep(_LOOK_SECONDS)
            if taker().in_voice:
                quiet_since = self._loop.time()
        taker().reset()
        self.is_running = False
        await self._over(number)
