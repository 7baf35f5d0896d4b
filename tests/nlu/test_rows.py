"""Labelled rows from JSONL and TSV; a bad row is named by file, line and reason, and the others are used."""

from pathlib import Path

import pytest

from app.errors import ConfigError
from app.nlu.rows import LabelledRow, read_rows

pytestmark = pytest.mark.unit
TAGS = ("en-IN", "hi-IN")
INTENTS = ("order_status", "affirm")


def read(path: Path, text: str) -> tuple[list[LabelledRow], list[str]]:
    path.write_text(text, encoding="utf-8")
    rows, bad = read_rows(path, TAGS, INTENTS)
    return rows, [str(fault) for fault in bad]


def test_jsonl_with_entities_in_each_form(tmp_path: Path) -> None:
    rows, bad = read(
        tmp_path / "rows.jsonl",
        '{"text": "where is 4512", "language": "en", "intent": "order_status", "entities": {"digits": "4512"}}\n'
        '{"text": "haan", "language": "hi-IN", "intent": "affirm", "form": "romanised"}\n'
        '{"text": "x", "language": "en-IN", "intent": "affirm", "entities": [{"kind": "city", "value": "Pune"}]}\n',
    )
    assert not bad
    assert rows[0] == LabelledRow("where is 4512", "en-IN", "order_status", "", (("digits", "4512"),))
    assert rows[1].entities is None and rows[1].form == "romanised"
    assert rows[2].entities == (("city", "Pune"),)


def test_tsv(tmp_path: Path) -> None:
    rows, bad = read(
        tmp_path / "rows.tsv",
        "text\tlanguage\tintent\tentities\nwhere is it\ten-IN\torder_status\tdigits=4512; city=Pune\n",
    )
    assert not bad and rows[0].entities == (("digits", "4512"), ("city", "Pune"))


def test_bad_rows_are_named_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows, bad = read(
        path,
        '{"text": "haan", "language": "hi", "intent": "affirm"}\n'
        "{broken\n"
        '{"text": "x", "language": "fr", "intent": "affirm"}\n'
        '{"text": "x", "language": "en", "intent": "dance"}\n'
        '{"language": "en", "intent": "affirm"}\n'
        '{"text": "x", "language": "en", "intent": "affirm", "entities": "4512"}\n',
    )
    assert len(rows) == 1 and len(bad) == 5
    for number, reason in zip(
        range(2, 7), ("JSON", "'fr' has no pack", "'dance'", "text is missing", "kind=value"), strict=True
    ):
        assert bad[number - 2].startswith(f"{path}:{number}: ") and reason in bad[number - 2]


def test_a_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no column language, intent"):
        read(tmp_path / "rows.tsv", "text\tmeaning\nhello\tgreet\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_rows(tmp_path / "none.tsv", TAGS, INTENTS)
