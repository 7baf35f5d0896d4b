"""Fine-tuning on real small runs: a new voice is heard better, runs resume exactly, wrong input changes nothing."""

from __future__ import annotations

import json
import os
import signal
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.signal import resample_poly

torch = pytest.importorskip("torch")
pytest.importorskip("nemo")

from app.errors import ModelError
from app.speech.asr.checkpoint.archive import read_archive
from app.speech.asr.checkpoint.frontend import front_end, normalises_by_utterance, statistics_beside
from app.speech.asr.checkpoint.stock import ctc_model, write_tokenizer
from app.speech.asr.finetune.data import Drawer, Ear, items_of, replay_items
from app.speech.asr.finetune.gather import RECIPE, Request, load_recipe, split
from app.speech.asr.finetune.run import finetune
from app.speech.asr.finetune.tuner import Stop, Tuner
from app.speech.asr.finetune.vocabulary import extend_tokenizer, grow_head
from app.speech.asr.manifest import read_recordings
from app.speech.asr.onnx_engine import STARTER_MODEL_DIR, OnnxAsrEngine
from app.speech.asr.training.espeak import Espeak
from app.speech.asr.training.synth import save_shard
from app.speech.asr.training.text import is_speakable, normalise
from tests.packs import shipped_packs

pytestmark = [pytest.mark.nemo, pytest.mark.slow, pytest.mark.timeout(900)]

BASE = STARTER_MODEL_DIR / "model.nemo"
CHILD = 1.38
"""A voice far outside training: pitch and resonances raised by this factor."""


def _sentences(count: int) -> list[str]:
    pack = shipped_packs().get("hi-IN")
    found = {
        normalise(text)
        for forms in pack.intents.values()
        for form, texts in forms.items()
        if form in ("native", "asr")
        for text in texts
    }
    return sorted(text for text in found if is_speakable(text) and 2 <= len(text.split()) <= 7)[:count]


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few minutes of a new voice: Hindi sentences of the packs, with a manifest."""
    folder = tmp_path_factory.mktemp("child")
    espeak = Espeak()
    lines = []
    for number, text in enumerate(_sentences(110)):
        speech = espeak.speak(text.split(), "hi+f4", rate=115, pitch=90, pitch_range=80)
        with wave.open(str(folder / f"{number}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(round(speech.sample_rate_hz * CHILD))
            file.writeframes((speech.samples * 16000).astype(np.int16).tobytes())
        lines.append(json.dumps({"audio_filepath": f"{number}.wav", "text": text, "lang": "hi-IN"}, ensure_ascii=False))
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "manifest.jsonl"


@pytest.fixture
def small_recipe(tmp_path: Path) -> Callable[..., Path]:
    def write(**changes: Any) -> Path:
        settings = load_recipe(RECIPE) | {"batch_seconds": 16, "threads": 1, "validation_share": 0.2} | changes
        path = tmp_path / "recipe.yaml"
        path.write_text("\n".join(f"{key}: {value}" for key, value in settings.items()), encoding="utf-8")
        return path

    return write


def test_a_new_voice_is_heard_better_and_what_results_serves(
    child: Path, tmp_path: Path, small_recipe: Callable[..., Path]
) -> None:
    said: list[str] = []
    report = finetune(Request(BASE, child, tmp_path / "out", recipe=small_recipe(steps=60)), said.append)
    learnt, measured = split(read_recordings(child), 0.2)
    assert not {item.text for item in learnt} & {item.text for item in measured}
    assert sum(pair["after"]["utterances"] for pair in report["sets"].values()) == len(measured)
    errors = {
        when: sum(pair[when]["wer"] * pair[when]["utterances"] for pair in report["sets"].values()) / len(measured)
        for when in ("before", "after")
    }
    assert errors["after"] < 0.8 * errors["before"]
    assert any("real time" in line for line in said)
    served = tmp_path / "out" / "model"
    assert {path.name for path in served.iterdir()} == {
        "encoder.onnx", "model.json", "model.nemo", "ngrams.model", "report.json", "report.md", "statistics.json",
        "tokenizer.model",
    }  # fmt: skip
    assert json.loads((served / "report.json").read_text(encoding="utf-8")) == report
    assert "vocabulary kept" in (served / "report.md").read_text(encoding="utf-8")
    assert OnnxAsrEngine(served).chunk_ms == 160
    again = statistics_beside(served, 64)
    assert again == statistics_beside(STARTER_MODEL_DIR, 64)
    assert (served / "tokenizer.model").read_bytes() == (STARTER_MODEL_DIR / "tokenizer.model").read_bytes()


def _tuner(child: Path, run_dir: Path, steps: int, replay: list[Any] | None = None) -> Tuner:
    archive = read_archive(BASE)
    config = front_end(archive)
    recipe = load_recipe(RECIPE, steps) | {"batch_seconds": 6, "validate_steps": 1000}
    items, _ = items_of(read_recordings(child)[:30], archive.tokenizer(), archive.frame_ms)
    ear = Ear(config, *statistics_beside(BASE.parent, config.mel_bands))
    run_dir.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    return Tuner(ctc_model(archive, run_dir / "files"), Drawer(items, replay or [], ear, recipe, 0.4), recipe, run_dir)


def test_an_interrupted_run_goes_on_as_if_it_had_never_stopped(child: Path, tmp_path: Path) -> None:
    whole = _tuner(child, tmp_path / "whole", 6)
    whole.train(Stop(), dict, lambda _: None)
    stop = Stop()
    first = _tuner(child, tmp_path / "parts", 6)
    told: list[str] = []
    real = first.train_step

    def two_steps() -> tuple[float, float]:
        stop.requested = first.step == 2
        return real()

    first.train_step = two_steps  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        first.train(stop, dict, told.append)
    assert "interrupted and saved at step 3; run the same command again" in told[-1]
    second = _tuner(child, tmp_path / "parts", 6)
    assert second.step == 3
    second.train(Stop(), dict, lambda _: None)
    for name, value in whole.average.values.items():
        assert torch.equal(value, second.average.values[name]), name


def test_a_signal_saves_and_the_same_request_goes_on_to_the_end(
    child: Path, tmp_path: Path, small_recipe: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    real = Tuner.train_step

    def step_with_signal(tuner: Tuner) -> tuple[float, float]:
        if tuner.step == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(tuner)

    monkeypatch.setattr(Tuner, "train_step", step_with_signal)
    request = Request(BASE, child, tmp_path / "out", recipe=small_recipe(steps=3, batch_seconds=4))
    with pytest.raises(KeyboardInterrupt):
        finetune(request, said.append)
    assert "interrupted and saved at step 2; run the same command again to go on" in said[-1]
    assert not (tmp_path / "out" / "model").exists()
    monkeypatch.setattr(Tuner, "train_step", real)
    with pytest.raises(ModelError, match="holds a run of other inputs or settings"):
        finetune(Request(BASE, child, tmp_path / "out", recipe=request.recipe, steps=9), said.append)
    report = finetune(request, said.append)
    assert "going on from step 2" in said
    assert report["steps"] == 3
    assert (tmp_path / "out" / "model" / "model.json").is_file()


def test_a_longer_vocabulary_keeps_every_old_row_of_the_head(tmp_path: Path) -> None:
    archive = read_archive(BASE)
    model = ctc_model(archive, tmp_path / "files")
    features, lengths = torch.randn(1, 64, 160), torch.tensor([160])
    with torch.no_grad():
        encoded, _ = model.encoder(audio_signal=features, length=lengths)
        before = model.decoder.decoder_layers(encoded)
        grow_head(model, str(write_tokenizer(extend_tokenizer(archive.tokenizers[""], "কখগ"), tmp_path / "longer")))
        after = model.decoder.decoder_layers(encoded)
    assert after.shape[1] == before.shape[1] + 3
    assert torch.equal(after[:, :1024], before[:, :1024])
    assert torch.equal(after[:, -1], before[:, -1])
    assert torch.equal(after.argmax(1) == after.shape[1] - 1, before.argmax(1) == 1024)
    assert model.tokenizer.vocab_size == 1027


def test_letters_outside_the_vocabulary_are_refused_before_anything_is_written(
    child: Path, tmp_path: Path, small_recipe: Callable[..., Path]
) -> None:
    lines = child.read_text(encoding="utf-8").splitlines()
    odd = json.dumps({"audio_filepath": "0.wav", "text": "আমার অর্ডার কোথায়", "lang": "bn-IN"}, ensure_ascii=False)
    manifest = child.with_name("odd.jsonl")
    manifest.write_text("\n".join([*lines, odd]), encoding="utf-8")
    with pytest.raises(ModelError, match=r"odd\.jsonl \(bn-IN\): .* letters of these texts"):
        finetune(Request(BASE, manifest, tmp_path / "out"), print)
    assert not (tmp_path / "out").exists()
    request = Request(
        BASE, manifest, tmp_path / "out", extend_vocabulary=True, recipe=small_recipe(steps=1, batch_seconds=4)
    )
    report = finetune(request, lambda _: None)
    assert "added" in report["vocabulary"]
    served = tmp_path / "out" / "model"
    assert json.loads((served / "model.json").read_text())["vocabulary_size"] > 1024
    assert not (served / "ngrams.model").exists()
    assert read_archive(served / "model.nemo").config["tokenizer"]["dir"] == "tokenizer"
    OnnxAsrEngine(served)


def test_replayed_shards_make_up_their_share_of_a_batch(child: Path, tmp_path: Path) -> None:
    archive = read_archive(BASE)
    config = front_end(archive)
    rng = np.random.default_rng(0)
    examples = [
        {
            "features": rng.normal(-9, 2, (200, 64)).astype(np.float16),
            "phones": np.zeros(100, np.uint8),
            "meta": {"text": "yes please", "language": "en", "kind": "short", "frames": 200, "starts": [], "end": 2.0},
        }
        for _ in range(40)
    ]
    save_shard(tmp_path / "shard0000.npz", examples)
    tokenizer = archive.tokenizer()
    replay = replay_items(tmp_path, tokenizer, config, archive.frame_ms)
    assert len(replay) == 40
    items, _ = items_of(read_recordings(child), tokenizer, archive.frame_ms)
    ear = Ear(config, *statistics_beside(BASE.parent, 64))
    recipe = load_recipe(RECIPE) | {"batch_seconds": 20}
    drawer = Drawer(items, replay, ear, recipe, 0.4)
    batch = drawer.batch(3)
    told = tuple(tokenizer.encode("yes please"))
    assert sum(tokens == told for tokens in batch.tokens) == 4
    same, other = drawer.batch(3), drawer.batch(4)
    assert np.array_equal(batch.features, same.features)
    assert batch.features.shape != other.features.shape or not np.array_equal(batch.features, other.features)
    with pytest.raises(ModelError, match="has 64 mel bands, the base model 80"):
        replay_items(tmp_path, tokenizer, type(config)(mel_bands=80), archive.frame_ms)
    with pytest.raises(ModelError, match="holds no shards"):
        replay_items(tmp_path / "nowhere", tokenizer, config, archive.frame_ms)


def test_a_full_context_model_of_the_forks_layout_is_fine_tuned_as_nemo_feeds_it(
    child: Path, tmp_path: Path, small_recipe: Callable[..., Path]
) -> None:
    from ..checkpoint.fork import Fork

    (tmp_path / "base").mkdir()
    fork = Fork(tmp_path / "base", {tag: (STARTER_MODEL_DIR / "tokenizer.model").read_bytes() for tag in ("hi", "ta")})
    archive = read_archive(fork.path)
    assert normalises_by_utterance(archive)
    ear = Ear(front_end(archive, by_utterance=True), [0.0] * 80, [1.0] * 80, by_utterance=True)
    rng = np.random.default_rng(3)
    audio = (0.1 * rng.standard_normal(16_000)).astype(np.float32)
    model = ctc_model(archive, tmp_path / "files", "hi")
    model.preprocessor.featurizer.dither = 0.0
    wide = resample_poly(audio, 2, 1).astype(np.float32)
    theirs, count = model.preprocessor(input_signal=torch.from_numpy(wide)[None], length=torch.tensor([len(wide)]))
    ours = ear.features(audio)
    assert len(ours) == int(count[0])
    assert np.abs(ours - theirs[0, :, : len(ours)].T.numpy()).max() < 0.02
    request = Request(fork.path, child, tmp_path / "out", recipe=small_recipe(steps=2, batch_seconds=4), language="hi")
    report = finetune(request, lambda _: None)
    assert "whole utterances at once" in report["measured"]
    served = tmp_path / "out" / "model"
    assert json.loads((served / "model.json").read_text())["engine"] == "nemo"
    assert read_archive(served / "model.nemo").model_class == "EncDecCTCModelBPE"
    assert not (served / "encoder.onnx").exists()


def test_wrong_input_is_one_line_and_writes_nothing(child: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.nemo"
    cut.write_bytes(BASE.read_bytes()[:1_000_000])
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    recipe = tmp_path / "wrong.yaml"
    recipe.write_text("seed: 1\nsteps: 3\nbach_seconds: 4\n")
    for request, said in (
        (Request(cut, child, tmp_path / "out"), "fetch or copy it again"),
        (Request(BASE, empty, tmp_path / "out"), "is empty"),
        (Request(BASE, child, tmp_path / "out", recipe=recipe), "bach_seconds"),
        (Request(BASE, child, tmp_path / "out", replay=tmp_path), "holds no shards"),
    ):
        with pytest.raises(ModelError, match=said) as raised:
            finetune(request, print)
        assert "\n" not in raised.value.detail
    assert not (tmp_path / "out").exists()
