"""Conversion on real small models: AI4Bharat's layout cut to one language, hybrids, full context, bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch")
pytest.importorskip("nemo")

from app.errors import ModelError
from app.language.loader import PackRegistry
from app.speech.asr.checkpoint.archive import read_archive
from app.speech.asr.checkpoint.convert import Origin, convert
from app.speech.asr.checkpoint.coverage import check_coverage
from app.speech.asr.checkpoint.info import describe
from app.speech.asr.checkpoint.stock import ctc_model, head_rows, write_tokenizer
from app.speech.asr.onnx_engine import STARTER_MODEL_DIR, OnnxAsrEngine

from .conftest import MakeTokenizer
from .fork import ENCODER, MELS, PREPROCESSOR, STREAMING, WIDTH, Fork, write_archive

pytestmark = [pytest.mark.nemo, pytest.mark.slow]


@pytest.fixture(scope="module")
def tokenizers(packs: PackRegistry, make_tokenizer: MakeTokenizer) -> dict[str, bytes]:
    return {tag: make_tokenizer(packs.get(f"{tag}-IN")) for tag in ("hi", "ta", "te")}


@pytest.fixture(scope="module")
def fork(tmp_path_factory: pytest.TempPathFactory, tokenizers: dict[str, bytes]) -> Fork:
    return Fork(tmp_path_factory.mktemp("fork"), tokenizers)


@pytest.mark.parametrize("tag", ["hi", "ta", "te"])
def test_a_cut_model_answers_as_the_fork_does_for_its_language(fork: Fork, tmp_path: Path, tag: str) -> None:
    model = ctc_model(read_archive(fork.path), tmp_path, tag)
    features, lengths = torch.randn(2, MELS, 200), torch.tensor([200, 160])
    with torch.no_grad():
        encoded, _ = model.encoder(audio_signal=features, length=lengths)
        ours = model.decoder(encoder_output=encoded)
    theirs = fork.log_probs(features, lengths, tag)
    assert ours.shape == theirs.shape == (2, 25, fork.sizes[tag] + 1)
    assert torch.equal(ours, theirs)
    assert float(ours.std()) > 0.05


def test_a_cut_model_is_a_stock_checkpoint_of_that_language_alone(
    fork: Fork, tmp_path: Path, packs: PackRegistry
) -> None:
    import nemo.collections.asr as nemo_asr

    source = describe(fork.path, [packs.get("ta-IN")])
    assert "fork" in source.kind
    assert "asr convert" in source.served_by
    described = convert(fork.path, tmp_path / "tamil", Origin(("ta-IN",), "MIT", "here"), language="ta")
    assert described["engine"] == "nemo"
    assert read_archive(tmp_path / "tamil" / "model.nemo").config["tokenizer"]["dir"] == "tokenizer"
    assert described["vocabulary_size"] == fork.sizes["ta"]
    restored = nemo_asr.models.ASRModel.restore_from(str(tmp_path / "tamil" / "model.nemo"), map_location="cpu").eval()
    features, lengths = torch.randn(1, MELS, 160), torch.tensor([160])
    with torch.no_grad():
        encoded, _ = restored.encoder(audio_signal=features, length=lengths)
        assert torch.equal(restored.decoder(encoder_output=encoded), fork.log_probs(features, lengths, "ta"))
    check_coverage(tmp_path / "tamil", [packs.get("ta-IN")])
    with pytest.raises(ModelError, match="cannot serve hi-IN"):
        check_coverage(tmp_path / "tamil", [packs.get("hi-IN")])
    assert json.loads((tmp_path / "tamil" / "model.json").read_text())["licence"] == "MIT"


def test_a_streaming_model_of_many_heads_is_served_without_nemo(tmp_path: Path, tokenizers: dict[str, bytes]) -> None:
    made = Fork(tmp_path, tokenizers, **STREAMING)
    config = yaml.safe_load(yaml.safe_dump(read_archive(made.path).config, sort_keys=False))
    config["preprocessor"]["normalize"] = "NA"
    state = {f"encoder.{name}": value for name, value in made.encoder.state_dict().items()}
    state |= {f"ctc_decoder.{name}": value for name, value in made.decoder.state_dict().items()}
    source = write_archive(
        tmp_path / "streaming.nemo", config, state, {f"{tag}_tokenizer.model": data for tag, data in tokenizers.items()}
    )
    described = convert(source, tmp_path / "hindi", Origin(("hi-IN",)), language="hi", look_ahead_ms=80)
    assert described["engine"] == "onnx"
    assert sorted(path.name for path in (tmp_path / "hindi").iterdir()) == [
        "encoder.onnx", "model.json", "tokenizer.model",
    ]  # fmt: skip
    engine = OnnxAsrEngine(tmp_path / "hindi")
    assert engine.chunk_ms == 160
    assert described["features"]["sample_rate_hz"] == 16000
    stream = engine.open_stream()
    engine.push(stream, bytes(np.random.default_rng(0).integers(0, 256, 8000, dtype=np.uint8)))
    engine.step([stream])
    assert 0.0 <= engine.finish([stream])[0].confidence <= 1.0
    assert describe(tmp_path / "hindi").look_ahead_ms == (80,)
    with pytest.raises(ModelError, match=r"trained to hear ahead by 0, 80, 480 ms, not by 160 ms"):
        convert(source, tmp_path / "other", Origin(("hi-IN",)), language="hi", look_ahead_ms=160)
    assert not (tmp_path / "other").exists()


def test_a_stock_hybrid_gives_its_ctc_head(tmp_path: Path, tokenizers: dict[str, bytes]) -> None:
    import nemo.collections.asr as nemo_asr
    from omegaconf import OmegaConf

    tokenizer = write_tokenizer(tokenizers["te"], tmp_path / "tokenizer")
    hybrid = nemo_asr.models.EncDecHybridRNNTCTCBPEModel(cfg=OmegaConf.create(_hybrid_config(tokenizer))).eval()
    hybrid.save_to(str(tmp_path / "hybrid.nemo"))
    archive = read_archive(tmp_path / "hybrid.nemo")
    assert archive.decoders == ("rnnt", "ctc")
    cut = ctc_model(archive, tmp_path / "cut")
    features, lengths = torch.randn(1, MELS, 160), torch.tensor([160])
    with torch.no_grad():
        encoded, _ = hybrid.encoder(audio_signal=features, length=lengths)
        assert torch.equal(cut.decoder(encoder_output=encoded), hybrid.ctc_decoder(encoder_output=encoded))
    described = convert(tmp_path / "hybrid.nemo", tmp_path / "served", Origin(("te-IN",)))
    assert described["engine"] == "onnx"
    assert described["features"]["sample_rate_hz"] == 8000


def _hybrid_config(tokenizer: Path) -> dict[str, Any]:
    return {
        "sample_rate": 8000,
        "tokenizer": {"type": "bpe", "dir": str(tokenizer)},
        "preprocessor": PREPROCESSOR | {"normalize": "NA", "sample_rate": 8000},
        "encoder": ENCODER | STREAMING,
        "model_defaults": {"enc_hidden": WIDTH, "pred_hidden": 16, "joint_hidden": 16},
        "decoder": {
            "_target_": "nemo.collections.asr.modules.RNNTDecoder", "normalization_mode": None,
            "random_state_sampling": False, "blank_as_pad": True,
            "prednet": {"pred_hidden": 16, "pred_rnn_layers": 1, "t_max": None, "dropout": 0.0},
        },
        "joint": {
            "_target_": "nemo.collections.asr.modules.RNNTJoint", "log_softmax": None, "fuse_loss_wer": False,
            "jointnet": {"joint_hidden": 16, "activation": "relu", "dropout": 0.0},
        },
        "decoding": {"strategy": "greedy_batch", "greedy": {"max_symbols": 10}},
        "aux_ctc": {
            "ctc_loss_weight": 0.3,
            "decoder": {
                "_target_": "nemo.collections.asr.modules.ConvASRDecoder",
                "feat_in": None, "num_classes": -1, "vocabulary": [],
            },
            "decoding": {"strategy": "greedy"},
        },
        "loss": {"loss_name": "default", "warprnnt_numba_kwargs": {"fastemit_lambda": 0.0}},
        "optim": {"name": "adamw", "lr": 1e-4},
    }  # fmt: skip


def test_a_layout_that_is_not_known_is_refused_and_leaves_nothing(tmp_path: Path, tokenizers: dict[str, bytes]) -> None:
    odd = Fork(tmp_path, tokenizers, extra_rows=3)
    with pytest.raises(ModelError, match="this layout is not known"):
        convert(odd.path, tmp_path / "out", Origin(("hi-IN",)), language="hi")
    with pytest.raises(ModelError, match=r"a head for each of hi, ta, te: choose one with --language"):
        convert(odd.path, tmp_path / "out", Origin(("hi-IN",)))
    assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fork.nemo"]


def test_an_encoder_that_stock_nemo_cannot_build_names_the_argument(tmp_path: Path, fork: Fork) -> None:
    archive = read_archive(fork.path)
    config = yaml.safe_load(yaml.safe_dump(archive.config, sort_keys=False))
    config["encoder"]["language_embeddings"] = True
    state = {"ctc_decoder.decoder_layers.0.weight": torch.zeros(sum(fork.sizes.values()) + 1, WIDTH, 1)}
    members = {f"{tag}_tokenizer.model": data for tag, data in archive.tokenizers.items()}
    path = write_archive(tmp_path / "embedded.nemo", config, state, members)
    with pytest.raises(ModelError, match="language_embeddings"):
        ctc_model(read_archive(path), tmp_path, "hi")


def test_damaged_weights_are_one_clear_line(tmp_path: Path) -> None:
    data = (STARTER_MODEL_DIR / "model.nemo").read_bytes()
    path = tmp_path / "damaged.nemo"
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes(200_000) + data[middle + 200_000 :])
    cut = tmp_path / "cut.nemo"
    cut.write_bytes(data[:middle])
    with pytest.raises(ModelError, match=r"cut\.nemo.*fetch or copy it again"):
        convert(cut, tmp_path / "out", Origin(("hi-IN",)))
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_model_is_never_replaced(tmp_path: Path) -> None:
    keep = tmp_path / "photos"
    keep.mkdir()
    (keep / "holiday.jpg").write_text("x")
    with pytest.raises(ModelError, match="exists and is no model"):
        convert(STARTER_MODEL_DIR / "model.nemo", keep, Origin(("hi-IN",)))
    assert (keep / "holiday.jpg").read_text() == "x"


def test_the_rows_of_a_language_follow_the_configurations_order(fork: Fork) -> None:
    archive = read_archive(fork.path)
    total = sum(fork.sizes.values())
    rows = {tag: head_rows(archive, tag, total + 1) for tag in fork.sizes}
    assert rows["hi"][0] == 0
    assert rows["ta"][0] == fork.sizes["hi"]
    assert rows["te"][-2:] == [total - 1, total]
    assert sorted(row for part in rows.values() for row in part[:-1]) == list(range(total))


def test_the_starters_checkpoint_converts_to_what_is_shipped(tmp_path: Path) -> None:
    described = convert(STARTER_MODEL_DIR / "model.nemo", tmp_path / "again", Origin(("hi-IN",)))
    shipped = json.loads((STARTER_MODEL_DIR / "model.json").read_text(encoding="utf-8"))
    for key in ("features", "streaming", "vocabulary_size", "parameters", "mean", "std", "frame_ms"):
        assert described[key] == shipped[key]
    audio = bytes(np.random.default_rng(1).integers(0, 256, 16_000, dtype=np.uint8))
    heard = []
    for place in (tmp_path / "again", STARTER_MODEL_DIR):
        engine = OnnxAsrEngine(place, greedy=True)
        stream = engine.open_stream()
        engine.push(stream, audio)
        engine.step([stream])
        heard.append(engine.finish([stream])[0])
    assert heard[0] == heard[1]
