"""The settings of a command: the environment with the command line's on top."""

from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from app.config import Settings
from app.errors import ConfigError


def settings_with(**given: Any) -> Settings:
    """Returns the settings of the environment with the command line's on top.

    Args:
        **given: Fields of `Settings`; None stands for "not given".

    Raises:
        ConfigError: A variable has a wrong value.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        faults = "; ".join(_fault(detail["loc"], detail["msg"]) for detail in error.errors())
        raise ConfigError(f"configuration: {faults}") from error
    except SettingsError as error:
        raise ConfigError(f"configuration: {error}: write it as one JSON object") from error


def _fault(place: tuple[int | str, ...], message: str) -> str:
    variable = f"VAANISETU_{str(place[0]).upper()}: " if place else ""
    return variable + message.removeprefix("Value error, ")
