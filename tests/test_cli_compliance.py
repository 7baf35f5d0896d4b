"""`vaanisetu audit` and `vaanisetu kill-switch` against a real store, with no server running."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from app.audit.log import COLLECTION, INDEXES, AuditLog
from app.cli import app
from app.compliance.killswitch import OPERATOR_CHAIN, KillMode, KillSwitches
from app.config import Settings
from app.keys import open_keys
from app.kit.clock import SystemClock
from app.kit.embedded import EmbeddedServices
from app.kit.mongo import Database
from app.kit.vault import Vault

pytestmark = pytest.mark.integration


@pytest.fixture
def runner(embedded: EmbeddedServices, database: Database, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("VAANISETU_MONGODB_URL", embedded.mongodb_url)
    monkeypatch.setenv("VAANISETU_MONGODB_DATABASE", database.name)
    return CliRunner()


async def in_thread(runner: CliRunner, *arguments: str) -> tuple[int, str]:
    """Runs a command beside the test's own loop, as commands start one of their own."""
    result = await asyncio.to_thread(runner.invoke, app, list(arguments))
    return result.exit_code, result.output + (str(result.exception) if result.exception else "")


async def test_the_log_is_proven_and_a_change_found(runner: CliRunner, database: Database) -> None:
    await database.ensure_indexes(INDEXES)
    await database.tenant("tenant_a").collection("tenants").insert_one({"_id": "tenant_a"})
    log = AuditLog(database, SystemClock())
    for number in range(3):
        await log.record("tenant_a", "key_1", "agent.changed", f"agent_{number}")
    code, shown = await in_thread(runner, "audit", "verify", "--json")
    rows = {row["tenant"]: row for row in json.loads(shown)}
    assert code == 0 and rows["tenant_a"]["entries"] == 3
    head = rows["tenant_a"]["head"]
    await database.tenant("tenant_a").collection(COLLECTION).delete_one({"seq": 3})
    assert (await in_thread(runner, "audit", "verify"))[0] == 0
    code, shown = await in_thread(runner, "audit", "verify", "--tenant", "tenant_a", "--head", head)
    assert code == 1 and "BROKEN at 3" in shown


async def test_one_command_stops_a_tenant_and_says_so(runner: CliRunner, database: Database) -> None:
    await database.ensure_indexes(INDEXES)
    await database.tenant("tenant_a").collection("tenants").insert_one({"_id": "tenant_a"})
    assert (await in_thread(runner, "kill-switch", "set", "stop", "--reason", "x", "--tenant", "tenant_z"))[0] == 1
    code, _ = await in_thread(
        runner, "kill-switch", "set", "transfer_only", "--reason", "wrong prices", "--tenant", "tenant_a"
    )
    assert code == 0
    switches = KillSwitches(database, AuditLog(database, SystemClock()), SystemClock())
    assert await switches.mode("tenant_a", "agent_1") is KillMode.TRANSFER_ONLY
    code, shown = await in_thread(runner, "kill-switch", "list", "--json")
    assert code == 0 and json.loads(shown)[0]["reason"] == "wrong prices"
    await in_thread(runner, "kill-switch", "set", "off", "--reason", "mended", "--tenant", "tenant_a")
    assert "no kill switch is set" in (await in_thread(runner, "kill-switch", "list"))[1]


async def test_the_master_key_is_exchanged_by_one_command_and_audited(
    runner: CliRunner, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.ensure_indexes(INDEXES)
    old = Settings(master_key="the old master key")
    async with open_keys(old, database) as opened:
        sealed = await Vault(database, opened.ring).seal("tenant_a", b"namaste", b"doc")
    monkeypatch.setenv("VAANISETU_MASTER_KEY", "the new master key")
    code, shown = await in_thread(runner, "keys", "rotate-master")
    assert code == 1 and "VAANISETU_ACCEPTED_MASTER_KEYS" in shown
    monkeypatch.setenv("VAANISETU_ACCEPTED_MASTER_KEYS", '["the old master key"]')
    code, shown = await in_thread(runner, "keys", "rotate-master", "--json")
    assert code == 0 and json.loads(shown)["rewrapped"] == 2
    code, shown = await in_thread(runner, "keys", "rotate-master", "--json")
    assert code == 0 and json.loads(shown) | {"key": ""} == {"key": "", "rewrapped": 0, "already": 2, "failed": {}}
    async with open_keys(Settings(master_key="the new master key"), database) as opened:
        assert await Vault(database, opened.ring).open("tenant_a", sealed, b"doc") == b"namaste"
    log = AuditLog(database, SystemClock())
    assert [entry.action for entry in await log.entries("tenant_a")] == ["keys.rewrapped"]
    assert [entry.data["rewrapped"] for entry in await log.entries(OPERATOR_CHAIN)] == [2, 0]
