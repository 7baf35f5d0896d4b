"""When an answer is due: so many minutes of the hours at which people are there; `due` is pure."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from app.conversations.settings import SettingsStore
from app.dialogue.hours import BusinessHours
from app.kit.mongo import Database

_DAYS_AHEAD: Final = 9
_MOST_SPANS: Final = 100


def due(hours: BusinessHours, start: datetime, minutes: int) -> datetime:
    """Returns when `minutes` of working time have passed since `start`.

    Args:
        hours: When people are there; no days at all means always.
        start: Aware.
        minutes: At least 0.

    Returns:
        Aware UTC.
    """
    at, left = opening(hours, start), timedelta(minutes=minutes)
    for _ in range(_MOST_SPANS):
        closes = closing(hours, at)
        if closes is None or at + left <= closes:
            break
        left -= closes - at
        at = opening(hours, closes)
    return at + left


def opening(hours: BusinessHours, at: datetime) -> datetime:
    """Returns `at` if people are there, else when they next are; aware UTC."""
    at = at.astimezone(UTC)
    if hours.is_open(at):
        return at
    return min(moment for moment in _moments(hours, at, "opens") if moment > at)


def closing(hours: BusinessHours, at: datetime) -> datetime | None:
    """Returns when people who are there at `at` next leave (aware UTC); None: they are there round the clock."""
    ends = sorted(moment for moment in _moments(hours, at, "closes") if moment > at)
    return next((moment for moment in ends if not hours.is_open(moment)), None)


def _moments(hours: BusinessHours, at: datetime, what: str) -> Iterator[datetime]:
    """Yields the beginnings or ends of the spans from the day before `at` to the end of the week after it."""
    here, zone = hours.local(at), ZoneInfo(hours.time_zone)
    for offset in range(-1, _DAYS_AHEAD):
        day = here.date() + timedelta(days=offset)
        for weekday, span in hours.week:
            if weekday != day.weekday():
                continue
            opens, closes = time.fromisoformat(span.opens), time.fromisoformat(span.closes)
            over_night = what == "closes" and closes <= opens
            local = opens if what == "opens" else closes
            date = day + timedelta(days=1) if over_night else day
            yield datetime.combine(date, local, zone).astimezone(UTC)


class Deadlines:
    """Says when answers are due by each tenant's settings."""

    def __init__(self, database: Database, settings: SettingsStore | None = None) -> None:
        self.settings = settings or SettingsStore(database)

    async def answer_due(self, tenant_id: str, start: datetime) -> datetime:
        """Returns when a person must have answered somebody who waits since `start` (aware)."""
        rules = await self.settings.get(tenant_id)
        return due(rules.hours, start, rules.answer_minutes)
