"""Fetches a checkpoint of the catalogue from the Hugging Face hub: resumable, checked against its digest, pinned.

`huggingface_hub` finds the file and moves the bytes; it no longer resumes across processes itself, so the part that has
come is kept here under the digest of the file that it is a part of.
"""

from __future__ import annotations

import datetime
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import httpx2
from huggingface_hub import get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers

from app.errors import ModelError

from .catalogue import Entry

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SPARE_BYTES: Final = 200_000_000
_BLOCK_BYTES: Final = 1 << 20

Report = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Announced:
    """What the hub says of a file: its commit, digest (None where it is no large file) and size."""

    url: str
    commit: str
    sha256: str | None
    size: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """A checkpoint on this machine, and how its digest is known: `catalogue`, `pin` or `first pull`."""

    path: Path
    sha256: str
    commit: str
    trusted_by: str


class Pins:
    """The digests that first pulls recorded, by name of the catalogue; a JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, name: str) -> str | None:
        """Returns a checkpoint's recorded digest.

        Raises:
            ModelError: The file is damaged.
        """
        pin = self._read().get(name)
        return str(pin["sha256"]) if pin else None

    def record(self, name: str, announced: Announced, sha256: str) -> None:
        """Records a digest on the first pull."""
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        pin = {"sha256": sha256, "commit": announced.commit, "bytes": announced.size, "pulled_on": today}
        temporary = self._path.with_suffix(".partial")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps({**self._read(), name: pin}, indent=1) + "\n", encoding="utf-8")
        temporary.replace(self._path)

    def _read(self) -> dict[str, Any]:
        try:
            pins: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ModelError(f"{self._path} is damaged ({error}); remove it to pin anew what you pull") from error
        return pins


@contextmanager
def _explained(entry: Entry) -> Iterator[None]:
    """Turns what the hub or the network answers into one line with the cure."""
    place = f"{entry.repository} ({entry.file}, revision {entry.revision})"
    try:
        yield
    except GatedRepoError as error:
        raise ModelError(
            f"{place} is gated: accept its terms at {entry.licence_url}, then set HF_TOKEN to a token that may read it"
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError(
            f"{place}: the hub has no such revision; its publisher has rewritten the repository"
        ) from error
    except EntryNotFoundError as error:
        raise ModelError(f"{place}: the repository holds no such file; its publisher has moved it") from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"{place}: the hub shows no such repository; if it is private, set HF_TOKEN to a token that may read it"
        ) from error
    except OfflineModeIsEnabled as error:
        raise ModelError(f"{place} is on the hub, and HF_HUB_OFFLINE forbids asking it; unset it to pull") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no status"
        raise ModelError(f"{place}: the hub answered {status}; try again later") from error
    except (httpx2.HTTPError, ConnectionError, TimeoutError) as error:
        raise ModelError(
            f"{place}: no connection to the hub ({error}); run it again to go on where it stopped"
        ) from error


def announce(entry: Entry, endpoint: str | None = None) -> Announced:
    """Asks the hub what it has under an entry's address; nothing is downloaded.

    Raises:
        ModelError: The hub cannot be reached, or has it not, or not for us.
    """
    url = hf_hub_url(entry.repository, entry.file, revision=entry.revision, endpoint=endpoint)
    with _explained(entry):
        found = get_hf_file_metadata(url, endpoint=endpoint)
    if found.size is None or found.commit_hash is None:
        raise ModelError(f"{url} is no file of a hub; is HF_ENDPOINT right?")
    digest = found.etag if found.etag and _SHA256.fullmatch(found.etag) else None
    return Announced(url, found.commit_hash, digest, found.size)


def fetch(entry: Entry, folder: Path, report: Report, endpoint: str | None = None) -> Fetched:
    """Downloads an entry's checkpoint into `folder`, or finds it there, and checks its digest.

    Args:
        entry: what to fetch.
        folder: receives the checkpoint, `pins.json`, and while it comes, its first part.
        report: receives lines of progress.
        endpoint: another hub than huggingface.co (HF_ENDPOINT does the same).

    Raises:
        ModelError: It is not to be had, there is no room, or it is not what was expected; the checkpoint is not there
            then, or still the old one.
        KeyboardInterrupt: As it came; what has been downloaded is kept and gone on from.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pins = Pins(folder / "pins.json")
    announced = announce(entry, endpoint)
    pinned = pins.get(entry.name)
    wanted, trusted_by = entry.sha256, "catalogue"
    if wanted is None:
        wanted, trusted_by = (pinned, "pin") if pinned else (announced.sha256, "first pull")
    if wanted and announced.sha256 and wanted != announced.sha256:
        raise ModelError(
            f"{entry.name}: the hub offers another file (sha256 {announced.sha256[:12]}...) than the {trusted_by} "
            f"names ({wanted[:12]}...); where the publisher announced it, correct the catalogue or {folder}/pins.json"
        )
    target = folder / f"{entry.name}.nemo"
    if target.is_file() and wanted and target.stat().st_size == announced.size and file_sha256(target) == wanted:
        report(f"{target} is here already")
        return Fetched(target, wanted, announced.commit, trusted_by)
    key = (wanted or hashlib.sha256(announced.url.encode()).hexdigest())[:16]
    part = folder / f"{entry.name}-{key}.part"
    _download(entry, announced, part, report)
    found = file_sha256(part)
    if wanted and found != wanted:
        part.unlink()
        raise ModelError(
            f"{entry.name}: the file that came is damaged or another (sha256 {found[:12]}..., expected "
            f"{wanted[:12]}...); it was removed, pull again"
        )
    os.replace(part, target)
    if trusted_by == "first pull":
        pins.record(entry.name, announced, found)
    return Fetched(target, found, announced.commit, trusted_by)


def _download(entry: Entry, announced: Announced, part: Path, report: Report) -> None:
    with part.open("ab") as file, _locked(file, part):
        have = file.seek(0, os.SEEK_END)
        if have > announced.size:
            have = 0
            file.truncate(0)
        free = shutil.disk_usage(part.parent).free
        if announced.size - have + _SPARE_BYTES > free:
            raise ModelError(
                f"{part.parent} has {free / 1e6:.0f} MB free, {entry.name} needs {(announced.size - have) / 1e6:.0f} "
                "MB more and as much again to be converted; make room, or set VAANISETU_DATA_DIR"
            )
        report(f"fetching {announced.size / 1e6:.0f} MB" + (f", going on at {have / 1e6:.0f} MB" if have else ""))
        try:
            with _explained(entry):
                http_get(
                    announced.url,
                    file,
                    resume_size=have,
                    headers=build_hf_headers(),
                    expected_size=announced.size,
                    displayed_filename=entry.name,
                )
        except OSError as error:
            if error.errno == errno.ENOSPC:
                file.truncate(0)
                part.unlink(missing_ok=True)
                raise ModelError(f"{part.parent}: the disk is full; what had come was removed, make room") from error
            raise ModelError(f"{entry.name}: the download broke off ({error}); run it again to go on") from error
        except KeyboardInterrupt:
            report(f"interrupted; {file.tell() / 1e6:.0f} MB are kept, run it again to go on")
            raise


@contextmanager
def _locked(file: IO[bytes], part: Path) -> Iterator[None]:
    """Holds the part against a second pull of the same file."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise ModelError(f"{part} is being written by another `asr pull`; wait for it") from error
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def file_sha256(path: Path) -> str:
    """Returns a file's SHA-256, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
