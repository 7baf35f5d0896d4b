from pathlib import Path

import pytest

from app.language.loader import PackRegistry

PACKS_DIR = Path(__file__).parents[2] / "lang_packs"


@pytest.fixture(scope="session")
def packs_dir() -> Path:
    return PACKS_DIR


@pytest.fixture(scope="session")
def registry() -> PackRegistry:
    return PackRegistry.load(PACKS_DIR)
