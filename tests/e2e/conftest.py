"""One whole service for all end-to-end tests: stores, stand-ins, server and worker as processes, a seeded tenant."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from app.config import Settings
from app.demo.stack import DemoStack


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> AsyncIterator[DemoStack]:
    data_dir: Path = tmp_path_factory.mktemp("house")
    shutil.copytree(models_dir, data_dir / "models")
    async with DemoStack(Settings(data_dir=data_dir)) as running:
        yield running
