"""The real packs and an understander whose trained model is kept between test runs."""

from pathlib import Path

import pytest

from app.language.loader import PackRegistry
from app.nlu.understander import Understander
from tests.packs import shipped_packs


@pytest.fixture(scope="session")
def registry() -> PackRegistry:
    return shipped_packs()


@pytest.fixture(scope="session")
def understander(registry: PackRegistry, models_dir: Path) -> Understander:
    return Understander(registry, models_dir)
