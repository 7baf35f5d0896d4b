"""What each error code of the Graph API means for a message, read from `error_table.yaml`, checked at the first use."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError, model_validator

from app.errors import ConfigError

TABLE_FILE: Final = Path(__file__).with_name("error_table.yaml")
UNKNOWN: Final = "refused"
_Seconds = Annotated[int, Field(ge=1, le=3600)]


class Remedy(StrEnum):
    """What the outbox does about a refused message; the table says which when."""

    RETRY = "retry"
    SLOW_DOWN = "slow_down"
    WAIT_A_DAY = "wait_a_day"
    NEXT_LANGUAGE = "next_language"
    ALTERNATE = "alternate"
    CLOSE_WINDOW = "close_window"
    UNREACHABLE = "unreachable"
    NO_MARKETING = "no_marketing"
    FREEZE = "freeze"
    ALERT = "alert"
    FIX = "fix"
    REFUSE = "refuse"


class Scope(StrEnum):
    """What a limit or a block of Meta's holds for."""

    PAIR = "pair"
    NUMBER = "number"
    ACCOUNT = "account"
    APP = "app"


@dataclass(frozen=True, slots=True)
class Failure:
    """A refused message: Meta's code (0: none), what to do, and a stable name for programs and agents' texts."""

    code: int
    remedy: Remedy
    name: str
    scope: Scope | None = None
    pauses_seconds: tuple[int, ...] = ()


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    codes: list[int] = []
    ranges: list[tuple[int, int]] = []
    remedy: Remedy
    scope: Scope | None = None
    pauses_seconds: tuple[_Seconds, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.remedy in (Remedy.RETRY, Remedy.SLOW_DOWN)) is not bool(self.pauses_seconds):
            raise ValueError("retry and slow_down, and they alone, need pauses_seconds")
        if self.remedy in (Remedy.SLOW_DOWN, Remedy.FREEZE, Remedy.WAIT_A_DAY) and self.scope is None:
            raise ValueError(f"{self.remedy.value} needs a scope")
        return self


class _Table(RootModel[dict[str, _Entry]]):
    @model_validator(mode="after")
    def _codes_once(self) -> Self:
        codes = [code for entry in self.root.values() for code in entry.codes]
        twice = {code for code in codes if codes.count(code) > 1}
        if twice:
            raise ValueError(f"codes stand twice: {sorted(twice)}")
        if UNKNOWN not in self.root:
            raise ValueError(f"{UNKNOWN} is missing: what codes mean that nobody listed")
        return self


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: the codes and ranges that a failure stands for."""

    codes: tuple[int, ...]
    ranges: tuple[tuple[int, int], ...]
    failure: Failure


@cache
def table() -> Mapping[str, Row]:
    """Returns the table, by name.

    Raises:
        ConfigError: `error_table.yaml` cannot be used; the message says where and why.
    """
    return read_table(TABLE_FILE.read_text(encoding="utf-8"))


def read_table(text: str) -> Mapping[str, Row]:
    """Reads a table.

    Raises:
        ConfigError: It is malformed.
    """
    try:
        entries = _Table.model_validate(yaml.safe_load(text)).root
    except yaml.YAMLError as error:
        raise ConfigError(f"{TABLE_FILE.name} is no YAML: {error}") from error
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise ConfigError(f"{TABLE_FILE.name}: {place}: {fault['msg']}") from error
    return {
        name: Row(
            tuple(entry.codes), tuple(entry.ranges), Failure(0, entry.remedy, name, entry.scope, entry.pauses_seconds)
        )
        for name, entry in entries.items()
    }


@cache
def failure_of(code: int) -> Failure:
    """Returns what to do about an error code of Meta's; codes that nobody listed are not retried."""
    rows = table().values()
    listed = next((row for row in rows if code in row.codes), None)
    within = next((row for row in rows if any(low <= code <= high for low, high in row.ranges)), None)
    found = (listed or within or table()[UNKNOWN]).failure
    return Failure(code, found.remedy, found.name, found.scope, found.pauses_seconds)


def named(name: str) -> Failure:
    """Returns the failure of a name; a name that nobody listed is `refused`."""
    return (table().get(name) or table()[UNKNOWN]).failure
