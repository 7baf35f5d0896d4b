"""Pure arithmetic of calling hours: whether a person may be rung at an instant, and when next; used by the gate."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.compliance.calling_rules import Hours

LOOK_AHEAD_DAYS = 15


@dataclass(frozen=True, slots=True)
class CallingHours:
    """When one person may be rung.

    Attributes:
        hours: The rule's hours, to hold in every zone.
        zones: Every IANA zone in which the person may be.
        holidays: Local dates without calls.
        bands: Hours the person chose; at least one must hold as well. Empty: any.
        days: Weekdays (Monday 0) the person chose; empty: any.
    """

    hours: Hours
    zones: tuple[str, ...]
    holidays: frozenset[date] = frozenset()
    bands: tuple[Hours, ...] = ()
    days: frozenset[int] = frozenset()

    def is_open(self, at: datetime) -> bool:
        """Returns whether the person may be rung at `at` (aware), wherever they are; never where no zone is known."""
        return bool(self.zones) and all(self._open_in(at.astimezone(ZoneInfo(zone))) for zone in self.zones)

    def next_open(self, after: datetime) -> datetime | None:
        """Returns the first instant (UTC) from `after` on at which the person may be rung, or None within 15 days."""
        if self.is_open(after):
            return after.astimezone(UTC)
        return next((at for at in sorted(self._openings(after)) if at >= after and self.is_open(at)), None)

    def _open_in(self, here: datetime) -> bool:
        if here.date() in self.holidays or (self.days and here.weekday() not in self.days):
            return False
        clock = here.time()
        return _within(clock, (self.hours,)) and (not self.bands or _within(clock, self.bands))

    def _openings(self, after: datetime) -> Iterator[datetime]:
        """Yields every instant at which a closed state may end: openings of all hours in all zones."""
        opens = {time(0), self.hours.opens, *(band.opens for band in self.bands)}
        for name in self.zones:
            zone = ZoneInfo(name)
            first = after.astimezone(zone).date()
            for offset in range(-1, LOOK_AHEAD_DAYS):
                for moment in opens:
                    yield datetime.combine(first + timedelta(days=offset), moment, zone).astimezone(UTC)


def _within(clock: time, hours: Sequence[Hours]) -> bool:
    return any(span.opens <= clock < span.closes for span in hours)
