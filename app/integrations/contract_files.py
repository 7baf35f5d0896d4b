"""Reads the files of tool contracts for `tool_contracts`; every fault with file, line, place and reason."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import ConfigError
from app.kit.yaml_lines import line_of, repeated_keys


class _ContractFile(BaseModel):
    """One tool as `contracts/*.yaml` writes it."""

    model_config = ConfigDict(extra="forbid")

    does: str
    write: bool = False
    account: bool = False
    method: str = Field(pattern="^(GET|POST|PUT|PATCH|DELETE)$")
    path: str = Field(pattern="^/")
    cache_seconds: int = Field(default=0, ge=0)
    not_done: tuple[str, ...] = ()
    input: dict[str, Any]
    output: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ContractEntry:
    """One tool of a file: its name, its values, and where it and its path stand ("orders.yaml:12")."""

    name: str
    values: dict[str, Any]
    place: str
    path_place: str


def contract_entries(file: Path) -> Iterator[ContractEntry]:
    """Yields the tools of a file.

    Raises:
        ConfigError: The file is wrong: which, on which line, where, and what would be right.
    """
    try:
        text = file.read_text(encoding="utf-8")
        node, raw = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigError(f"{file.name}:{mark.line + 1 if mark else 1}: no YAML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file.name}:1: cannot be read as UTF-8: {error}") from error
    if node is None or not isinstance(raw, dict):
        raise ConfigError(f"{file.name}:1: must map tool names to contracts")
    for key, line in repeated_keys(node):
        raise ConfigError(f"{file.name}:{line}: the key {key!r} stands twice; remove one")
    for name, entry in raw.items():
        yield _entry(file.name, node, str(name), entry)


def _entry(file: str, node: yaml.Node, name: str, entry: Any) -> ContractEntry:
    def at(*steps: int | str) -> str:
        return f"{file}:{line_of(node, (name, *steps))}"

    try:
        values = _ContractFile.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join((name, *map(str, first["loc"])))
        raise ConfigError(f"{at(*first['loc'])}: {place}: {first['msg']}") from error
    for side in ("input", "output"):
        rules = Draft202012Validator(Draft202012Validator.META_SCHEMA)
        wrong = next(iter(rules.iter_errors(getattr(values, side))), None)
        if wrong is not None:
            place = f"{name}.{side}{wrong.json_path[1:]}"
            raise ConfigError(f"{at(side, *wrong.absolute_path)}: {place}: {wrong.message[:200]}")
    return ContractEntry(name, values.model_dump(), at(), at("path"))
