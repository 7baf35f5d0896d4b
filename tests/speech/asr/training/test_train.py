"""Training on a tiny network: repeats by its seed, goes on after an interruption, exports what it heard with."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import ModelError
from app.speech.asr.training import synth, tokenizer
from app.speech.asr.training.recipe import load_recipe

pytest.importorskip("torch")
pytest.importorskip("nemo")

import torch

from app.speech.asr.training import export, train
from app.speech.asr.training.fast_forward import speed_up
from app.speech.asr.training.network import build_model

pytestmark = [pytest.mark.integration, pytest.mark.nemo, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def made(small_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    recipe, data = load_recipe(small_recipe), folder / "data"
    data.mkdir()
    (data / "phones.json").write_text(json.dumps(synth.collect_phones(recipe, count=60)), encoding="utf-8")
    synth.make_validation(recipe, data, 1, None)
    synth.make_shard(recipe, str(data), 0, 0.01, None)
    tokenizer.main(small_recipe, folder / "tok", sentences=3000)
    return folder


def _trained(made: Path, recipe: Path, run: Path, minutes: float) -> dict[str, Any]:
    train.main(recipe, made / "data", made / "tok", run, minutes)
    state: dict[str, Any] = torch.load(run / "last.pt", weights_only=False)
    return state


def test_the_same_seed_trains_the_same_network(made: Path, small_recipe: Path, tmp_path: Path) -> None:
    one = _trained(made, small_recipe, tmp_path / "one", 0.2)
    two = _trained(made, small_recipe, tmp_path / "two", 0.2)
    assert one["step"] == two["step"] > 4
    for name, value in one["model"].items():
        assert torch.equal(value, two["model"][name]), name


def test_an_interruption_saves_and_the_same_call_goes_on(
    made: Path, small_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = train.Trainer.train_batch

    def interrupted(self: train.Trainer, examples: Any) -> dict[str, float]:
        if self.step == 3:
            raise KeyboardInterrupt
        return step(self, examples)

    with monkeypatch.context() as patched:
        patched.setattr(train.Trainer, "train_batch", interrupted)
        train.main(small_recipe, made / "data", made / "tok", tmp_path / "run", 0.3)
    saved = torch.load(tmp_path / "run" / "last.pt", weights_only=False)
    assert saved["step"] == 3
    assert (tmp_path / "run" / "model.nemo").exists()
    resumed = _trained(made, small_recipe, tmp_path / "run", 0.3)
    assert resumed["step"] > 6
    assert [json.loads(line)["step"] for line in (tmp_path / "run" / "curve.jsonl").open()][-1] == resumed["step"]


def test_the_fast_way_through_the_network_gives_the_same(made: Path, small_recipe: Path) -> None:
    model = build_model(load_recipe(small_recipe), made / "tok").eval()
    features, lengths = torch.randn(3, 64, 320), torch.tensor([320, 319, 97])

    def heard() -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        encoded, counts = model.encoder(audio_signal=features, length=lengths)
        found = model.decoder(encoder_output=encoded)
        model.zero_grad()
        sum(found[row, : int(count)].square().mean() for row, count in enumerate(counts)).backward()
        return found.detach(), counts, [p.grad.clone() for p in model.parameters() if p.grad is not None]

    slow, counts, slow_gradients = heard()
    speed_up(model)
    fast, fast_counts, fast_gradients = heard()
    assert torch.equal(counts, fast_counts)
    for row, count in enumerate(counts):
        assert torch.allclose(slow[row, : int(count)], fast[row, : int(count)], atol=1e-4)
    for one, two in zip(slow_gradients, fast_gradients, strict=True):
        assert torch.allclose(one, two, atol=1e-4, rtol=1e-2)


def test_an_export_hears_what_the_network_hears(made: Path, small_recipe: Path, tmp_path: Path) -> None:
    import onnxruntime

    _trained(made, small_recipe, tmp_path / "run", 0.2)
    described = export.main(small_recipe, tmp_path / "run", tmp_path / "model", keep_float=tmp_path / "float.onnx")
    assert {path.name for path in (tmp_path / "model").iterdir()} == {
        "encoder.onnx", "tokenizer.model", "model.json", "model.nemo",
    }  # fmt: skip
    model = export.restore_model(tmp_path / "model" / "model.nemo").eval()
    model.encoder.set_default_att_context_size([56, 1])
    model.encoder.setup_streaming_params()
    shapes = described["streaming"]
    frames = np.random.default_rng(1).normal(size=(1, 64, shapes["lookback_frames"] + shapes["shift_frames"]))
    caches = model.encoder.get_initial_cache_state(batch_size=1)
    with torch.no_grad():
        encoded, *_ = model.encoder.cache_aware_stream_step(
            processed_signal=torch.from_numpy(frames.astype(np.float32)),
            processed_signal_length=torch.tensor([frames.shape[2]]),
            cache_last_channel=caches[0],
            cache_last_time=caches[1],
            cache_last_channel_len=caches[2],
            keep_all_outputs=False,
            drop_extra_pre_encoded=model.encoder.streaming_cfg.drop_extra_pre_encoded,
        )
        expected = model.decoder(encoder_output=encoded).numpy()
    layers, context, width = shapes["layers"], shapes["left_context"], shapes["width"]
    session = onnxruntime.InferenceSession(str(tmp_path / "float.onnx"))
    heard = session.run(
        None,
        {
            "audio_signal": frames.astype(np.float32),
            "length": np.array([frames.shape[2]]),
            "cache_last_channel": np.zeros((1, layers, context, width), np.float32),
            "cache_last_time": np.zeros((1, layers, width, shapes["time_context"]), np.float32),
            "cache_last_channel_len": np.zeros(1, np.int64),
        },
    )[0]
    assert np.abs(np.exp(heard[:, : expected.shape[1]]) - np.exp(expected)).max() < 1e-4


def test_a_run_without_shards_says_so_and_writes_nothing(made: Path, small_recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="no shards there"):
        train.main(small_recipe, tmp_path / "empty", made / "tok", tmp_path / "run", 1)
    with pytest.raises(ModelError, match=r"no tokenizer\.model there"):
        train.main(small_recipe, made / "data", tmp_path / "empty", tmp_path / "run", 1)
    assert not (tmp_path / "run").exists()


def test_a_broken_archive_is_refused_and_leaves_no_model(small_recipe: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(ModelError, match=r"model\.nemo is missing"):
        export.main(small_recipe, run, tmp_path / "model")
    (run / "model.nemo").write_bytes(b"not an archive")
    (run / "statistics.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match=r"no readable \.nemo archive"):
        export.main(small_recipe, run, tmp_path / "model")
    assert not (tmp_path / "model").exists()
    shutil.rmtree(run)
    assert list(tmp_path.iterdir()) == []
