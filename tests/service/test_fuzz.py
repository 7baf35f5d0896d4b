"""schemathesis over the whole OpenAPI document: no 5xx, no answer that the document does not know, keys or none."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
import uvicorn

from app.demo.children import free_port
from tests.service.landlord import Belongings, belongings
from tests.service.test_isolation import OWN_BY_NAME
from tests.service.whole import OPERATOR_KEY, Whole, whole_service

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(900),
]

RULES = Path(__file__).with_name("schemathesis.toml")
ENDLESS = "stream_events"
"""A stream of events has no end to wait for; tests/test_events.py reads it."""


@asynccontextmanager
async def listening(whole: Whole) -> AsyncIterator[str]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(whole.app, port=port, lifespan="off", log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve())
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> AsyncIterator[tuple[str, Belongings]]:
    async with whole_service(tmp_path_factory.mktemp("fuzzed"), models_dir) as whole:
        owned = await belongings(whole, await whole.tenant("Owner"))
        async with listening(whole) as url:
            yield url, owned


async def tried(url: str, folder: Path, *options: str, rules: str = "") -> None:
    """Runs schemathesis; fails with what it found."""
    config = folder / "schemathesis.toml"
    config.write_text(rules + RULES.read_text())
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", f"{url}/openapi.json"]
    command += ["--continue-on-failure", "--no-color", "--seed", "20261121"]
    command += ["--generation-database", "none", "--suppress-health-check", "all", "--request-timeout", "60"]
    command += ["--exclude-operation-id", ENDLESS, *options]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()[-20_000:]


async def test_with_a_tenants_key(served: tuple[str, Belongings], tmp_path: Path) -> None:
    url, owned = served
    await tried(url, tmp_path, "-n", "20", "-H", f"Authorization: Bearer {owned.owner.key}")


async def test_with_a_tenants_key_and_things_that_are_there(served: tuple[str, Belongings], tmp_path: Path) -> None:
    url, owned = served
    known = {name: value for name, value in owned.values.items() if name not in OWN_BY_NAME}
    rules = "[parameters]\n" + "".join(f'"path.{name}" = "{value}"\n' for name, value in known.items()) + "\n"
    key = ("-H", f"Authorization: Bearer {owned.owner.key}")
    await tried(url, tmp_path, "-n", "20", "--exclude-method", "DELETE", *key, rules=rules)


async def test_with_the_operators_key(served: tuple[str, Belongings], tmp_path: Path) -> None:
    url, _ = served
    await tried(url, tmp_path, "-n", "10", "-H", f"Authorization: Bearer {OPERATOR_KEY}")


async def test_without_a_key(served: tuple[str, Belongings], tmp_path: Path) -> None:
    url, _ = served
    await tried(url, tmp_path, "-n", "5")
