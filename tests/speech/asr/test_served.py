"""A model directory that cannot serve is refused in one line that names the file and the cure."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece

from app.errors import ConfigError, ModelError
from app.speech.asr.choice import load_engine
from app.speech.asr.onnx_engine import STARTER_MODEL_DIR, OnnxAsrEngine

pytestmark = pytest.mark.integration


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    for name in ("encoder.onnx", "tokenizer.model", "model.json"):
        shutil.copyfile(STARTER_MODEL_DIR / name, tmp_path / name)
    return tmp_path


def described(model_dir: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = model_dir / "model.json"
    model = json.loads(path.read_text(encoding="utf-8"))
    change(model)
    path.write_text(json.dumps(model), encoding="utf-8")


def other_tokenizer(path: Path) -> None:
    text = path.with_suffix(".txt")
    text.write_text("\n".join(f"word{i} of text {i * 7}" for i in range(200)), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(path.with_suffix("")), vocab_size=40, minloglevel=2
    )


BREAKAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no directory": (shutil.rmtree, "no directory with a served model"),
    "no description": (lambda d: (d / "model.json").unlink(), "holds no model.json"),
    "no JSON": (lambda d: (d / "model.json").write_text("{"), r"model\.json is damaged"),
    "a list": (lambda d: (d / "model.json").write_text("[]"), "no JSON object"),
    "no features": (lambda d: described(d, lambda m: m.pop("features")), r"model\.json is damaged .*features"),
    "44.1 kHz": (lambda d: described(d, lambda m: m["features"].update(sample_rate_hz=44_100)), "44100 Hz cannot"),
    "80 mels": (lambda d: described(d, lambda m: m["features"].update(mel_bands=80)), "not 80 figures"),
    "no deviation": (lambda d: described(d, lambda m: m.update(std=[0.0] * 64)), "above 0"),
    "caches": (lambda d: described(d, lambda m: m["streaming"].update(width=96)), r"model\.json is damaged"),
    "layers": (lambda d: described(d, lambda m: m["streaming"].update(layers=2)), r"model\.json is damaged"),
    "another engine's": (lambda d: described(d, lambda m: m.update(engine="nemo")), "VAANISETU_ASR_ENGINE=nemo"),
    "no graph": (lambda d: (d / "encoder.onnx").unlink(), r"encoder\.onnx is missing"),
    "half a graph": (
        lambda d: (d / "encoder.onnx").write_bytes((d / "encoder.onnx").read_bytes()[:100_000]),
        r"encoder\.onnx is damaged",
    ),
    "no tokenizer": (lambda d: (d / "tokenizer.model").unlink(), r"tokenizer\.model is missing"),
    "a damaged tokenizer": (lambda d: (d / "tokenizer.model").write_bytes(b"x" * 99), r"tokenizer\.model is damaged"),
    "another's tokenizer": (lambda d: other_tokenizer(d / "tokenizer.model"), "has 40"),
    "damaged n-grams": (lambda d: (d / "ngrams.model").write_bytes(b"PK\x03\x04 no archive"), r"ngrams\.model is dam"),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_what_cannot_serve_is_refused_in_one_line(model_dir: Path, breakage: str) -> None:
    break_it, reason = BREAKAGES[breakage]
    break_it(model_dir)
    with pytest.raises(ModelError, match=reason) as refusal:
        OnnxAsrEngine(model_dir)
    assert "\n" not in refusal.value.detail
    assert str(model_dir) in refusal.value.detail


def test_whole_directories_load(model_dir: Path) -> None:
    assert OnnxAsrEngine(model_dir).languages == ("en-IN", "hi-IN", "ta-IN", "te-IN")


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ConfigError, match="`kaldi`"):
        load_engine("kaldi")


@pytest.mark.skipif(importlib.util.find_spec("nemo") is not None, reason="NeMo is installed")
def test_nemo_without_nemo_is_refused_with_the_cure() -> None:
    with pytest.raises(ConfigError, match="make setup-nemo"):
        load_engine("nemo")
