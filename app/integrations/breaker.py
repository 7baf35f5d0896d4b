"""The circuit breaker of one tenant's tool: closed, open after failures in a row, half open for one trial."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

FAILURES_TO_OPEN: Final = 5
OPEN_SECONDS: Final = 10.0
MOST_OPEN_SECONDS: Final = 120.0


class BreakerState(StrEnum):
    """Whether calls are made."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(slots=True)
class Breaker:
    """Stops calling a system that fails: five failures in a row open it for ten seconds, then one trial decides.

    A trial that fails opens it for twice as long as before, two minutes at most. Times are monotonic seconds.
    """

    failures: int = 0
    open_until: float = 0.0
    open_seconds: float = OPEN_SECONDS
    trial: bool = False

    def state(self, now: float) -> BreakerState:
        """Returns the state at `now`."""
        if self.failures < FAILURES_TO_OPEN:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self.open_until else BreakerState.HALF_OPEN

    def allows(self, now: float) -> bool:
        """Returns whether a call may be made; a trial holds others back until it is decided, or lost for as long."""
        state = self.state(now)
        if state is BreakerState.HALF_OPEN:
            self.trial = True
            self.open_until = now + self.open_seconds
        return state is not BreakerState.OPEN

    def record(self, ok: bool, now: float) -> None:
        """Takes the outcome of a call that was allowed."""
        if ok:
            self.failures, self.open_seconds, self.trial = 0, OPEN_SECONDS, False
            return
        self.failures += 1
        if self.failures < FAILURES_TO_OPEN:
            return
        if self.trial:
            self.open_seconds = min(self.open_seconds * 2, MOST_OPEN_SECONDS)
        self.trial = False
        self.open_until = now + self.open_seconds
