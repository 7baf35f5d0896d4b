"""A house with a rehearsal stage before the real packs; agents as the API stored them, their systems out of reach."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from app.dialogue.agents import NOBODY, AgentSetup, Caller
from app.dialogue.turn import ToolResult
from app.dialogue.verification import Factor, FactorCheck
from app.kit import problem
from app.kit.sealed import SealedText
from app.languages.mind import LiveMind, Mind, make_mind
from app.rehearsal.canned import CannedTools
from app.rehearsal.endpoints import router
from app.rehearsal.service import Rehearsal
from tests.house import House, house, packs
from tests.packs import shipped_packs

__all__ = ["house", "packs"]


class RealTools(CannedTools):
    """Stands for the tenant's real systems: says so in its answer."""

    def __init__(self) -> None:
        super().__init__({}, ("order_status",), FactorCheck.MATCHED)

    async def call(self, name: str, arguments: object, *, key: str | None = None) -> ToolResult:
        return ToolResult(ok=True, data={"order_id": "4512", "status": "delivered"})

    async def verify(self, factor: Factor, value: str) -> FactorCheck:
        return FactorCheck.MATCHED


class StoredAgents:
    """The agents of a house, with tools that stand for real ones."""

    def __init__(self, home: House) -> None:
        self._house = home

    async def setup(self, tenant_id: str, agent_id: str, caller: Caller = NOBODY) -> AgentSetup:
        agent = await self._house.services.agents.get(tenant_id, agent_id)
        return AgentSetup(agent.profile(), RealTools(), False)

    def expect(self, setup: AgentSetup) -> None:
        raise AssertionError("a rehearsal fetches nothing beforehand")

    async def language_for(self, tenant_id: str, contact_number: str, profile: object) -> str:
        raise AssertionError("a rehearsal knows no contact")


@pytest.fixture(scope="session")
def mind(models_dir: Path) -> Mind:
    return make_mind(shipped_packs(), models_dir)


@pytest_asyncio.fixture
async def stage(house: House, mind: Mind) -> AsyncIterator[httpx.AsyncClient]:
    services = house.services
    app = FastAPI()
    problem.install(app)
    app.include_router(router, prefix="/v1")
    app.state.services = services
    app.state.rehearsal = Rehearsal(LiveMind(mind), StoredAgents(house), SealedText(services.vault), services.clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://stage") as client:
        yield client
