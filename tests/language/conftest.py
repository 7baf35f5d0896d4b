from pathlib import Path

import pytest

from app.language.loader import PackRegistry
from tests.packs import PACKS_DIR, shipped_packs


@pytest.fixture(scope="session")
def packs_dir() -> Path:
    return PACKS_DIR


@pytest.fixture(scope="session")
def registry() -> PackRegistry:
    return shipped_packs()
