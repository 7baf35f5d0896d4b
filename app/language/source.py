"""Reads the YAML files of `lang_packs/` for `loader`: scalars are strings, no key stands twice, errors say where."""

import re
import unicodedata
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from app.errors import PackError

UNFINISHED: Final = re.compile(r"\b(TODO|FIXME|XXX|TBD)\b", re.IGNORECASE)
"""What marks a text as still to be written."""

_Base: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class _UniqueKeyLoader(_Base):  # type: ignore[misc]
    """Reads scalars as strings ("no" stays "no") and refuses a key that stands twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        found: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return found


@dataclass(frozen=True, slots=True)
class Source:
    """One file as read: what it holds, and on which line (from 1) each dotted key such as `wait.asr[3]` stands."""

    content: dict[str, Any]
    lines: Mapping[str, int]

    def line_of(self, key: str) -> int | None:
        """Returns the line of a key, or of the nearest part of it that there is."""
        while key:
            if key in self.lines:
                return self.lines[key]
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return None


def read_source(path: Path, name: str | None = None) -> Source:
    """Returns the mapping that a file holds, all scalars as written, with its lines.

    Args:
        path: The file.
        name: What errors call it; its file name when not given.

    Raises:
        PackError: The file is missing, not UTF-8, not YAML, holds a key twice or is not a mapping.
    """
    place = name or path.name
    try:
        loader = _UniqueKeyLoader(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PackError(f"{place}: missing; add the file (docs/language.md shows its form)") from None
    except (OSError, UnicodeDecodeError) as error:
        raise PackError(f"{place}: cannot be read as UTF-8: {error}") from error
    except yaml.YAMLError as error:
        raise PackError(f"{_marked(place, error)}: not readable as YAML: {error}") from error
    try:
        node = loader.get_single_node()
        found = None if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        raise PackError(f"{_marked(place, error)}: not readable as YAML: {error}") from error
    finally:
        loader.dispose()
    if not isinstance(found, dict):
        raise PackError(f"{place}: holds no mapping; write `key: value` lines")
    return Source(found, dict(_lines(node)))


def read_yaml(path: Path, name: str | None = None) -> dict[str, Any]:
    """Returns the mapping that a file holds, without its lines; see `read_source`.

    Raises:
        PackError: The file cannot be used.
    """
    return read_source(path, name).content


def is_nfc(text: str) -> bool:
    """Tells whether a text is in Unicode form NFC, as every pack string must be."""
    return unicodedata.is_normalized("NFC", text)


def _marked(place: str, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return place if mark is None else f"{place}:{mark.line + 1}"


def _lines(node: Any, key: str = "") -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        for name, inner in node.value:
            path = f"{key}.{name.value}".strip(".")
            yield path, name.start_mark.line + 1
            yield from _lines(inner, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, inner in enumerate(node.value):
            path = f"{key}[{index}]"
            yield path, inner.start_mark.line + 1
            yield from _lines(inner, path)
