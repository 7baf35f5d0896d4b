"""One command from a name of the catalogue to a model that serves, against a stand-in of the hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("nemo")
pytest.importorskip("huggingface_hub")

from app.errors import ModelError
from app.language.loader import PackRegistry
from app.speech.asr.checkpoint.catalogue import find_entry
from app.speech.asr.checkpoint.info import describe
from app.speech.asr.checkpoint.pull import pull
from app.speech.asr.onnx_engine import STARTER_MODEL_DIR

from .conftest import PACKS, MakeTokenizer
from .fork import Fork
from .hub_standin import Hub, serve

pytestmark = [pytest.mark.nemo, pytest.mark.slow, pytest.mark.timeout(600)]


def _command(hub: Hub, data_dir: Path, *arguments: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "HF_ENDPOINT": hub.endpoint, "HF_TOKEN": "hf_mine", "VAANISETU_DATA_DIR": str(data_dir),
        "VAANISETU_PACKS_DIR": str(PACKS), "HF_HUB_DISABLE_PROGRESS_BARS": "1", "COLUMNS": "200",
    }  # fmt: skip
    call = "import sys; from app.cli import main; sys.argv[0] = 'vaanisetu'; main()"
    return subprocess.run(
        [sys.executable, "-c", call, "asr", *arguments],
        env=environment, input=answer, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_one_command_makes_ai4bharats_checkpoint_a_model_that_serves(
    tmp_path: Path, packs: PackRegistry, make_tokenizer: MakeTokenizer
) -> None:
    entry = find_entry("indicconformer-hi")
    fork = Fork(tmp_path, {tag: make_tokenizer(packs.get(f"{tag}-IN")) for tag in ("hi", "ta")})
    data = tmp_path / "data"
    hub = Hub(
        {f"{entry.repository}/{entry.file}": fork.path.read_bytes()}, token="hf_mine", revisions=(entry.revision,)
    )
    with serve(hub):
        refused = _command(hub, data, "pull", "indicconformer-hi", answer="n\n")
        assert refused.returncode == 1
        assert "its licence was not accepted" in refused.stderr
        assert hub.requests == []
        done = _command(hub, data, "pull", "indicconformer-hi", "--accept-licence")
    assert done.returncode == 0, done.stderr
    assert "checked against the first pull" in done.stdout
    assert "VAANISETU_ASR_ENGINE=nemo" in done.stdout
    assert "NeMo I" not in done.stdout + done.stderr
    model = data / "asr" / "models" / "indicconformer-hi"
    described = json.loads((model / "model.json").read_text(encoding="utf-8"))
    assert described["languages"] == ["hi-IN"]
    assert described["vocabulary_size"] == fork.sizes["hi"]
    assert described["licence"].startswith("MIT (https://huggingface.co/")
    assert described["source"].startswith(entry.repository + "@")
    assert hub.leaked == []
    info = _command(hub, data, "info", str(model), "--json")
    assert info.returncode == 0, info.stderr
    told = {item["language"]: item["is_enough"] for item in json.loads(info.stdout)["coverage"]}
    assert told == {"hi-IN": True, "ta-IN": False, "te-IN": False, "en-IN": False}


def test_a_streaming_checkpoint_is_served_without_nemo_and_kept_for_fine_tuning(
    tmp_path: Path, packs: PackRegistry
) -> None:
    entry = find_entry("fastconformer-streaming-en").model_copy(update={"sha256": None, "bytes": None})
    said: list[str] = []
    hub = Hub({f"{entry.repository}/{entry.file}": (STARTER_MODEL_DIR / "model.nemo").read_bytes()})
    with serve(hub):
        first = pull(entry, tmp_path, packs.packs, said.append, endpoint=hub.endpoint)
        again = pull(entry, tmp_path, packs.packs, said.append, endpoint=hub.endpoint)
    assert len(hub.ranges) == 1
    assert (first.trusted_by, again.trusted_by) == ("first pull", "pin")
    assert describe(first.model_dir).served_by == "the onnx engine"
    assert describe(first.model_dir).look_ahead_ms == (80,)
    assert describe(first.checkpoint).model_class == "EncDecCTCModelBPE"
    assert [heard.language for heard in first.probe.heard] == ["en-IN"]
    assert first.probe.heard[0].speed > 0


def test_a_file_that_is_no_checkpoint_leaves_no_model(tmp_path: Path, packs: PackRegistry) -> None:
    entry = find_entry("indicconformer-hi").model_copy(update={"revision": "main"})
    hub = Hub({f"{entry.repository}/{entry.file}": b"<html>quota exceeded</html>" * 1000})
    with serve(hub), pytest.raises(ModelError, match="damaged or no archive"):
        pull(entry, tmp_path, packs.packs, lambda _: None, endpoint=hub.endpoint)
    assert not (tmp_path / "models").exists() or not any((tmp_path / "models").iterdir())


def test_a_model_that_cannot_write_its_language_is_refused_after_the_conversion(
    tmp_path: Path, packs: PackRegistry, make_tokenizer: MakeTokenizer
) -> None:
    entry = find_entry("indicconformer-te").model_copy(update={"revision": "main"})
    fork = Fork(tmp_path, {tag: make_tokenizer(packs.get("hi-IN")) for tag in ("hi", "te")})
    hub = Hub({f"{entry.repository}/{entry.file}": fork.path.read_bytes()})
    with serve(hub), pytest.raises(ModelError, match=r"cannot serve te-IN: its tokenizer writes 0 %"):
        pull(entry, tmp_path / "asr", packs.packs, lambda _: None, endpoint=hub.endpoint)
    assert not any((tmp_path / "asr" / "models").iterdir())
