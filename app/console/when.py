"""Times as the console shows them: in the tenant's zone, short, with the machine's form beside them."""

from dataclasses import dataclass
from datetime import UTC, datetime

from app.console.texts import Texts
from app.dialogue.hours import BusinessHours


@dataclass(frozen=True, slots=True)
class Moment:
    """A time: `iso` for the browser, `text` for the reader, `is_past` against the server's clock."""

    iso: str
    text: str
    is_past: bool


class Times:
    """Writes times for one page."""

    def __init__(self, hours: BusinessHours, now: datetime, texts: Texts) -> None:
        self._hours = hours
        self._now = now
        self._texts = texts

    def at(self, moment: datetime) -> Moment:
        """Returns a time of day, with the date unless it is today's."""
        local, today = self._hours.local(moment), self._hours.local(self._now).date()
        text = f"{local:%H:%M}" if local.date() == today else f"{local.day}/{local.month} {local:%H:%M}"
        return self._moment(moment, text)

    def until(self, moment: datetime) -> Moment:
        """Returns how far away a time is, before or after; the page's script counts on from there."""
        minutes = int(abs((moment - self._now).total_seconds())) // 60
        if minutes < 60:
            return self._moment(moment, self._texts("time.minutes", minutes=minutes))
        hours, minutes = divmod(minutes, 60)
        return self._moment(moment, self._texts("time.hours", hours=hours, minutes=minutes))

    def _moment(self, moment: datetime, text: str) -> Moment:
        return Moment(moment.astimezone(UTC).isoformat(), text, moment <= self._now)
