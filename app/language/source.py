"""Reads the YAML files of `lang_packs/` for `loader`: scalars are strings, no key stands twice, errors say where."""

import unicodedata
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from app.errors import PackError

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


def read_yaml(path: Path, name: str | None = None) -> dict[str, Any]:
    """Returns the mapping a file holds, all scalars as written.

    Args:
        path: The file.
        name: What errors call it; its file name when not given.

    Raises:
        PackError: The file is missing, not UTF-8, not YAML, holds a key twice or is not a mapping.
    """
    place = name or path.name
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PackError(f"{place}: missing; add the file (docs/language.md shows its form)") from None
    except (OSError, UnicodeDecodeError) as error:
        raise PackError(f"{place}: cannot be read as UTF-8: {error}") from error
    try:
        found = yaml.load(text, Loader=_UniqueKeyLoader)
    except yaml.YAMLError as error:
        raise PackError(f"{place}: not readable as YAML: {error}") from error
    if not isinstance(found, dict):
        raise PackError(f"{place}: holds no mapping; write `key: value` lines")
    return found


def is_nfc(text: str) -> bool:
    """Tells whether a text is in Unicode form NFC, as every pack string must be."""
    return unicodedata.is_normalized("NFC", text)
