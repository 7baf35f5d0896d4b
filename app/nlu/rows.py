"""Labelled utterances from a file (JSONL or TSV) or from the packs' tests; a bad row has its file and line."""

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from app.errors import ConfigError
from app.language.loader import PackRegistry

_NEEDED = ("text", "language", "intent")


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """One utterance and what it means; `entities` None where nobody labelled them."""

    text: str
    language: str
    intent: str
    form: str = ""
    entities: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used: where it stands and why."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


def read_rows(
    path: Path, tags: Iterable[str], intents: Iterable[str], *, labelled: bool = True
) -> tuple[list[LabelledRow], list[BadRow]]:
    """Returns the usable rows of a file, and the others.

    Args:
        path: JSON lines, or tab-separated values with a header; columns text, language, intent, entities, form.
        tags: BCP-47 tags of the packs; "hi" stands for the one that begins so.
        intents: What may be meant.
        labelled: Whether every row must say its intent; transcripts need not.

    Raises:
        ConfigError: The file cannot be read, or has no header of these columns.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8: {error}") from error
    known = {**{tag.split("-")[0]: tag for tag in tags}, **{tag: tag for tag in tags}}
    names = frozenset(intents)
    rows: list[LabelledRow] = []
    bad: list[BadRow] = []
    needed = _NEEDED if labelled else _NEEDED[:2]
    for line, values in _raw_rows(path, text, needed):
        try:
            rows.append(_row(values, known, names, needed))
        except ValueError as error:
            bad.append(BadRow(str(path), line, str(error)))
    return rows, bad


def pack_rows(registry: PackRegistry) -> list[LabelledRow]:
    """Returns the packs' own held-out tests."""
    return [
        LabelledRow(text, pack.tag, intent, form)
        for pack in registry.packs
        for intent, forms in pack.tests.items()
        for form, texts in forms.items()
        for text in texts
    ]


def _raw_rows(path: Path, text: str, needed: tuple[str, ...]) -> Iterable[tuple[int, Mapping[str, Any] | str]]:
    """Yields (line, columns), or (line, what is wrong with it)."""
    first = text.lstrip()[:1]
    if path.suffix in (".jsonl", ".ndjson") or first == "{":
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                try:
                    found = json.loads(line)
                except json.JSONDecodeError as error:
                    yield number, f"not JSON: {error.msg}"
                    continue
                yield number, found if isinstance(found, dict) else "not a JSON object"
        return
    reader = csv.DictReader(StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    missing = [name for name in needed if name not in (reader.fieldnames or ())]
    if missing:
        raise ConfigError(f"{path}:1: no column {', '.join(missing)}; begin with a header of tab-separated names")
    for values in reader:
        if None in values:
            yield reader.line_num, "more fields than the header names"
        else:
            yield reader.line_num, {name: value for name, value in values.items() if value is not None}


def _row(
    values: Mapping[str, Any] | str, tags: Mapping[str, str], intents: frozenset[str], needed: tuple[str, ...]
) -> LabelledRow:
    if isinstance(values, str):
        raise ValueError(values)
    for name in needed:
        if not isinstance(values.get(name), str) or (name != "text" and not values[name].strip()):
            raise ValueError(f"{name} is missing; it must be text")
    tag = tags.get(values["language"].strip())
    if tag is None:
        raise ValueError(
            f"language {values['language']!r} has no pack; there are {', '.join(sorted(set(tags.values())))}"
        )
    intent = str(values.get("intent") or "").strip()
    if (intent or "intent" in needed) and intent not in intents:
        raise ValueError(f"intent {intent!r} is none of the {len(intents)} that are served")
    return LabelledRow(values["text"], tag, intent, str(values.get("form") or ""), _entities(values.get("entities")))


def _entities(value: Any) -> tuple[tuple[str, str], ...] | None:
    """Reads `{kind: value}` or `[{"kind": ..., "value": ...}]`, either as JSON text, or `kind=value; kind=value`."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        if value.lstrip()[:1] in ("{", "["):
            try:
                return _entities(json.loads(value))
            except json.JSONDecodeError as error:
                raise ValueError(f"entities are not JSON: {error.msg}") from error
        parts = [part.partition("=") for part in value.split(";") if part.strip()]
        if any(not sign or not kind.strip() for kind, sign, _ in parts):
            raise ValueError("entities must be JSON, or kind=value parted by semicolons")
        return tuple((kind.strip(), found.strip()) for kind, _, found in parts)
    if isinstance(value, dict):
        pairs = [
            (kind, one) for kind, found in value.items() for one in (found if isinstance(found, list) else [found])
        ]
        return tuple((str(kind), str(found)) for kind, found in pairs)
    if isinstance(value, list):
        found_pairs: list[tuple[str, str]] = []
        for entry in value:
            kind = entry.get("kind") or entry.get("type") or entry.get("entity") if isinstance(entry, dict) else None
            if not isinstance(kind, str) or "value" not in entry:
                raise ValueError("each entity needs kind and value")
            found_pairs.append((kind, str(entry["value"])))
        return tuple(found_pairs)
    raise ValueError("entities must be an object, a list or text")
