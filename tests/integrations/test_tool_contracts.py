"""The contracts that ship: they load, fit the flows and the stand-in, and bad files are refused with their place."""

from datetime import date
from pathlib import Path

import pytest
import yaml

from app.dialogue.flow_source import load_flows
from app.dialogue.verification import ACCOUNT_TOOLS
from app.errors import ConfigError, ToolError
from app.integrations.flow_facts import flow_facts
from app.integrations.tool_contracts import CONTRACTS_DIR, ToolContracts
from app.simulate.orders import Shop, demo_orders

pytestmark = pytest.mark.unit

CONTRACTS = ToolContracts.load()
READS = {
    "order_status",
    "refund_status",
    "payment_issue",
    "product_question",
    "price_question",
    "store_hours",
    "identify_caller",
}


def test_every_tool_has_a_contract_that_says_what_it_does_to_the_world() -> None:
    shipped = {name: CONTRACTS.shipped(name) for name in CONTRACTS.names}
    assert len(shipped) == 18
    assert {name for name, contract in shipped.items() if contract and not contract.write} == READS
    assert {name for name, contract in shipped.items() if contract and contract.account} == set(ACCOUNT_TOOLS)
    for contract in shipped.values():
        assert contract is not None and contract.does.endswith(".") and (contract.method == "GET") is not contract.write


def test_every_shipped_flow_fits_its_tool() -> None:
    assert load_flows(tools=flow_facts(CONTRACTS)).frames


def test_the_stand_in_answers_every_tool_within_its_contract() -> None:
    shop = Shop(demo_orders(date(2026, 11, 21)), date(2026, 11, 21))
    given = {
        "date": "2026-11-25",
        "time": "10:30",
        "item": "charger",
        "address": "x",
        "subject": "x",
        "caller_phone": "+919876500001",
    }
    for name in ("book_appointment", *CONTRACTS.names):
        contract = CONTRACTS.shipped(name)
        assert contract is not None
        for order_id in ("none", *shop.orders):
            found = shop.answer(name, {**given, "order_id": order_id})
            if found is not None:
                contract.answer(found)


@pytest.mark.parametrize(
    ("change", "place", "line"),
    [
        ({"method": "FETCH"}, "store_hours.method", "method: FETCH"),
        ({"surprise": 1}, "store_hours.surprise", "surprise: 1"),
        ({"path": "/hours/{town}"}, "store_hours.path", "path: /hours/{town}"),
        (
            {"output": {"properties": {"opens": {"type": "clock"}}}},
            "store_hours.output.properties.opens.type",
            "type: clock",
        ),
        ({"input": []}, "store_hours.input", "input: []"),
    ],
)
def test_a_bad_file_is_refused_with_file_line_and_place(
    tmp_path: Path, change: dict[str, object], place: str, line: str
) -> None:
    entry = yaml.safe_load((CONTRACTS_DIR / "catalogue.yaml").read_text(encoding="utf-8"))["store_hours"]
    text = yaml.safe_dump({"store_hours": {**entry, **change}})
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        ToolContracts.load(tmp_path)
    number = [words.strip() for words in text.splitlines()].index(line) + 1
    assert caught.value.detail.startswith(f"mine.yaml:{number}: {place}"), caught.value.detail


def test_no_yaml_and_a_tool_in_two_files_are_refused(tmp_path: Path) -> None:
    text = (CONTRACTS_DIR / "catalogue.yaml").read_text(encoding="utf-8")
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="two files"):
        ToolContracts.load(tmp_path)
    for broken, reason in (("a: [", r"a\.yaml:1: no YAML"), ("a: {}\na: {}\n", r"a\.yaml:2: .*stands twice")):
        (tmp_path / "a.yaml").write_text(broken, encoding="utf-8")
        with pytest.raises(ConfigError, match=reason):
            ToolContracts.load(tmp_path)


def test_an_error_names_the_argument_and_never_its_value() -> None:
    contract = CONTRACTS.shipped("reschedule_delivery")
    assert contract is not None
    with pytest.raises(ToolError) as caught:
        contract.arguments({"order_id": "4512", "date": "my secret birthday"})
    assert "date" in caught.value.detail and "secret" not in caught.value.detail
    assert contract.arguments({"order_id": "4512", "date": "2026-11-25", "customer_id": ""}) == {
        "order_id": "4512",
        "date": "2026-11-25",
    }
