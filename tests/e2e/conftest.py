"""One whole service for all end-to-end tests: stores, stand-ins, server and worker as processes, a seeded tenant."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from app.config import Settings
from app.demo.stack import DemoStack


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DemoStack]:
    data_dir: Path = tmp_path_factory.mktemp("house")
    _keep_trained_models(data_dir)
    async with DemoStack(Settings(data_dir=data_dir)) as running:
        yield running


def _keep_trained_models(data_dir: Path) -> None:
    """Spares the tests the training of an intent model that an earlier start has left."""
    if Path("data/models").is_dir():
        shutil.copytree("data/models", data_dir / "models")
