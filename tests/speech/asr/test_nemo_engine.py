"""NeMo's own streaming: the starter checkpoint beside its ONNX export, and tiny transducers and full-context models."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece

torch = pytest.importorskip("torch")
nemo_asr = pytest.importorskip("nemo.collections.asr")

from omegaconf import OmegaConf

from app.errors import ConfigError, ModelError
from app.speech.asr.choice import load_engine
from app.speech.asr.decoder import edit_distance
from app.speech.asr.engine import AsrEngine, Transcript
from app.speech.asr.features import MelConfig, decode_mulaw, encode_mulaw
from app.speech.asr.frontend import FrontEnd, interpolate_whole
from app.speech.asr.nemo_engine import NemoAsrEngine
from app.speech.asr.onnx_engine import STARTER_MODEL_DIR, OnnxAsrEngine

from .conftest import Voice

pytestmark = [pytest.mark.nemo, pytest.mark.integration]

WIDTH = 48
ENCODER = {
    "_target_": "nemo.collections.asr.modules.ConformerEncoder",
    "feat_in": 80, "feat_out": -1, "n_layers": 2, "d_model": WIDTH, "subsampling": "dw_striding",
    "subsampling_factor": 8, "subsampling_conv_channels": 16, "ff_expansion_factor": 2, "n_heads": 4,
    "self_attention_model": "rel_pos", "att_context_size": [-1, -1], "conv_kernel_size": 9,
    "conv_norm_type": "layer_norm", "dropout": 0.0, "dropout_pre_encoder": 0.0, "dropout_emb": 0.0, "dropout_att": 0.0,
}  # fmt: skip
STREAMING = {
    "att_context_size": [[56, 3], [56, 1], [56, 0]], "att_context_style": "chunked_limited",
    "causal_downsampling": True, "conv_context_size": "causal",
}  # fmt: skip
CTC = {
    "_target_": "nemo.collections.asr.modules.ConvASRDecoder", "feat_in": None, "num_classes": -1, "vocabulary": []
}  # fmt: skip
RNNT = {
    "decoder": {
        "_target_": "nemo.collections.asr.modules.RNNTDecoder", "normalization_mode": None,
        "random_state_sampling": False, "blank_as_pad": True, "vocab_size": -1,
        "prednet": {"pred_hidden": 32, "pred_rnn_layers": 1, "dropout": 0.0},
    },
    "joint": {
        "_target_": "nemo.collections.asr.modules.RNNTJoint", "log_softmax": None, "fuse_loss_wer": False,
        "num_classes": -1, "vocabulary": [],
        "jointnet": {
            "joint_hidden": 32, "activation": "relu", "dropout": 0.0, "encoder_hidden": WIDTH, "pred_hidden": 32
        },
    },
    "model_defaults": {"enc_hidden": WIDTH, "pred_hidden": 32, "joint_hidden": 32},
    "decoding": {"strategy": "greedy_batch", "greedy": {"max_symbols": 10}},
    "loss": {"loss_name": "default"},
}  # fmt: skip


@pytest.fixture(scope="session")
def tokenizer_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    shutil.copyfile(STARTER_MODEL_DIR / "tokenizer.model", folder / "tokenizer.model")
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    names = [pieces.id_to_piece(index) for index in range(1, pieces.get_piece_size())]
    (folder / "vocab.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    return folder


def made(path: Path, tokenizer_dir: Path, kind: str, encoder: dict[str, Any], head: dict[str, Any], norm: str) -> Path:
    """Saves a model with random weights, loud enough that it writes something, and returns its path."""
    config = {
        "sample_rate": 16_000,
        "tokenizer": {"dir": str(tokenizer_dir), "type": "bpe"},
        "preprocessor": {
            "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
            "sample_rate": 16_000, "normalize": norm, "window_size": 0.025, "window_stride": 0.01, "window": "hann",
            "features": 80, "n_fft": 512, "frame_splicing": 1, "dither": 1e-5, "pad_to": 0,
        },
        "encoder": ENCODER | encoder,
        **head,
    }  # fmt: skip
    torch.manual_seed(3)
    model = getattr(nemo_asr.models, kind)(cfg=OmegaConf.create(config))
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.dim() > 1 and name.startswith(("decoder", "ctc_decoder", "joint")):
                weights.mul_(6.0)
    model.save_to(str(path))
    return path


@pytest.fixture(scope="session")
def transducer(tmp_path_factory: pytest.TempPathFactory, tokenizer_dir: Path) -> Path:
    path = tmp_path_factory.mktemp("rnnt") / "rnnt.nemo"
    return made(path, tokenizer_dir, "EncDecRNNTBPEModel", STREAMING, RNNT, "NA")


@pytest.fixture(scope="session")
def full_context(tmp_path_factory: pytest.TempPathFactory, tokenizer_dir: Path) -> Path:
    path = tmp_path_factory.mktemp("ctc") / "ctc.nemo"
    return made(path, tokenizer_dir, "EncDecCTCModelBPE", {}, {"decoder": CTC}, "per_feature")


@pytest.fixture(scope="session")
def hybrid(tmp_path_factory: pytest.TempPathFactory, tokenizer_dir: Path) -> Path:
    path = tmp_path_factory.mktemp("hybrid") / "hybrid.nemo"
    head = RNNT | {"aux_ctc": {"ctc_loss_weight": 0.3, "decoder": CTC}}
    return made(path, tokenizer_dir, "EncDecHybridRNNTCTCBPEModel", {}, head, "per_feature")


@pytest.fixture(scope="session")
def starter() -> NemoAsrEngine:
    return NemoAsrEngine(STARTER_MODEL_DIR / "model.nemo", greedy=True)


def call(seconds: float, seed: int = 0) -> bytes:
    """Tones and noise in turns, different for each seed; mu-law, from a quiet line."""
    rng = np.random.default_rng(seed)
    turns = int(seconds * 8)
    parts = [np.zeros(2_000)]
    for _ in range(turns - 2):
        tone = np.sin(2 * np.pi * rng.uniform(200, 3_500) * np.arange(1_000) / 8_000)
        parts.append(10 ** rng.uniform(-3, -0.5) * (tone + rng.uniform(0, 1) * rng.normal(0, 1, 1_000)))
    return encode_mulaw(np.concatenate(parts).astype(np.float32))


def heard(engine: AsrEngine, mulaw: bytes, piece: int = 160) -> tuple[list[Transcript], Transcript]:
    stream, partials = engine.open_stream(), []
    for at in range(0, len(mulaw), piece):
        engine.push(stream, mulaw[at : at + piece])
        partials += [partial for partial in engine.step([stream]) if partial is not None]
    final = engine.finish([stream])[0]
    engine.close_stream(stream)
    return partials, final


SAID = (("hi+m5", "मेरा order कहाँ है"), ("ta+f4", "whatsapp ல அனுப்புங்க"), ("en-us+m5", "nine four two zero"))


@pytest.mark.parametrize(("name", "text"), SAID)
def test_agrees_with_the_onnx_engine(starter: NemoAsrEngine, voice: Voice, name: str, text: str) -> None:
    mulaw = voice(text, name)
    _, own = heard(starter, mulaw)
    _, exported = heard(OnnxAsrEngine(greedy=True), mulaw)
    assert exported.text
    assert edit_distance(own.text, exported.text) <= 1
    assert own.confidence == pytest.approx(exported.confidence, abs=0.03)
    assert [word.start_ms for word in own.words] == pytest.approx([word.start_ms for word in exported.words], abs=80)


def test_partials_come_before_the_final_with_times_and_scripts(starter: NemoAsrEngine, voice: Voice) -> None:
    typed: AsrEngine = starter
    partials, final = heard(typed, voice("मुझे agent से बात करनी है"))
    assert partials and not partials[0].is_final and final.is_final
    assert {share.script for share in final.scripts} == {"Deva", "Latn"}
    assert starter.languages == ("en-IN", "hi-IN", "ta-IN", "te-IN")
    assert starter.chunk_ms == 160


def test_its_front_end_is_nemos(transducer: Path) -> None:
    from nemo.collections.asr.models import ASRModel

    mulaw = call(1.0)
    wide = MelConfig(sample_rate_hz=16_000, hop_samples=160, window_samples=400, mel_bands=80)
    front_end = FrontEnd(wide)
    stream = front_end.open()
    stream.data += mulaw
    ours = front_end.take([stream], 95)[0]
    preprocessor = ASRModel.restore_from(str(transducer), map_location="cpu").preprocessor.eval()
    preprocessor.featurizer.dither = 0.0
    samples = torch.from_numpy(interpolate_whole(decode_mulaw(mulaw)))[None]
    theirs, _ = preprocessor(input_signal=samples, length=torch.tensor([samples.shape[1]]))
    assert np.abs(ours - theirs[0].T.numpy()[:95]).max() < 1e-3


@pytest.mark.parametrize("kind", ["transducer", "full_context", "hybrid"])
def test_streams_of_every_kind(kind: str, request: pytest.FixtureRequest) -> None:
    engine = NemoAsrEngine(request.getfixturevalue(kind))
    calls = [call(3.0, seed) for seed in range(3)]
    alone = [heard(engine, mulaw)[1] for mulaw in calls]
    assert all(final.text for final in alone)
    assert len({(final.text, final.confidence) for final in alone}) == 3
    for mulaw, final in zip(calls, alone, strict=True):
        for piece in (97, 100_000):
            assert heard(engine, mulaw, piece)[1].text == final.text
        assert [word.start_ms for word in final.words] == sorted(word.start_ms for word in final.words)
        assert all(0 <= word.confidence <= 1 for word in final.words)
    together = in_step(engine, calls)
    assert [edit_distance(one.text, other.text) for one, other in zip(together, alone, strict=True)] == [0, 0, 0]


def in_step(engine: AsrEngine, calls: Sequence[bytes]) -> list[Transcript]:
    streams = [engine.open_stream() for _ in calls]
    for i, (stream, mulaw) in enumerate(zip(streams, calls, strict=True)):
        engine.push(stream, mulaw[: 800 * i])
    for at in range(0, max(map(len, calls)), 400):
        for i, (stream, mulaw) in enumerate(zip(streams, calls, strict=True)):
            engine.push(stream, mulaw[800 * i + at : 800 * i + at + 400])
        engine.step(streams)
    return engine.finish(streams)


def test_finish_does_not_alter_a_transducers_stream(transducer: Path) -> None:
    engine, mulaw = NemoAsrEngine(transducer), call(3.0)
    stream = engine.open_stream()
    engine.push(stream, mulaw[:12_000])
    engine.step([stream])
    first = engine.finish([stream])[0]
    assert engine.finish([stream])[0] == first
    engine.push(stream, mulaw[12_000:])
    engine.step([stream])
    assert engine.finish([stream])[0].text == heard(engine, mulaw)[1].text


def test_a_transducer_in_chunks_hears_what_it_hears_at_once(transducer: Path) -> None:
    engine, mulaw = NemoAsrEngine(transducer), call(3.0)
    stream, parts = engine._encoder.open(), []
    stream.push(mulaw)
    with torch.inference_mode():
        while engine._encoder.is_due(stream):
            encoded, _ = engine._encoder.encode([stream])
            parts.append(encoded)
        whole = torch.cat(parts, dim=2)
        state = engine._head.decoder.new_state()
        engine._head.advance([state], whole, [whole.shape[2]])
    streamed = engine.open_stream()
    engine.push(streamed, mulaw)
    engine.step([streamed])
    assert state.tokens
    assert [(t.piece, t.frame) for t in state.tokens] == [(t.piece, t.frame) for t in streamed.decoder.tokens]


def test_a_full_context_model_hears_a_short_utterance_as_it_does_offline(full_context: Path) -> None:
    engine, mulaw = NemoAsrEngine(full_context), call(3.0)
    samples = interpolate_whole(decode_mulaw(mulaw + b"\xff" * 2_560))
    with torch.inference_mode():
        model = engine._encoder._model
        log_probs, lengths, _ = model(
            input_signal=torch.from_numpy(samples)[None], input_signal_length=torch.tensor([len(samples)])
        )
    decoder = engine._head.decoder
    state = decoder.new_state()
    decoder.advance(state, log_probs[0, : int(lengths[0])].numpy())
    assert heard(engine, mulaw)[1].text == " ".join(word.text for word in decoder.words(state))


def test_a_long_utterance_is_heard_through_a_window_of_bounded_size(full_context: Path) -> None:
    engine, mulaw = NemoAsrEngine(full_context), call(16.0)
    stream = engine.open_stream()
    for at in range(0, len(mulaw), 1_600):
        engine.push(stream, mulaw[at : at + 1_600])
        engine.step([stream])
        assert len(stream.encoder.data) < 9 * 8_000
    final = engine.finish([stream])[0]
    assert final.words[-1].end_ms > 15_000
    assert final.words[0].start_ms < 2_000


def test_a_hybrid_decodes_with_either_head(hybrid: Path) -> None:
    mulaw = call(2.0)
    texts = {name: heard(NemoAsrEngine(hybrid, decoder=name), mulaw)[1].text for name in ("ctc", "rnnt")}
    assert texts["ctc"] and texts["rnnt"]
    assert texts["ctc"] != texts["rnnt"]


def test_a_head_that_is_not_there_is_refused(transducer: Path) -> None:
    with pytest.raises(ConfigError, match="decodes with rnnt, not with ctc"):
        NemoAsrEngine(transducer, decoder="ctc")


def test_a_damaged_checkpoint_is_refused_in_one_line(tmp_path: Path) -> None:
    whole = (STARTER_MODEL_DIR / "model.nemo").read_bytes()
    for name, data in (("empty", b""), ("garbage", b"x" * 5_000), ("half", whole[: len(whole) // 2])):
        path = tmp_path / f"{name}.nemo"
        path.write_bytes(data)
        with pytest.raises(ModelError, match=name) as refusal:
            NemoAsrEngine(path)
        assert "\n" not in refusal.value.detail
    with pytest.raises(ModelError, match="no such checkpoint"):
        NemoAsrEngine(tmp_path / "missing.nemo")


def test_a_device_that_is_not_there_is_refused_with_the_cure() -> None:
    name = "cuda:7" if torch.cuda.device_count() < 8 else "mars"
    with pytest.raises(ConfigError, match="set cpu"):
        NemoAsrEngine(STARTER_MODEL_DIR / "model.nemo", device=name)


def test_the_setting_chooses_it_and_nothing_else_imports_it() -> None:
    assert isinstance(load_engine("nemo"), NemoAsrEngine)
    code = (
        "import sys; from app.speech import worker; from app.speech.asr.choice import load_engine;"
        "load_engine('onnx'); sys.exit(any(name.split('.')[0] in ('torch', 'nemo') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
