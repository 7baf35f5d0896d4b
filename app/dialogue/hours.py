"""When people are there to take over: an agent's weekly hours in its own time zone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

DEFAULT_TIME_ZONE = "Asia/Kolkata"
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class Span:
    """Open from `opens` until `closes` (local, `HH:MM`); one that closes at or before it opens ends the next day."""

    opens: str
    closes: str


@dataclass(frozen=True, slots=True)
class BusinessHours:
    """Weekly hours; a day that is not named is closed. No days at all means always open.

    Attributes:
        time_zone: IANA name; also the zone in which callers' days are meant.
        week: (weekday from Monday 0, span), any number a day.
    """

    time_zone: str = DEFAULT_TIME_ZONE
    week: tuple[tuple[int, Span], ...] = ()

    @classmethod
    def of(cls, time_zone: str, week: Mapping[str, Iterable[Mapping[str, str]]]) -> "BusinessHours":
        """Builds hours from names of days, as the API gives them."""
        spans = [
            (WEEKDAYS.index(day), Span(span["opens"], span["closes"])) for day, spans in week.items() for span in spans
        ]
        return cls(time_zone, tuple(sorted(spans, key=lambda entry: (entry[0], entry[1].opens))))

    def to_json(self) -> dict[str, object]:
        """Returns what `of` takes, as plain JSON values."""
        week: dict[str, list[dict[str, str]]] = {}
        for day, span in self.week:
            week.setdefault(WEEKDAYS[day], []).append({"opens": span.opens, "closes": span.closes})
        return {"time_zone": self.time_zone, "week": week}

    def local(self, now: datetime) -> datetime:
        """Returns an aware time in the agent's zone."""
        return now.astimezone(ZoneInfo(self.time_zone))

    def is_open(self, now: datetime) -> bool:
        """Returns whether people are there at `now` (aware)."""
        if not self.week:
            return True
        here = self.local(now)
        today, clock = here.weekday(), here.time()
        for day, span in self.week:
            opens, closes = time.fromisoformat(span.opens), time.fromisoformat(span.closes)
            over_night = closes <= opens
            if day == today and opens <= clock and (over_night or clock < closes):
                return True
            if over_night and (day + 1) % 7 == today and clock < closes:
                return True
        return False
