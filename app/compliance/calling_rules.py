"""The rules of calling out, read from `calling_rules.yaml` and checked at start-up; the gate's one source."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.compliance.models import Purpose
from app.errors import ConfigError

RULES_FILE: Final = Path(__file__).with_name("calling_rules.yaml")
_CLOCK = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class CallPurpose(StrEnum):
    """Why a person is called. Source: IN-01; any promotional content makes a call promotional."""

    PROMOTIONAL = "promotional"
    SERVICE = "service"
    TRANSACTIONAL = "transactional"
    GOVERNMENT = "government"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class Hours:
    """Open from `opens` until `closes`, local time, on the same day."""

    opens: time
    closes: time


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `calls` within any `hours`."""

    calls: int
    hours: int


@dataclass(frozen=True, slots=True)
class PurposeRule:
    """What holds for one purpose in one country. `scrub_hours` None: no preference list is asked."""

    hours: Hours
    hours_rule: str
    consent: Purpose
    consent_days: int
    series: tuple[str, ...]
    caps: tuple[Cap, ...]
    scrub_hours: int | None = None
    registrations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Country:
    """The rules of one country. `zones` are all in which the person may be; `rules` names the rule of each check."""

    code: str
    prefix: str
    zones: tuple[str, ...]
    series: tuple[tuple[str, re.Pattern[str]], ...]
    rules: Mapping[str, str]
    holidays: frozenset[date]
    purposes: Mapping[CallPurpose, PurposeRule]

    def series_of(self, number: str) -> str | None:
        """Returns the series of a number (E.164), or None if the country knows none that fits."""
        return next((name for name, pattern in self.series if pattern.fullmatch(number)), None)


@dataclass(frozen=True, slots=True)
class CallingRules:
    """All countries under one version."""

    version: str
    countries: tuple[Country, ...]

    def country_of(self, number: str) -> Country | None:
        """Returns the country whose prefix a number (E.164) has, the longest first; None where there is no rule."""
        return next((country for country in self.countries if number.startswith(country.prefix)), None)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Hours(_Part):
    opens: _CLOCK
    closes: _CLOCK


class _Cap(_Part):
    calls: int = Field(ge=1)
    hours: int = Field(ge=1, le=8_760)


class _Source(_Part):
    what: str
    origin: str = Field(alias="from")
    kind: Literal["official", "secondary", "house"]


class _Purpose(_Part):
    hours: _Hours
    hours_rule: str | None = None
    consent: Purpose
    consent_days: int = Field(ge=1)
    scrub_hours: int | None = Field(default=None, ge=1)
    series: list[str] = Field(min_length=1)
    registrations: list[str] = []
    caps: list[_Cap] = Field(min_length=1)


class _Country(_Part):
    prefix: str = Field(pattern=r"^\+\d{1,4}$")
    zones: list[str] = Field(min_length=1)
    series: dict[str, str]
    rules: dict[Literal["hours", "series", "consent", "scrub", "suppression", "registrations"], str]
    holidays: list[date]
    purposes: dict[CallPurpose, _Purpose]


class _File(_Part):
    version: str = Field(min_length=1)
    sources: dict[str, _Source]
    countries: dict[str, _Country]


@cache
def load_rules(path: Path = RULES_FILE) -> CallingRules:
    """Reads the rules.

    Raises:
        ConfigError: The file is missing, or something in it is wrong; says where.
    """
    try:
        found = _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path.name}: not readable: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path.name}: {place}: {first['msg']}") from error
    countries = [_country(path.name, code, entry, found.sources) for code, entry in found.countries.items()]
    return CallingRules(found.version, tuple(sorted(countries, key=lambda country: -len(country.prefix))))


def _country(file: str, code: str, entry: _Country, sources: Mapping[str, Any]) -> Country:
    place = f"{file}: countries.{code}"
    for zone in entry.zones:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ConfigError(f"{place}.zones: {zone} is no time zone") from error
    missing = {"hours", "series", "consent", "scrub", "suppression", "registrations"} - set(entry.rules)
    if missing:
        raise ConfigError(f"{place}.rules: name the rule of {', '.join(sorted(missing))}")
    try:
        series = tuple((name, re.compile(pattern)) for name, pattern in entry.series.items())
    except re.error as error:
        raise ConfigError(f"{place}.series: not a pattern: {error}") from error
    purposes = {}
    for purpose, rule in entry.purposes.items():
        where = f"{place}.purposes.{purpose.value}"
        opens, closes = time.fromisoformat(rule.hours.opens), time.fromisoformat(rule.hours.closes)
        if closes <= opens:
            raise ConfigError(f"{where}.hours: closes must be later than opens")
        if unknown := set(rule.series) - set(entry.series):
            raise ConfigError(f"{where}.series: {', '.join(sorted(unknown))} is not among the country's series")
        purposes[purpose] = PurposeRule(
            hours=Hours(opens, closes),
            hours_rule=rule.hours_rule or entry.rules["hours"],
            consent=rule.consent,
            consent_days=rule.consent_days,
            series=tuple(rule.series),
            caps=tuple(Cap(cap.calls, cap.hours) for cap in rule.caps),
            scrub_hours=rule.scrub_hours,
            registrations=tuple(rule.registrations),
        )
    named = {*entry.rules.values(), *(rule.hours_rule for rule in purposes.values())}
    if unsourced := named - set(sources):
        raise ConfigError(f"{file}: sources: {', '.join(sorted(unsourced))} is used and has no source")
    return Country(
        code,
        entry.prefix,
        tuple(entry.zones),
        series,
        {str(check): rule for check, rule in entry.rules.items()},
        frozenset(entry.holidays),
        purposes,
    )
