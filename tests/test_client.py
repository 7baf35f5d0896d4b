"""The Python client that the committed API description gives is whole, and talks to the service."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.house import House, house, packs

__all__ = ["house", "packs"]

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("client")
    command = [sys.executable, str(ROOT / "scripts" / "client.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=150)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_every_operation_and_every_schema_is_in_it(made: tuple[Path, str]) -> None:
    _, told = made
    assert "Endpoint will not be generated" not in told, told
    assert "Unable to" not in told, told


async def test_it_creates_an_agent_and_takes_a_refusal(
    made: tuple[Path, str], house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(made[0]))
    tenant = await house.tenant()

    def load(name: str) -> Any:
        return importlib.import_module(f"vaanisetu_client{name}")

    models, create, get = load(".models"), load(".api.agents.create_agent"), load(".api.agents.get_agent")
    body = models.AgentCreate(
        name="Support", entity_name="Sundar Stores", languages=["hi-IN", "en-IN"], default_language="hi-IN"
    )
    async with load("").AuthenticatedClient(base_url=house.base, token=tenant.key) as client:
        agent = await create.asyncio(client=client, body=body, idempotency_key="made-by-the-client")
        assert isinstance(agent, models.AgentView) and agent.languages == ["hi-IN", "en-IN"]
        again = await create.asyncio(client=client, body=body, idempotency_key="made-by-the-client")
        assert again.id == agent.id
        assert (await get.asyncio(client=client, agent_id=agent.id)).name == "Support"
        progress = await load(".api.onboarding.get_onboarding").asyncio(client=client)
        assert not progress.complete and progress.agents[0].missing[0].cure
        refused = await load(".api.onboarding.go_live").asyncio(client=client, agent_id=agent.id)
        assert isinstance(refused, models.Problem) and refused.code == "not_ready"
        missing = await get.asyncio_detailed(client=client, agent_id="agent_none")
        assert missing.status_code == 404 and missing.parsed.code == "not_found"
