"""A tenant's content opens for that tenant, and never again once its key is deleted."""

import asyncio

import pytest

from app.errors import AppError, NotFound
from app.kit.crypto import MasterKey
from app.kit.mongo import Database
from app.kit.vault import Vault

pytestmark = pytest.mark.integration


async def test_content_opens_in_another_process_but_not_for_another_tenant(database: Database) -> None:
    here, there = Vault(database, MasterKey("m")), Vault(database, MasterKey("m"))
    small, large = await here.seal("ten_a", b"namaste", b"msg_1"), await here.seal("ten_a", b"x" * 600_000, b"call_1")
    assert b"namaste" not in small
    assert await there.open("ten_a", small, b"msg_1") == b"namaste"
    assert await there.open("ten_a", large, b"call_1") == b"x" * 600_000
    await here.seal("ten_b", b"", b"")
    with pytest.raises(AppError):
        await there.open("ten_b", small, b"msg_1")
    with pytest.raises(AppError):
        await there.open("ten_a", small, b"msg_2")


async def test_two_processes_agree_on_one_key(database: Database) -> None:
    vaults = [Vault(database, MasterKey("m")) for _ in range(4)]
    sealed = await asyncio.gather(*(vault.seal("ten_a", b"x", b"") for vault in vaults))
    assert [await vaults[0].open("ten_a", content, b"") for content in sealed] == [b"x"] * 4


async def test_a_forgotten_tenant_stays_forgotten(database: Database) -> None:
    vault = Vault(database, MasterKey("m"))
    sealed = await vault.seal("ten_a", b"x", b"")
    await vault.forget("ten_a")
    with pytest.raises(NotFound):
        await vault.open("ten_a", sealed, b"")
    with pytest.raises(NotFound):
        await vault.seal("ten_a", b"new", b"")
