"""The 24-hour customer service window: when free text may be sent; pure arithmetic on Meta's timestamps.

Source: Meta, "Send messages": a window opens when a WhatsApp user messages the business and lasts 24 hours from that
message. A telephone call, our own messages, statuses and system messages never open it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

WINDOW = timedelta(hours=24)
SAFETY = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Window:
    """The window of one user towards one business number.

    Attributes:
        last_inbound_at: Meta's time of the newest qualifying message; None if the user never wrote.
        closed_by_meta_at: When Meta last refused a free text (131047); a later message opens the window again.
        clamped: Whether a timestamp from the future had to be cut back to the present.
    """

    last_inbound_at: datetime | None = None
    closed_by_meta_at: datetime | None = None
    clamped: bool = False

    @property
    def expires_at(self) -> datetime | None:
        """The last moment at which free text may be sent, a minute before Meta's own limit; None if never opened."""
        if self.last_inbound_at is None:
            return None
        if self.closed_by_meta_at is not None and self.closed_by_meta_at >= self.last_inbound_at:
            return self.closed_by_meta_at
        return self.last_inbound_at + WINDOW - SAFETY

    def is_open(self, now: datetime) -> bool:
        """Returns whether free text may be sent at `now` (aware UTC)."""
        expires_at = self.expires_at
        return expires_at is not None and now < expires_at


def opened(window: Window, sent_at: datetime, now: datetime) -> Window:
    """Returns the window after a qualifying message; older or repeated messages never shorten it.

    Args:
        window: What was known.
        sent_at: Meta's timestamp of the message, aware UTC.
        now: Arrival time, aware UTC; a timestamp after it is cut back to it and flagged.
    """
    clamped = sent_at > now
    moment = min(sent_at, now)
    if window.last_inbound_at is not None and moment <= window.last_inbound_at:
        return window
    return Window(moment, window.closed_by_meta_at, window.clamped or clamped)


def closed_by_meta(window: Window, now: datetime) -> Window:
    """Returns the window after Meta refused a free text as outside of it (131047)."""
    return Window(window.last_inbound_at, now, window.clamped)


def meta_time(value: str) -> datetime:
    """Reads a webhook's `timestamp`, seconds since 1970 as a string of digits.

    Raises:
        ValueError: Not a number, or outside of what a date may be.
    """
    try:
        return datetime.fromtimestamp(int(value), UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"timestamp {value!r} is no date") from error
