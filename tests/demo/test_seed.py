import stat
from pathlib import Path

import pytest

from app.demo.calls import Options, reach
from app.demo.seed import Accounts, DemoTenant
from app.errors import ConfigError

pytestmark = pytest.mark.unit

TENANT = DemoTenant(
    "http://127.0.0.1:8080",
    "vs_live_x",
    "MA1",
    "token",
    {"hi-IN": "+918047000001", "ta-IN": "+918047000002"},
    "http://g",
)


def test_what_a_demo_left_is_read_back_and_kept_from_others(tmp_path: Path) -> None:
    assert DemoTenant.read(tmp_path) is None
    TENANT.save(tmp_path)
    TENANT.save(tmp_path)
    assert DemoTenant.read(tmp_path) == TENANT
    assert stat.S_IMODE((tmp_path / "demo.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["{", '{"url": 1}', "[]"])
def test_a_broken_file_is_told_with_its_cure(tmp_path: Path, text: str) -> None:
    (tmp_path / "demo.json").write_text(text)
    with pytest.raises(ConfigError, match="remove it"):
        DemoTenant.read(tmp_path)


def test_every_demo_invents_its_own_secrets() -> None:
    first, second = Accounts.invent(), Accounts.invent()
    assert first != second
    assert first.plivo_auth_id.startswith("MA") and len(first.plivo_auth_id) == 20
    assert first.phone_number_id.isdigit()


def test_the_running_demo_is_rung_unless_another_server_is_named() -> None:
    there = reach(Options(), TENANT)
    assert there.target.to_number == "+918047000001" and there.target.lines == TENANT.numbers
    assert (there.auth_token, there.api_key, there.graph_url) == ("token", "vs_live_x", "http://g")
    one = reach(Options(to="+918047000002"), TENANT)
    assert one.target.to_number == "+918047000002" and not one.target.lines
    other = reach(Options(url="https://x", to="+911", auth_id="MA2", auth_token="t2"), TENANT)
    assert (other.target.url, other.auth_token, other.api_key) == ("https://x", "t2", None)


def test_half_an_address_is_refused_with_what_is_missing() -> None:
    with pytest.raises(ConfigError, match="Give --to, --auth-token"):
        reach(Options(url="https://x", auth_id="MA2"), TENANT)
