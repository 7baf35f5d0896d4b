"""The one source of time, injected everywhere so that tests may turn it."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time for records, monotonic time for durations."""

    def now(self) -> datetime:
        """Returns the current aware UTC time."""
        ...

    def monotonic(self) -> float:
        """Returns seconds on a clock that never goes back."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Returns the current aware UTC time."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Returns seconds on a clock that never goes back."""
        return time.monotonic()
