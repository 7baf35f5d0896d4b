"""The catalogue file: complete, pinned where it can be, refused where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import ModelError
from app.speech.asr.checkpoint.catalogue import CATALOGUE, find_entry, load_catalogue

pytestmark = pytest.mark.unit


def test_every_language_has_a_checkpoint_with_a_licence() -> None:
    catalogue = load_catalogue()
    for language in ("hi-IN", "ta-IN", "te-IN", "en-IN"):
        assert any(language in entry.languages for entry in catalogue.values())
    for entry in catalogue.values():
        assert entry.licence_url.startswith("https://")
        assert entry.sha256 or "pinned on the first pull" in "\n".join(entry.lines())
        if entry.bytes is not None:
            assert abs(entry.bytes / 1e6 - entry.megabytes) < 1


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"indicconformer-xx: not in the catalogue; it knows .*indicconformer-hi"):
        find_entry("indicconformer-xx")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ("megabytes: 523", "megabytes: 0"),
        ("sha256: null", "sha256: abc"),
        ("file: indicconformer_stt_hi_hybrid_rnnt_large.nemo", "file: ../../etc/passwd"),
        ("licence: MIT", "licence: MIT\n  mirror: http://elsewhere"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, change: str, place: str) -> None:
    path = tmp_path / "catalogue.yaml"
    text = CATALOGUE.read_text(encoding="utf-8")
    assert change in text
    path.write_text(text.replace(change, place, 1), encoding="utf-8")
    field = "mirror" if "mirror" in place else place.split(":")[0]
    with pytest.raises(ModelError, match=field):
        load_catalogue(path)
