"""A recogniser that would not serve is refused before anything starts: one line with the place and the cure."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from app.errors import AppError, ConfigError, ModelError
from app.language.loader import PackRegistry
from app.speech.asr.checkpoint.readiness import check_recogniser
from app.speech.asr.onnx_engine import STARTER_MODEL_DIR

from .conftest import MakeTokenizer

pytestmark = pytest.mark.integration


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(STARTER_MODEL_DIR, tmp_path / "model"))


def refusal(engine: str, model: Path | None, models: dict[str, Path], packs: PackRegistry) -> str:
    with pytest.raises(AppError) as refused:
        check_recogniser(engine, model, models, packs.packs)
    assert isinstance(refused.value, ModelError | ConfigError)
    assert "\n" not in refused.value.detail
    return refused.value.detail


def test_what_ships_is_ready(packs: PackRegistry, model: Path) -> None:
    check_recogniser("onnx", None, {}, packs.packs)
    check_recogniser("onnx", None, dict.fromkeys(packs.tags, model), packs.packs)


@pytest.mark.parametrize("name", ["encoder.onnx", "ngrams.model"])
def test_a_damaged_file_is_named(packs: PackRegistry, model: Path, name: str) -> None:
    (model / name).write_bytes((model / name).read_bytes()[:1000])
    assert f"{model / name} is damaged" in refusal("onnx", model, {}, packs)
    assert f"{model / name} is damaged" in refusal("onnx", None, dict.fromkeys(packs.tags, model), packs)


def test_a_model_that_answers_unk_is_refused_for_its_language(
    packs: PackRegistry, model: Path, make_tokenizer: MakeTokenizer
) -> None:
    (model / "tokenizer.model").write_bytes(make_tokenizer(packs.get("en-IN")))
    assert "cannot serve hi-IN: its tokenizer writes 0 % of the words" in refusal("onnx", model, {}, packs)


def test_models_and_engines_have_to_belong_together(
    packs: PackRegistry, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = json.loads((model / "model.json").read_text(encoding="utf-8"))
    (model / "model.json").write_text(json.dumps(described | {"engine": "nemo"}), encoding="utf-8")
    assert "is a model for the engine `nemo`" in refusal("onnx", model, {}, packs)
    assert "VAANISETU_ASR_ENGINE is `kaldi`" in refusal("kaldi", None, {}, packs)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setitem(__import__("sys").modules, "app.speech.asr.nemo_engine", None)
    assert "run `make setup-nemo`" in refusal("nemo", None, {}, packs)


def test_a_checkpoint_for_nemo_is_read_without_loading_it(packs: PackRegistry, model: Path) -> None:
    if importlib.util.find_spec("nemo") is not None:
        check_recogniser("nemo", model / "model.nemo", {}, packs.packs)
    cut = model / "cut.nemo"
    cut.write_bytes((model / "model.nemo").read_bytes()[:500_000])
    assert "cut.nemo is damaged or no archive" in refusal("nemo", cut, {}, packs)
