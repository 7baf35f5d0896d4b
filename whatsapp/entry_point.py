"""Free entry points: 72 hours in which Meta charges nothing, after an answer to who came by an advertisement; pure.

It is a price and no permission: what may be sent is the window's matter alone (`window.py`).

Source: Meta, "Pricing": a user who messages by a Click to WhatsApp ad or a call-to-action button and is answered within
24 hours opens a free entry point; all messages are free for 72 hours from the answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

ANSWER_WITHIN: Final = timedelta(hours=24)
FREE_FOR: Final = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """The newest advertisement or button by which a customer came to a business number.

    Attributes:
        came_at: Meta's time of the message that came by it; None if the customer never came by one.
        source: ad, post ... as Meta names it.
        source_id: Meta's id of it.
        opened_at: Meta's time of the first answer, where that came in time.
        free_before: Until when an earlier one is free, which a newer one does not shorten.
    """

    came_at: datetime | None = None
    source: str | None = None
    source_id: str | None = None
    opened_at: datetime | None = None
    free_before: datetime | None = None

    @property
    def answer_by(self) -> datetime | None:
        """Until when an answer opens it; None: it was answered, or nobody came."""
        return self.came_at + ANSWER_WITHIN if self.came_at is not None and self.opened_at is None else None

    @property
    def free_until(self) -> datetime | None:
        """Until when Meta charges nothing; None: it was never opened."""
        own = self.opened_at + FREE_FOR if self.opened_at is not None else None
        return max(filter(None, (own, self.free_before)), default=None)

    def is_free(self, at: datetime) -> bool:
        """Returns whether Meta charges nothing for a message delivered at `at` (aware UTC)."""
        return self.free_until is not None and at < self.free_until


def referred(message: Mapping[str, Any]) -> tuple[str, str] | None:
    """Returns source and id of the advertisement or button that a message came by; None: it came by none."""
    told = message.get("referral")
    if not isinstance(told, Mapping):
        return None
    source, source_id = told.get("source_type"), told.get("source_id")
    return (source, str(source_id or "")) if isinstance(source, str) and source else None


def came(point: EntryPoint, sent_at: datetime, source: str, source_id: str, now: datetime) -> EntryPoint:
    """Returns the entry point after a message that came by one; older and repeated ones change nothing.

    Args:
        point: What was known.
        sent_at: Meta's time of the message, aware UTC.
        source: ad, post ...
        source_id: Meta's id of it.
        now: Arrival; a time after it is cut back to it.
    """
    moment = min(sent_at, now)
    if point.came_at is not None and moment <= point.came_at:
        return point
    return EntryPoint(moment, source, source_id, None, point.free_until)


def answered(point: EntryPoint, at: datetime) -> EntryPoint:
    """Returns the entry point after a message of ours that left at `at`, Meta's time: the first in time opens it."""
    if point.came_at is None or not point.came_at <= at < point.came_at + ANSWER_WITHIN:
        return point
    if point.opened_at is not None and point.opened_at <= at:
        return point
    return replace(point, opened_at=at)
