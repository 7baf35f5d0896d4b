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
    """The machine's clock. Wall time comes in whole milliseconds, as the store keeps it."""

    def now(self) -> datetime:
        """Returns the current aware UTC time."""
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1_000 * 1_000)

    def monotonic(self) -> float:
        """Returns seconds on a clock that never goes back."""
        return time.monotonic()
