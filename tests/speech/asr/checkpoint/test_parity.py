"""What export and int8 cost, measured on the shipped model, and the differences that have to be found."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nemo")

from app import cli
from app.errors import ModelError
from app.speech.asr.checkpoint import parity
from app.speech.asr.evaluation.material import read_items
from app.speech.asr.features import decode_mulaw
from app.speech.asr.onnx_engine import STARTER_MODEL_DIR, OnnxAsrEngine
from tests.packs import shipped_packs

from ..conftest import Voice
from .conftest import PACKS

pytestmark = [pytest.mark.nemo, pytest.mark.slow, pytest.mark.timeout(600)]

SAID = (
    ("hi", "hi+m5", "मेरा order कहाँ है"),
    ("hi", "hi+m5", "दो एक चार नौ"),
    ("ta", "ta+m5", "என் order எங்க இருக்கு"),
    ("te", "te+m5", "నా order ఎక్కడ ఉంది"),
    ("en", "en-us+m5", "please cancel my order"),
)


@pytest.fixture
def manifest(tmp_path: Path, voice: Voice) -> Path:
    lines = []
    for number, (language, name, text) in enumerate(SAID):
        samples = decode_mulaw(voice(text, name))
        with wave.open(str(tmp_path / f"{number}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes((np.clip(samples, -1, 1) * 32767).astype(np.int16).tobytes())
        lines.append(json.dumps({"audio_filepath": f"{number}.wav", "text": text, "lang": language}))
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path / "manifest.jsonl"


def changed(tmp_path: Path, ending: str, change: Any) -> Path:
    """Returns the starter's checkpoint with the weight whose name ends so changed in place."""
    path = tmp_path / "changed.nemo"
    with tarfile.open(STARTER_MODEL_DIR / "model.nemo") as source, tarfile.open(path, "w") as made:
        for member in source.getmembers():
            content = source.extractfile(member)
            if content is None:
                continue
            data = content.read()
            if member.name.endswith("model_weights.ckpt"):
                weights = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
                change(next(value for name, value in weights.items() if name.endswith(ending)))
                written = io.BytesIO()
                torch.save(weights, written)
                data = written.getvalue()
            entry = tarfile.TarInfo(member.name)
            entry.size = len(data)
            made.addfile(entry, io.BytesIO(data))
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setenv("VAANISETU_PACKS_DIR", str(PACKS))
    monkeypatch.setattr("sys.argv", ["vaanisetu", "asr", "parity", *map(str, arguments)])
    try:
        cli.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_the_shipped_model_is_its_checkpoint(
    manifest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, STARTER_MODEL_DIR, "--manifest", manifest, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["is_kept"]
    assert told["onnx_against_torch"]["chunks"] > 5 * len(SAID)
    assert 0 < told["onnx_against_torch"]["largest_probability_difference"] < 1e-4
    assert told["int8_against_float32"]["all"]["wer"]["utterances"] == len(SAID)
    assert told["int8_against_float32"]["hi"]["wer"]["float32"] < 0.5


def test_a_graph_that_hears_worse_than_its_checkpoint_is_told_by_the_status(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt = tmp_path / "spoilt"
    shutil.copytree(STARTER_MODEL_DIR, spoilt)
    other = changed(tmp_path, "decoder_layers.0.weight", torch.Tensor.neg_)
    parity.export_float_graph(other, spoilt / "encoder.onnx", [56, 1])
    assert run(monkeypatch, spoilt, "--manifest", manifest) == 1
    shown = capsys.readouterr().out
    assert "| all | 5 | WER |" in shown


def test_a_graph_that_differs_by_a_thousandth_is_found(manifest: Path) -> None:
    class Shifted:
        def __init__(self) -> None:
            self._graph = OnnxAsrEngine(greedy=True).graph

        def run(self, names: None, inputs: Mapping[str, Any]) -> list[Any]:
            found = self._graph.run(names, inputs)
            sure = np.exp(found[0])
            sure[..., -1] += 1e-3
            return [np.log(sure), *found[1:]]

    items = read_items(manifest, {"hi", "ta", "te", "en"})
    largest, chunks = parity._streamed(STARTER_MODEL_DIR, Shifted(), items)
    assert largest == pytest.approx(1e-3, rel=0.01)
    assert chunks > 5 * len(SAID)


def test_what_does_not_belong_together_is_one_line(manifest: Path, tmp_path: Path) -> None:
    packs = {pack.tag: pack for pack in shipped_packs().packs}
    items = read_items(manifest, {"hi", "ta", "te", "en"})
    with pytest.raises(ModelError, match=r"nowhere\.nemo: no such checkpoint; name the \.nemo") as missing:
        parity.measure(STARTER_MODEL_DIR, tmp_path / "nowhere.nemo", items, packs, 2)
    cut = tmp_path / "cut.nemo"
    cut.write_bytes((STARTER_MODEL_DIR / "model.nemo").read_bytes()[:500_000])
    with pytest.raises(ModelError, match=r"cut\.nemo is damaged or no archive") as damaged:
        parity.measure(STARTER_MODEL_DIR, cut, items, packs, 2)
    assert not any("\n" in refusal.value.detail for refusal in (missing, damaged))
