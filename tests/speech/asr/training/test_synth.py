"""Shards: made whole or not at all, repeatable, and read back as batches of few shapes."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from app.errors import ModelError
from app.speech.asr.training import synth, tokenizer
from app.speech.asr.training.espeak import Espeak
from app.speech.asr.training.examples import SHAPE_FRAMES, batch_features, load_shard, padded_frames, warp_bands
from app.speech.asr.training.pool import ShardPool
from app.speech.asr.training.recipe import load_recipe
from app.speech.asr.training.voices import write_voices

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def made(small_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards, the validation shard and a tokenizer, as the commands make them."""
    folder = tmp_path_factory.mktemp("made")
    recipe = load_recipe(small_recipe)
    data = folder / "data"
    data.mkdir()
    phones = synth.collect_phones(recipe, count=60)
    (data / "phones.json").write_text(json.dumps(phones), encoding="utf-8")
    synth.make_validation(recipe, data, 1, None)
    for index in (0, 1):
        assert synth.make_shard(recipe, str(data), index, 0.01, None) >= 0.01
    tokenizer.main(small_recipe, folder / "tok", sentences=3000)
    return folder


@pytest.mark.slow
def test_a_shard_says_the_same_each_time(made: Path, small_recipe: Path, tmp_path: Path) -> None:
    for out in (tmp_path / "one", tmp_path / "two"):
        out.mkdir()
        for name in ("phones.json", "validation.npz"):
            (out / name).write_bytes((made / "data" / name).read_bytes())
        synth.main(small_recipe, out, shards=1, first=7, processes=1)
    said = []
    for out in ("one", "two"):
        with np.load(tmp_path / out / "shard0007.npz") as stored:
            said.append([item["text"] for item in json.loads(stored["meta"].tobytes().decode())])
    shared = min(map(len, said))
    assert shared > 5
    assert said[0][:shared] == said[1][:shared], "espeak's audio may differ by some samples, the text never"
    assert not list(tmp_path.glob("*/*partial*"))


def test_batches_have_few_shapes_and_lose_nothing(made: Path) -> None:
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(made / "tok" / "tokenizer.model"))
    pool = ShardPool(made / "data", pieces, seed=3, weights={}, rank=0, ranks=1)
    pool.refresh()
    first = [[example.meta["text"] for example in batch] for batch in _drawn(pool, 0)]
    sizes: dict[int, set[int]] = {}
    for batch in _drawn(pool, 1):
        sizes.setdefault(padded_frames(max(example.frames for example in batch)), set()).add(len(batch))
    assert all(len(found) == 1 for found in sizes.values())
    twin = ShardPool(made / "data", pieces, seed=3, weights={}, rank=0, ranks=1)
    twin.refresh()
    assert [[example.meta["text"] for example in batch] for batch in _drawn(twin, 0)] == first


def _drawn(pool: ShardPool, step: int) -> list:
    pool.reseed(step)
    return pool.batches(1200, 900)


def test_features_are_varied_by_the_seed_alone(made: Path) -> None:
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(made / "tok" / "tokenizer.model"))
    examples = load_shard(made / "data" / "shard0000.npz", pieces)[:3]
    mean, std = np.zeros(64, np.float32), np.ones(64, np.float32)
    plain, lengths = batch_features(examples, mean, std, None)
    one, _ = batch_features(examples, mean, std, np.random.default_rng(5))
    two, _ = batch_features(examples, mean, std, np.random.default_rng(5))
    assert plain.shape[2] % SHAPE_FRAMES == 0
    assert list(lengths) == [example.frames for example in examples]
    assert np.array_equal(one, two)
    assert not np.array_equal(one, plain)


def test_a_longer_tract_moves_a_peak_down_and_keeps_the_edges() -> None:
    peak = np.zeros((1, 64), np.float32)
    peak[0, 30] = 1.0
    assert warp_bands(peak, 1.15).argmax() < 30 < warp_bands(peak, 0.87).argmax()
    flat = np.full((2, 64), 3.0, np.float32)
    assert np.allclose(warp_bands(flat, 1.18), 3.0)


def test_invented_voices_speak_and_differ(tmp_path: Path) -> None:
    names = write_voices(tmp_path / "espeak", 3, seed=4)
    plain, espeak = Espeak(), Espeak(tmp_path / "espeak")
    heard = [espeak.speak(["नमस्ते"], f"hi+{name}").samples for name in names]
    assert len(plain.speak(["नमस्ते"], "hi+m5").samples) > 4000
    assert all(len(samples) > 4000 and np.abs(samples).max() > 0.01 for samples in heard)
    assert len({len(samples) for samples in heard} | {float(np.abs(samples).mean()) for samples in heard}) > 3


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("text", "word_lists", "hi"), "/nowhere/hi.dic", "/nowhere/hi.dic"),
        (("text", "word_lists", "ta"), "aspell:nothing", "aspell:nothing"),
        (("synth", "variants"), ["m1", "nobody-has-this-voice"], "nobody-has-this-voice"),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_written(
    small_recipe: Path, tmp_path: Path, place: tuple[str, ...], value: object, said: str
) -> None:
    recipe = yaml.safe_load(small_recipe.read_text(encoding="utf-8"))
    node = recipe
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, allow_unicode=True), encoding="utf-8")
    with pytest.raises(ModelError) as error:
        synth.main(path, tmp_path / "out", shards=1)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_too_many_pieces_are_refused(small_recipe: Path, tmp_path: Path) -> None:
    recipe = yaml.safe_load(small_recipe.read_text(encoding="utf-8"))
    recipe["tokenizer"]["vocabulary"] = 50_000
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, allow_unicode=True), encoding="utf-8")
    with pytest.raises(ModelError, match="50000 pieces"):
        tokenizer.main(path, tmp_path / "tok", sentences=200)
    assert not (tmp_path / "tok").exists()
