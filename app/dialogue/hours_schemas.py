"""The hours at which people are there, on the wire; agents, teams and the inbox have such."""

import re
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.dialogue.hours import DEFAULT_TIME_ZONE, BusinessHours

_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def _clock(value: str) -> str:
    if not _CLOCK.fullmatch(value):
        raise ValueError("must be a time of day as HH:MM, 00:00 to 23:59")
    return value


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("must be an IANA time zone such as Asia/Kolkata") from error
    return name


Clock = Annotated[str, AfterValidator(_clock), Field(examples=["10:00"])]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class SpanBody(BaseModel):
    """Open from `opens` until `closes`, local time; one that closes at or before it opens ends the next day."""

    model_config = ConfigDict(extra="forbid")

    opens: Clock
    closes: Clock


class HoursBody(BaseModel):
    """When people are there to take over. No days at all: always. A day that is not named is closed."""

    model_config = ConfigDict(extra="forbid")

    time_zone: Annotated[str, Field(max_length=64), AfterValidator(_zone)] = DEFAULT_TIME_ZONE
    week: dict[Weekday, Annotated[list[SpanBody], Field(max_length=4)]] = Field(
        default={}, examples=[{"monday": [{"opens": "10:00", "closes": "19:00"}]}]
    )

    def hours(self) -> BusinessHours:
        """Returns the value that the dialogue reads."""
        week = {str(day): [span.model_dump() for span in spans] for day, spans in self.week.items()}
        return BusinessHours.of(self.time_zone, week)

    @classmethod
    def of(cls, hours: BusinessHours) -> Self:
        """Returns the wire form."""
        return cls.model_validate(hours.to_json())
