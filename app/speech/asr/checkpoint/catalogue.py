"""The public checkpoints that `vaanisetu asr pull` knows by name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import ModelError

CATALOGUE = Path(__file__).parent / "catalogue.yaml"


class Entry(BaseModel):
    """One public checkpoint; `sha256` is None where no publisher states it, and pinned by the first pull.

    `convert_language` is the language to cut out of a checkpoint of many heads where only one makes sense;
    `look_ahead_ms` is the look-ahead to convert a streaming checkpoint with.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    repository: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    file: Annotated[str, Field(pattern=r"^[\w.-]+\.nemo$")]
    revision: str
    megabytes: Annotated[int, Field(gt=0)]
    bytes: int | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None
    licence: str
    licence_url: str
    is_gated: bool
    languages: tuple[str, ...]
    convert_language: str | None = None
    look_ahead_ms: int | None = None
    model_class: str
    parameters: str
    sample_rate_hz: int
    streaming: str
    note: str

    def lines(self) -> list[str]:
        """Returns the entry as lines for a terminal."""
        checksum = self.sha256 or "none published: pinned on the first pull"
        gate = " (gated: accept it on the page and set HF_TOKEN)" if self.is_gated else ""
        rows = (
            ("source", f"{self.repository}, {self.file}, revision {self.revision}"),
            ("what", f"{self.model_class}, {self.parameters} parameters, {self.megabytes} MB"),
            ("audio", f"{self.sample_rate_hz} Hz"),
            ("streaming", self.streaming),
            ("languages", ", ".join(self.languages)),
            ("licence", f"{self.licence}, {self.licence_url}{gate}"),
            ("sha256", checksum),
            ("note", self.note),
        )
        return [f"{self.name} (catalogue)", *(f"  {name:<11} {value}" for name, value in rows)]


def load_catalogue(path: Path = CATALOGUE) -> dict[str, Entry]:
    """Reads the catalogue.

    Raises:
        ModelError: The file is wrong; the detail names entry and field.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {name: Entry(name=name, **fields) for name, fields in raw.items()}
    except (OSError, yaml.YAMLError, AttributeError, TypeError) as error:
        raise ModelError(f"{path}: no catalogue ({error})") from error
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise ModelError(f"{path}: {fault['input']!r} at {place}: {fault['msg']}") from error


def find_entry(name: str, path: Path = CATALOGUE) -> Entry:
    """Returns an entry by name.

    Raises:
        ModelError: There is none; the detail lists the names.
    """
    catalogue = load_catalogue(path)
    if name not in catalogue:
        raise ModelError(f"{name}: not in the catalogue; it knows {', '.join(sorted(catalogue))}")
    return catalogue[name]
