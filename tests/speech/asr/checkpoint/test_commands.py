"""`vaanisetu asr info`, `convert`, `pull` and `finetune` from a terminal: status, and one line where it is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app import cli
from app.speech.asr.onnx_engine import STARTER_MODEL_DIR

from .conftest import PACKS

pytestmark = pytest.mark.integration


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setenv("VAANISETU_PACKS_DIR", str(PACKS))
    monkeypatch.setattr("sys.argv", ["vaanisetu", "asr", *arguments])
    try:
        cli.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_info_describes_the_starter_in_text_and_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, "info", str(STARTER_MODEL_DIR)) == 0
    shown = capsys.readouterr().out
    assert "served by   the onnx engine" in shown
    assert "hi-IN" in shown
    assert "licence     Apache-2.0" in shown
    assert _run(monkeypatch, "info", str(STARTER_MODEL_DIR / "model.nemo"), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sample_rate_hz"] == 8000
    assert all(item["is_enough"] for item in told["coverage"])


def test_the_catalogue_is_listed_and_its_entries_described(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, "pull") == 0
    assert "indicconformer-ta" in capsys.readouterr().out
    assert _run(monkeypatch, "info", "indicconformer-ta") == 0
    assert "MIT" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("info", "nowhere.nemo"), 1, "nowhere.nemo: no such checkpoint"),
        (("info", f"{'deep/' * 30}nowhere.nemo"), 1, "nowhere.nemo: no such checkpoint"),
        (("info",), 2, "Missing argument"),
        (("pull", "whisper"), 1, "whisper: not in the catalogue; it knows"),
        (("finetune", "--base", "a.nemo"), 2, "Missing option"),
        (("convert", "a.nemo", "out", "--look-ahead-ms", "soon"), 2, "Invalid value"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    status: int,
    said: str,
) -> None:
    assert _run(monkeypatch, *arguments) == status
    shown = capsys.readouterr().err
    assert said in shown
    if status == 1:
        assert shown.startswith("error: ")
        assert "Traceback" not in shown
        assert shown.count("\n") == 1


def test_without_the_extra_the_cure_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("app.cli_checkpoints.importlib.util.find_spec", lambda name: None)
    for arguments in (
        ("convert", "a.nemo", str(tmp_path / "out")),
        ("pull", "indicconformer-hi", "--accept-licence", "--folder", str(tmp_path)),
        ("parity", str(STARTER_MODEL_DIR), "--manifest", "m.jsonl"),
        ("finetune", "--base", "a.nemo", "--manifest", "m.jsonl", "--out", str(tmp_path / "out")),
    ):
        assert _run(monkeypatch, *arguments) == 1
        assert "run `make setup-nemo`" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_a_language_map_that_is_no_json_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VAANISETU_ASR_MODELS", "hi-IN=models/hindi")
    assert _run(monkeypatch, "info", str(STARTER_MODEL_DIR)) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert 'value for field "asr_models"' in said
    assert "write it as one JSON object" in said
