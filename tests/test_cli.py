import json
import shutil
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app import cli
from app.language.contract import load_contract
from app.speech.asr.onnx_engine import STARTER_MODEL_DIR

pytestmark = pytest.mark.unit
runner = CliRunner()


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("run",),
        ("serve",),
        ("worker",),
        ("call",),
        ("packs",),
        ("packs", "new"),
        ("packs", "validate"),
        ("packs", "test"),
        ("packs", "reload"),
        ("packs", "approve"),
        ("asr",),
        ("asr", "transcribe"),
        ("asr", "info"),
        ("nlu",),
        ("nlu", "understand"),
        ("nlu", "train"),
    ],
)
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    result = runner.invoke(cli.app, [*command, "--help"])
    assert result.exit_code == 0
    words = result.output.split()
    assert len(words) > 25


def test_the_scenarios_are_listed_with_what_happens() -> None:
    result = runner.invoke(cli.app, ["call", "--list"])
    assert result.exit_code == 0 and "barge-in" in result.output


def exit_of(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["vaanisetu", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return int(caught.value.code or 0)


@pytest.mark.parametrize("command", [("run", "--once", "--data-dir"), ("serve",)])
def test_a_recogniser_that_would_not_serve_is_one_line_before_anything_listens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, command: tuple[str, ...]
) -> None:
    model, data = tmp_path / "model", tmp_path / "data"
    shutil.copytree(STARTER_MODEL_DIR, model)
    (model / "encoder.onnx").write_bytes((model / "encoder.onnx").read_bytes()[:100_000])
    monkeypatch.setenv("VAANISETU_ASR_MODEL", str(model))
    monkeypatch.setenv("VAANISETU_DATA_DIR", str(data))
    assert exit_of(monkeypatch, *command, *([str(data)] if "run" in command else [])) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    assert f"{model / 'encoder.onnx'} is damaged" in said and "export or convert the model again" in said
    assert not (data / "models").exists()


def test_an_expected_error_is_one_message_and_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert exit_of(monkeypatch, "call", "barge-in", "--data-dir", str(tmp_path)) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: which server? Give --url, --to, --auth-id, --auth-token")
    assert "Traceback" not in said


def test_a_worker_without_stores_is_told_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("MONGODB_URL", "REDIS_URL"):
        monkeypatch.delenv(f"VAANISETU_{name}", raising=False)
    assert exit_of(monkeypatch, "worker") == 1
    assert "set VAANISETU_MONGODB_URL and VAANISETU_REDIS_URL" in " ".join(capsys.readouterr().err.split())


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("VAANISETU_PORT", "many")
    assert exit_of(monkeypatch, "worker") == 1
    assert "VAANISETU_PORT: Input should be a valid integer" in " ".join(capsys.readouterr().err.split())


def test_a_server_without_its_store_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VAANISETU_MONGODB_URL", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200")
    monkeypatch.setenv("VAANISETU_REDIS_URL", "redis://127.0.0.1:1")
    assert exit_of(monkeypatch, "serve", "--port", "0") == 1
    assert capsys.readouterr().err == "error: the database does not answer\n"


def test_understanding_can_be_tried_and_read_by_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"text": "a", "intent": "greet", "confidence": 1.0, "language": "hi-IN", "entities": {}}]
    monkeypatch.setattr("app.demo.tryout.understand", lambda *_: rows)
    result = runner.invoke(cli.app, ["nlu", "understand", "a", "--json"])
    assert json.loads(result.output) == rows


def test_disclosures_are_approved_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copytree("lang_packs/en-IN", tmp_path / "en-IN")
    shutil.copy("lang_packs/contract.yaml", tmp_path)
    monkeypatch.setenv("VAANISETU_PACKS_DIR", str(tmp_path))
    assert exit_of(monkeypatch, "packs", "approve", "en-IN", "--by", "Counsel of Nila Stores") == 0
    text = (tmp_path / "en-IN" / "disclosures.yaml").read_text(encoding="utf-8")
    disclosures = load_contract(tmp_path).disclosures
    assert text.count("Counsel of Nila Stores") == text.count("approved_by:") == len(disclosures) > 1
    assert exit_of(monkeypatch, "packs", "check") == 0
    assert exit_of(monkeypatch, "packs", "approve", "xx-IN", "--by", "nobody") == 1
