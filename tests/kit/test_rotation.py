"""The master key is exchanged while content stays readable, by environment and by a key service."""

from collections.abc import AsyncIterator

import pytest

from app.config import Settings
from app.errors import AppError, ConfigError, NotFound, Unavailable
from app.keys import open_keys
from app.kit.crypto import MasterKey, mint_api_key
from app.kit.mongo import Database
from app.kit.rotation import rotate
from app.kit.sealed import SealedText
from app.kit.transit import TransitKey
from app.kit.vault import Vault
from app.kit.wrapping import KeyRing, LocalKey
from tests.standins.graph import served
from tests.standins.transit import TransitStandIn

pytestmark = pytest.mark.integration

OLD, NEW = LocalKey(MasterKey("the old one")), LocalKey(MasterKey("the new one"))


@pytest.fixture
async def transit() -> AsyncIterator[tuple[TransitStandIn, TransitKey, str]]:
    standin = TransitStandIn("a-token")
    async with served(standin.app) as url:
        key = TransitKey(url, "vaanisetu", "a-token")
        yield standin, key, url
        await key.aclose()


async def test_content_stays_readable_while_and_after_the_key_is_exchanged(database: Database) -> None:
    before = Vault(database, KeyRing(OLD))
    sealed = {tenant: await before.seal(tenant, tenant.encode(), b"doc") for tenant in ("ten_a", "ten_b", "ten_c")}
    during = Vault(database, KeyRing(NEW, [OLD]))
    assert await during.open("ten_a", sealed["ten_a"], b"doc") == b"ten_a"
    done = await rotate(database, KeyRing(NEW, [OLD]))
    assert set(done.rewrapped) == {"ten_a", "ten_b", "ten_c"} and not done.failed
    again = await rotate(database, KeyRing(NEW, [OLD]))
    assert (again.rewrapped, again.already) == ((), 3)
    after = Vault(database, KeyRing(NEW))
    assert [await after.open(tenant, content, b"doc") for tenant, content in sealed.items()] == [
        tenant.encode() for tenant in sealed
    ]
    with pytest.raises(AppError) as caught:
        await Vault(database, KeyRing(OLD)).open("ten_a", sealed["ten_a"], b"doc")
    assert caught.value.code == "master_key_missing"


async def test_a_rotation_that_was_cut_off_goes_on(database: Database) -> None:
    class Flaky:
        name, left = NEW.name, 2

        async def wrap(self, data_key: bytes, tenant_id: str) -> bytes:
            if not self.left:
                raise Unavailable("cut off")
            self.left -= 1
            return await NEW.wrap(data_key, tenant_id)

        async def unwrap(self, wrapped: bytes, tenant_id: str) -> bytes:
            return await NEW.unwrap(wrapped, tenant_id)

    before = Vault(database, KeyRing(OLD))
    sealed = [await before.seal(f"ten_{number}", b"x", b"") for number in range(5)]
    with pytest.raises(Unavailable):
        await rotate(database, KeyRing(Flaky(), [OLD]))
    ring = KeyRing(NEW, [OLD])
    assert [await Vault(database, ring).open(f"ten_{n}", content, b"") for n, content in enumerate(sealed)] == [
        b"x"
    ] * 5
    done = await rotate(database, ring)
    assert (len(done.rewrapped), done.already) == (3, 2)


async def test_a_key_of_an_unknown_master_key_is_told_and_left_alone(database: Database) -> None:
    lost = Vault(database, KeyRing(LocalKey(MasterKey("lost"))))
    await lost.seal("ten_lost", b"x", b"")
    await Vault(database, KeyRing(OLD)).seal("ten_a", b"x", b"")
    done = await rotate(database, KeyRing(NEW, [OLD]))
    assert done.rewrapped == ("ten_a",) and done.failed == {"ten_lost": "master_key_missing"}


async def test_api_keys_outlive_the_master_key(database: Database) -> None:
    key = mint_api_key(live=True)
    first = Settings(master_key="old-master-key")
    async with open_keys(first, database) as opened:
        digest = opened.master.digest(key)
        assert digest == MasterKey("old-master-key").digest(key)
    changed = Settings(master_key="new-master-key", accepted_master_keys=["old-master-key"])
    async with open_keys(changed, database) as opened:
        assert opened.master.matches(key, digest)
        await rotate(database, opened.ring)
    async with open_keys(Settings(master_key="new-master-key"), database) as opened:
        assert opened.master.matches(key, digest)
    with pytest.raises(AppError) as caught:
        async with open_keys(first, database):
            pass
    assert caught.value.code == "master_key_missing" and "VAANISETU_ACCEPTED_MASTER_KEYS" in caught.value.detail


async def test_a_key_service_wraps_and_the_master_key_hands_over_to_it(
    database: Database, transit: tuple[TransitStandIn, TransitKey, str]
) -> None:
    standin, key, url = transit
    sealed = await Vault(database, KeyRing(OLD)).seal("ten_a", b"namaste", b"doc")
    assert (await rotate(database, KeyRing(key, [OLD]))).rewrapped == ("ten_a",)
    vault = Vault(database, KeyRing(key))
    assert await vault.open("ten_a", sealed, b"doc") == b"namaste"
    asked = len(standin.requests)
    await vault.open("ten_a", sealed, b"doc")
    assert len(standin.requests) == asked, "the data key is cached"
    stored = await database.tenant("ten_a").collection("data_keys").find_one({})
    assert stored is not None and stored["wrapped"].startswith(b"vault:v1:")
    with pytest.raises(AppError) as caught:
        await key.unwrap(stored["wrapped"], "ten_b")
    assert caught.value.code == "seal_broken"
    async with open_keys(Settings(kms_url=url, kms_token="a-token", master_key="old-master-key"), database) as opened:
        assert opened.ring.current.name == key.name


async def test_a_key_service_that_is_away_or_refuses_is_told_apart(
    transit: tuple[TransitStandIn, TransitKey, str],
) -> None:
    standin, key, url = transit
    wrapped = await key.wrap(b"k" * 32, "ten_a")
    standin.down = True
    with pytest.raises(Unavailable) as away:
        await key.unwrap(wrapped, "ten_a")
    assert away.value.code == "kms_unavailable" and away.value.retry_after_seconds
    standin.down = False
    for wrong in (TransitKey(url, "vaanisetu", "guessed"), TransitKey(url, "other", "a-token")):
        with pytest.raises(ConfigError):
            await wrong.wrap(b"k" * 32, "ten_a")
        await wrong.aclose()


async def test_nothing_is_sealed_for_a_forgotten_tenant(database: Database) -> None:
    vault = Vault(database, KeyRing(OLD))
    sealed = SealedText(vault)
    text = await sealed.seal("ten_a", "doc", "words")
    await vault.forget("ten_a")
    assert not (await rotate(database, KeyRing(NEW, [OLD]))).rewrapped
    for work in (sealed.open("ten_a", "doc", text), sealed.seal("ten_a", "doc", "new")):
        with pytest.raises(NotFound) as caught:
            await work
        assert caught.value.code == "data_key_gone"


@pytest.mark.parametrize("broken", ["", "no base 64!", "AAAA"])
async def test_what_is_no_sealed_text_is_said_so(database: Database, broken: str) -> None:
    sealed = SealedText(Vault(database, KeyRing(OLD)))
    await sealed.seal("ten_a", "doc", "words")
    with pytest.raises(AppError) as caught:
        await sealed.open("ten_a", "doc", broken)
    assert caught.value.code == "seal_broken"
