"""A folder of packs that a test may change, models in a cache that the session shares."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.language.loader import PackRegistry
from app.languages.mind import LiveMind, make_mind
from tests.packs import PACKS_DIR


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    """The contract and the English and the Hindi pack."""
    folder = tmp_path / "packs"
    folder.mkdir()
    shutil.copy(PACKS_DIR / "contract.yaml", folder)
    for tag in ("en-IN", "hi-IN"):
        shutil.copytree(PACKS_DIR / tag, folder / tag)
    return folder


@pytest.fixture
def live(packs: Path, models_dir: Path) -> Iterator[LiveMind]:
    yield LiveMind(make_mind(PackRegistry.open(packs), models_dir))
