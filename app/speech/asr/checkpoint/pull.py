"""`vaanisetu asr pull`: a name of the catalogue into a model that serves: fetched, converted, probed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import ModelError
from app.language.packs import Pack

from .catalogue import Entry
from .convert import Origin, convert
from .hub import Report, fetch
from .probe import ProbeReport, probe


@dataclass(frozen=True, slots=True)
class Pulled:
    """A model that is ready to serve, and what it took for a file and a proof."""

    model_dir: Path
    checkpoint: Path
    trusted_by: str
    probe: ProbeReport


def pull(
    entry: Entry, folder: Path, packs: Sequence[Pack], report: Report, language: str = "", endpoint: str | None = None
) -> Pulled:
    """Fetches, converts and probes a checkpoint whose licence has been accepted.

    Args:
        entry: which checkpoint.
        folder: receives `downloads/` and `models/`.
        packs: the loaded languages; those that the entry is for are probed.
        report: receives lines of progress.
        language: which head to take, where the entry leaves a choice.
        endpoint: another hub than huggingface.co.

    Raises:
        ModelError: It cannot be had, converted or used; no model is left behind then.
    """
    head = language or entry.convert_language or ""
    wanted = [pack for pack in packs if pack.tag in entry.languages and (not head or pack.tag.split("-")[0] == head)]
    if not wanted:
        raise ModelError(
            f"{entry.name} is for {', '.join(entry.languages)}; no pack of these is loaded for {head or 'it'}"
        )
    fetched = fetch(entry, folder / "downloads", report, endpoint)
    report(f"checked against the {fetched.trusted_by}: sha256 {fetched.sha256}")
    many = len(entry.languages) > 1 and head
    target = folder / "models" / (f"{entry.name}-{head}" if many else entry.name)
    report("converting")
    source = f"{entry.repository}@{fetched.commit}"
    origin = Origin(tuple(pack.tag for pack in wanted), f"{entry.licence} ({entry.licence_url})", source)
    heard: list[ProbeReport] = []

    def finish(made: Path) -> None:
        report("probing")
        heard.append(probe(made, wanted))

    convert(fetched.path, target, origin, head, entry.look_ahead_ms, finish)
    return Pulled(target, fetched.path, fetched.trusted_by, heard[0])
