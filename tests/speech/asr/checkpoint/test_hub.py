"""Pulling from a hub: resumed, checked, pinned; every refusal in one line, and nothing half-written."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("huggingface_hub")

from app.errors import ModelError
from app.speech.asr.checkpoint import hub as hub_module
from app.speech.asr.checkpoint.catalogue import Entry
from app.speech.asr.checkpoint.hub import Pins, fetch

from .hub_standin import COMMIT, Hub, serve

pytestmark = [pytest.mark.nemo, pytest.mark.integration]

DATA = np.random.default_rng(7).bytes(12_000_000)
DIGEST = hashlib.sha256(DATA).hexdigest()
REPOSITORY, FILE = "maker/model", "model.nemo"


def entry(**changes: Any) -> Entry:
    fields: dict[str, Any] = {
        "name": "small", "repository": REPOSITORY, "file": FILE, "revision": "main", "megabytes": 12, "sha256": None,
        "licence": "MIT", "licence_url": "https://example.org/licence", "is_gated": False, "languages": ("hi-IN",),
        "model_class": "EncDecCTCModelBPE", "parameters": "1 M", "sample_rate_hz": 16000, "streaming": "yes",
        "note": "x",
    }  # fmt: skip
    return Entry(**(fields | changes))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    with serve(Hub({f"{REPOSITORY}/{FILE}": DATA})) as served:
        yield served


def _pull(hub: Hub, folder: Path, **changes: Any) -> Any:
    return fetch(entry(**changes), folder, lambda _: None, hub.endpoint)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_first_pull_pins_what_the_hub_announced_and_a_second_finds_it_there(hub: Hub, tmp_path: Path) -> None:
    first = _pull(hub, tmp_path)
    assert (first.sha256, first.commit, first.trusted_by) == (DIGEST, COMMIT, "first pull")
    assert first.path.read_bytes() == DATA
    pin = json.loads((tmp_path / "pins.json").read_text())["small"]
    assert (pin["sha256"], pin["commit"], pin["bytes"]) == (DIGEST, COMMIT, len(DATA))
    second = _pull(hub, tmp_path)
    assert second.trusted_by == "pin"
    assert len(hub.ranges) == 1
    assert _names(tmp_path) == ["pins.json", "small.nemo"]


def test_a_file_without_a_published_digest_anywhere_is_pinned_as_it_came(hub: Hub, tmp_path: Path) -> None:
    hub.is_lfs = False
    assert _pull(hub, tmp_path).trusted_by == "first pull"
    assert Pins(tmp_path / "pins.json").get("small") == DIGEST


def test_a_broken_connection_is_gone_on_from_within_one_pull(hub: Hub, tmp_path: Path) -> None:
    hub.cut_after = 10_600_000
    assert _pull(hub, tmp_path).path.read_bytes() == DATA
    assert hub.ranges[0] is None
    assert str(hub.ranges[1]).startswith("bytes=1")


def test_an_interrupted_pull_goes_on_in_the_next_process(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = hub_module.http_get

    def interrupted(url: str, file: Any, **options: Any) -> None:
        file.write(DATA[:9_000_000])
        raise KeyboardInterrupt

    said: list[str] = []
    monkeypatch.setattr(hub_module, "http_get", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(entry(), tmp_path, said.append, hub.endpoint)
    assert "9 MB are kept, run it again to go on" in said[-1]
    assert not (tmp_path / "small.nemo").exists()
    monkeypatch.setattr(hub_module, "http_get", real)
    assert fetch(entry(), tmp_path, said.append, hub.endpoint).path.read_bytes() == DATA
    assert hub.ranges == ["bytes=9000000-"]
    assert "going on at 9 MB" in said[-1]


def test_a_damaged_file_is_removed_and_named(hub: Hub, tmp_path: Path) -> None:
    hub.announced[f"{REPOSITORY}/{FILE}"] = "f" * 64
    with pytest.raises(ModelError, match=r"damaged or another .* it was removed, pull again"):
        _pull(hub, tmp_path)
    assert _names(tmp_path) == []


def test_another_file_than_the_catalogues_is_refused_before_a_byte_comes(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"the hub offers another file .* than the catalogue names"):
        _pull(hub, tmp_path, sha256="a" * 64)
    assert hub.ranges == []
    _pull(hub, tmp_path)
    hub.files[f"{REPOSITORY}/{FILE}"] = DATA[::-1]
    with pytest.raises(ModelError, match=r"another file .* than the pin names"):
        _pull(hub, tmp_path)
    assert (tmp_path / "small.nemo").read_bytes() == DATA


def test_a_gated_checkpoint_names_the_page_and_the_variable(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = "hf_secret"
    with pytest.raises(ModelError, match=r"is gated: accept its terms at https://example\.org/licence.*HF_TOKEN"):
        _pull(hub, tmp_path)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert _pull(hub, tmp_path).sha256 == DIGEST
    assert hub.leaked == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"repository": "maker/gone"}, "the hub shows no such repository"),
        ({"file": "other.nemo"}, "the repository holds no such file"),
        ({"revision": "old"}, "no such revision"),
    ],
)
def test_what_the_hub_has_not_is_said(hub: Hub, tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said) as raised:
        _pull(hub, tmp_path, **changes)
    assert "\n" not in raised.value.detail
    assert _names(tmp_path) == []


def test_no_connection_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no connection to the hub"):
        fetch(entry(), tmp_path, lambda _: None, "http://127.0.0.1:9")
    assert _names(tmp_path) == []


def test_too_little_room_is_said_before_a_byte_comes(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1_000_000})())
    with pytest.raises(ModelError, match=r"has 1 MB free, small needs 12 MB more"):
        _pull(hub, tmp_path)
    assert hub.ranges == []


def test_a_full_disk_gives_back_what_it_took(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(url: str, file: Any, **options: Any) -> None:
        file.write(DATA[:1000])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(hub_module, "http_get", full)
    with pytest.raises(ModelError, match="the disk is full; what had come was removed"):
        _pull(hub, tmp_path)
    assert _names(tmp_path) == []


def test_two_pulls_of_one_file_do_not_write_over_each_other(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = hub_module.http_get

    def meanwhile(url: str, file: Any, **options: Any) -> None:
        with pytest.raises(ModelError, match=r"being written by another `asr pull`"):
            _pull(hub, tmp_path)
        real(url, file, **options)

    monkeypatch.setattr(hub_module, "http_get", meanwhile)
    assert _pull(hub, tmp_path).sha256 == DIGEST
