"""A house with a mind of the real packs and the own intents' services, served with their doors."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from app import api
from app.intents.endpoints import router
from app.intents.minds import OwnMinds
from app.intents.service import TRAIN, IntentService
from app.kit import problem
from app.languages.mind import LiveMind, make_mind
from tests.house import House, house, packs
from tests.packs import shipped_packs
from tests.standins.graph import served

__all__ = ["house", "packs"]


@dataclass
class School:
    """Where intents are learnt."""

    house: House
    intents: IntentService
    minds: OwnMinds
    models_dir: Path

    async def work(self) -> int:
        """Runs the trainings that wait."""
        return await self.house.jobs.drain({TRAIN: self.intents.train})


@pytest.fixture(scope="session")
def mind(models_dir: Path) -> LiveMind:
    return LiveMind(make_mind(shipped_packs(), models_dir))


@pytest_asyncio.fixture
async def school(house: House, mind: LiveMind, models_dir: Path) -> AsyncIterator[School]:
    rooms = house.services
    intents = IntentService(
        rooms.database,
        rooms.agents,
        rooms.flows,
        rooms.change_rules,
        mind,
        models_dir,
        rooms.audit,
        house.jobs,
        rooms.clock,
    )
    minds = OwnMinds(intents, mind, models_dir, rooms.clock)
    app = FastAPI()
    problem.install(app)
    api.mount(app, router)
    app.state.services, app.state.intents = rooms, intents
    async with served(app) as base, httpx.AsyncClient(base_url=base, timeout=30) as client:
        house.client = client
        yield School(house, intents, minds, models_dir)
    await minds.close()
