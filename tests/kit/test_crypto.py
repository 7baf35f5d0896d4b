"""Keys and seals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import AppError
from app.kit.crypto import MasterKey, is_api_key, mint_api_key, mint_data_key, mint_token, open_sealed, seal

pytestmark = pytest.mark.unit


@given(st.booleans(), st.integers(8, 45), st.sampled_from("aZ09_"))
def test_a_mistyped_key_is_known_by_its_checksum(live: bool, place: int, letter: str) -> None:
    key = mint_api_key(live=live)
    assert key.startswith("vs_live_" if live else "vs_test_")
    assert is_api_key(key)
    changed = key[:place] + letter + key[place + 1 :]
    assert is_api_key(changed) is (changed == key)


@pytest.mark.parametrize("text", ["", "vs_live_", "vs_live_कखग", "sk_live_" + "0" * 38, "vs_test_" + "0" * 38])
def test_what_is_no_key_is_refused(text: str) -> None:
    assert not is_api_key(text)


def test_digests_depend_on_the_master_key() -> None:
    one, two, key = MasterKey("one"), MasterKey("two"), mint_api_key(live=True)
    assert one.matches(key, one.digest(key))
    assert not one.matches(key, two.digest(key))
    assert not one.matches(key + "x", one.digest(key))
    assert key not in one.digest(key)
    assert one.derive("a") != one.derive("b")


def test_tokens_do_not_repeat_and_fit_a_path() -> None:
    tokens = {mint_token() for _ in range(200)}
    assert len(tokens) == 200
    assert all(len(token) == 43 and token.replace("-", "").replace("_", "").isalnum() for token in tokens)


@given(st.binary(max_size=300), st.binary(max_size=40), st.data())
def test_a_seal_opens_only_unchanged_and_in_its_place(plain: bytes, aad: bytes, data: st.DataObject) -> None:
    key = mint_data_key()
    sealed = seal(key, plain, aad)
    assert open_sealed(key, sealed, aad) == plain
    at = data.draw(st.integers(0, len(sealed) - 1))
    changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
    for broken in ((key, changed, aad), (key, sealed, aad + b"x"), (mint_data_key(), sealed, aad), (key, b"", aad)):
        with pytest.raises(AppError) as caught:
            open_sealed(*broken)
        assert caught.value.code == "seal_broken"


def test_a_data_key_unwraps_for_its_tenant_only() -> None:
    master, data_key = MasterKey("secret"), mint_data_key()
    wrapped = master.wrap(data_key, "ten_a")
    assert master.unwrap(wrapped, "ten_a") == data_key
    with pytest.raises(AppError):
        master.unwrap(wrapped, "ten_b")
