"""The standing sets: the same every time, apart from the training text, and evaluated end to end by the command."""

import json
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from app import cli
from app.cli_asr import asr
from app.config import Settings
from app.errors import AppError, ModelError
from app.language.loader import PackRegistry
from app.speech.asr.evaluation import festival, standing
from app.speech.asr.evaluation.decoders import measured
from app.speech.asr.evaluation.material import read_items
from app.speech.asr.evaluation.report import read_report
from app.speech.asr.training import recipe as shipped
from app.speech.asr.training.text import Utterance, is_speakable, normalise
from tests.packs import shipped_packs

from ..training.conftest import small_recipe

__all__ = ["small_recipe"]
pytestmark = pytest.mark.integration
LANGUAGES = {"en", "hi", "ta", "te"}


@pytest.fixture(scope="module")
def manifest(small_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return standing.render(tmp_path_factory.mktemp("standing"), small_recipe, None, per_set=1)


@pytest.fixture(autouse=True)
def packs(monkeypatch: pytest.MonkeyPatch, loaded: PackRegistry) -> None:
    """Checks the packs once for all tests: the commands read them anew each time."""
    monkeypatch.setattr(PackRegistry, "load", lambda _: loaded)


@pytest.fixture(scope="module")
def loaded() -> PackRegistry:
    return shipped_packs()


def entries(manifest: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]


def test_every_set_and_language_is_there(manifest: Path) -> None:
    found = Counter((entry["kind"], entry["lang"]) for entry in entries(manifest))
    for kind in ("unseen_template", "seen_voice", "unseen_words", "digits", "isolated", "short", "after_other_speech",
                 "name", "city", "product", "order"):  # fmt: skip
        assert {language for one, language in found if one == kind} == LANGUAGES, kind
    assert {language for kind, language in found if kind == "code_switched"} == LANGUAGES - {"en"}
    items = read_items(manifest, LANGUAGES)
    assert all(item.speech_end_ms is not None and len(item.samples()) > 1000 for item in items)
    assert all(item.tunes != (item in measured(items)) for item in items if item.kind in ("name", "city", "product"))


def test_it_is_the_same_every_time(manifest: Path, small_recipe: Path, tmp_path: Path) -> None:
    again = standing.render(tmp_path / "again", small_recipe, None, per_set=1)
    assert again.read_text(encoding="utf-8") == manifest.read_text(encoding="utf-8")
    for entry in entries(manifest)[::9]:
        name = entry["audio_filepath"]
        assert (again.parent / name).read_bytes() == (manifest.parent / name).read_bytes()


def test_nothing_of_it_is_training_text() -> None:
    def strings(node: Any) -> set[str]:
        if isinstance(node, dict):
            return set().union(*(strings(value) for value in node.values())) if node else set()
        if isinstance(node, list):
            return set().union(*(strings(value) for value in node)) if node else set()
        return {normalise(str(node))}

    trained: set[str] = set()
    for path in Path(shipped.__file__).parent.glob("*.yaml"):
        trained |= strings(yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader))
    for language, phrases in standing.load_phrases().items():
        told = [*standing.vocabulary(language), *phrases.get("switched", [])]
        assert not [text for text in told if normalise(text) in trained]
        assert all(is_speakable(normalise(text)) for text in told)


def test_words_tune_or_measure_never_both() -> None:
    for language in LANGUAGES:
        tuning, measuring = (set(standing.vocabulary(language, tuning)) for tuning in (True, False))
        assert not tuning & measuring
        assert tuning | measuring == set(standing.vocabulary(language))
        assert min(len(tuning), len(measuring)) > 15


def test_a_festival_that_says_nothing_is_told_and_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(festival, "is_installed", lambda: True)
    monkeypatch.setattr(festival, "speak", lambda text, language: np.zeros(0, np.float32))
    with pytest.raises(ModelError, match="apt-get install festival-hi festival-te"):
        list(standing._festival([Utterance("मेरा सामान", "hi", "unseen_template")]))
    monkeypatch.setattr(festival, "is_installed", lambda: False)
    assert list(standing._festival([Utterance("मेरा सामान", "hi", "unseen_template")])) == []


def test_other_speech_comes_before_and_is_quieter() -> None:
    time = np.arange(8000)
    loud, other = (np.sin(time / rate).astype(np.float32) for rate in (3, 7))
    said = Utterance("a", "en", "x")
    made = standing._after(  # the only part that mixes two recordings
        standing.Recording(said, loud, 0.1, 0.9, {}), standing.Recording(said, other, 0.0, 1.0, {}), random.Random(1)
    )
    shift = (len(made.samples) - 8000) / 8000
    assert shift == pytest.approx(1.0 + 0.35, abs=0.16)
    assert made.speech_start_seconds == pytest.approx(0.1 + shift, abs=1e-3)
    assert made.speech_end_seconds == pytest.approx(0.9 + shift, abs=1e-3)
    assert np.abs(made.samples[:8000]).max() < 0.25
    np.testing.assert_array_equal(made.samples[-8000:], loud)


def test_the_command_evaluates_saves_and_compares(manifest: Path, tmp_path: Path) -> None:
    few = manifest.with_name("few.jsonl")
    few.write_text("\n".join(manifest.read_text(encoding="utf-8").splitlines()[::9]) + "\n", encoding="utf-8")
    saved, written = tmp_path / "greedy.json", tmp_path / "report.md"
    common = ["evaluate", "--manifest", str(few), "--no-endpoints", "--condition", "clean"]
    first = CliRunner().invoke(asr, [*common, "--greedy", "--save", str(saved)])
    assert first.exit_code == 0, first.output
    second = CliRunner().invoke(asr, [*common, "--against", str(saved), "--markdown", str(written), "--bias"])
    assert second.exit_code == 0, second.output
    greedy = read_report(saved)
    assert len(greedy.results) == len(few.read_text(encoding="utf-8").splitlines())
    text = written.read_text(encoding="utf-8")
    assert "| all |" in text
    assert "This minus the other" in text
    as_json = CliRunner().invoke(asr, [*common, "--greedy", "--json"])
    figures, again = json.loads(saved.read_text(encoding="utf-8"))["figures"], json.loads(as_json.output)["figures"]
    assert again["clean"]["all"]["cer"] == figures["clean"]["all"]["cer"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no such manifest"),
        ("", "empty"),
        ('{"audio_filepath": "a.wav", "text": "x", "lang": "hi"}', "a.wav does not exist"),
        ("{", "line 1: not JSON"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: str | None,
    reason: str,
) -> None:
    path, saved = tmp_path / "m.jsonl", tmp_path / "saved.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    packs = str(Settings().packs_dir)
    arguments = ["vaanisetu", "asr", "evaluate", "--manifest", str(path), "--save", str(saved), "--packs-dir", packs]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    told = " ".join(capsys.readouterr().err.split())
    assert reason in told and "m.jsonl" in told
    assert not saved.exists()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--condition", "radio"], "no condition 'radio'; there are clean, telephone"),
        (["--save", "/no/such/folder/x.json"], "cannot be written"),
        (["--markdown", "/tmp"], "cannot be written"),
        (["--against", "none.json"], "no such report"),
        (["--vocabulary", "none.txt"], "none.txt cannot be read"),
        (["--model", "/no/such/model"], "/no/such/model"),
    ],
)
def test_a_wrong_option_is_told_before_anything_is_played(manifest: Path, options: list[str], reason: str) -> None:
    result = CliRunner().invoke(asr, ["evaluate", "--manifest", str(manifest), *options])
    assert isinstance(result.exception, AppError)
    assert reason in str(result.exception)


def test_missing_word_lists_are_told(small_recipe: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    text = small_recipe.read_text(encoding="utf-8")
    recipe.write_text(text.replace("/hi.txt", "/none.txt"), encoding="utf-8")
    with pytest.raises(ModelError, match="no word list"):
        standing.render(tmp_path / "out", recipe, None, 1)
    assert not list(tmp_path.rglob("manifest*"))


def test_one_of_manifest_and_standing_is_needed() -> None:
    for arguments in ([], ["--manifest", "m", "--standing"]):
        result = CliRunner().invoke(asr, ["evaluate", *arguments])
        assert result.exit_code != 0
        assert "either --manifest or --standing" in str(result.exception)
