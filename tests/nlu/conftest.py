"""The real packs and an understander whose trained model is kept between test runs."""

from pathlib import Path

import pytest

from app.language.loader import PackRegistry
from app.nlu.understander import Understander

PACKS = Path(__file__).parents[2] / "lang_packs"


@pytest.fixture(scope="session")
def registry() -> PackRegistry:
    return PackRegistry.load(PACKS)


@pytest.fixture(scope="session")
def understander(registry: PackRegistry, models_dir: Path) -> Understander:
    return Understander(registry, models_dir)
