"""`asr info` and the refusal of models that cannot write a language."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from app.errors import ModelError
from app.language.loader import PackRegistry
from app.speech.asr.checkpoint.coverage import check_coverage, check_hearing, unwritable_letters
from app.speech.asr.checkpoint.info import describe
from app.speech.asr.onnx_engine import STARTER_MODEL_DIR

from .conftest import MakeArchive, MakeTokenizer, config_of

pytestmark = pytest.mark.langpack


def test_the_starter_writes_every_configured_language(packs: PackRegistry) -> None:
    for place in (STARTER_MODEL_DIR, STARTER_MODEL_DIR / "model.nemo"):
        found = check_coverage(place, packs.packs)
        assert [coverage.language for coverage in found] == list(packs.tags)
        assert all(coverage.own > 0.99 for coverage in found)
        assert all(coverage.english is None or coverage.english > 0.99 for coverage in found)


def test_a_served_model_and_its_checkpoint_are_described_alike(packs: PackRegistry) -> None:
    served, checkpoint = (
        describe(STARTER_MODEL_DIR, packs.packs),
        describe(STARTER_MODEL_DIR / "model.nemo", packs.packs),
    )
    for field in ("model_class", "parameters", "sample_rate_hz", "mel_bands", "look_ahead_ms", "vocabulary_size"):
        assert getattr(served, field) == getattr(checkpoint, field)
    assert served.coverage == checkpoint.coverage
    assert served.served_by == "the onnx engine"
    assert json.loads(json.dumps(served.as_json()))["coverage"][0]["is_enough"] is True


def test_a_model_of_one_language_is_refused_for_another_with_the_reason(
    make_archive: MakeArchive, make_tokenizer: MakeTokenizer, packs: PackRegistry
) -> None:
    tamil, telugu = packs.get("ta-IN"), packs.get("te-IN")
    model = make_archive(config_of(), {}, {"abc_tokenizer.model": make_tokenizer(tamil)})
    (found,) = check_coverage(model, [tamil])
    assert found.own == 1.0
    assert found.english == 0.0
    with pytest.raises(ModelError, match=r"cannot serve te-IN: its tokenizer writes 0 % of the words") as raised:
        check_coverage(model, [tamil, telugu])
    assert "VAANISETU_ASR_MODELS" in raised.value.detail
    info = describe(model, [tamil, telugu])
    assert [coverage.is_enough for coverage in info.coverage] == [True, False]
    assert any("te-IN" in line and "refused" in line for line in info.lines())
    assert info.look_ahead_ms == (0, 80, 480, 1040)


def test_letters_that_cannot_be_written_are_named(make_tokenizer: MakeTokenizer, packs: PackRegistry) -> None:
    from app.speech.asr.checkpoint.archive import load_tokenizer

    tokenizer = load_tokenizer(make_tokenizer(packs.get("hi-IN")), "here")
    assert unwritable_letters(tokenizer, "मेरा order") == set("order")
    assert unwritable_letters(tokenizer, "मेरा") == set()


def test_a_broken_model_directory_is_one_clear_line(tmp_path: Path, packs: PackRegistry) -> None:
    with pytest.raises(ModelError, match=r"holds no model\.json"):
        describe(tmp_path)
    with pytest.raises(ModelError, match=r"holds no tokenizer\.model"):
        check_coverage(tmp_path, packs.packs)
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(ModelError, match=r"model\.json is damaged"):
        describe(tmp_path)
    shutil.copy(STARTER_MODEL_DIR / "model.json", tmp_path)
    with pytest.raises(ModelError, match=r"holds no encoder\.onnx"):
        describe(tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(b"no tokenizer")
    with pytest.raises(ModelError, match="is not a sentencepiece model"):
        check_coverage(tmp_path, packs.packs)


@pytest.mark.parametrize("name", ["encoder.onnx", "tokenizer.model"])
def test_files_that_are_not_those_of_the_description_are_refused(
    tmp_path: Path, packs: PackRegistry, name: str
) -> None:
    made = tmp_path / "made"
    shutil.copytree(STARTER_MODEL_DIR, made)
    describe(made, packs.packs)
    whole = (made / name).read_bytes()
    (made / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ModelError, match=r"not the ones that model\.json was written for.*copy the directory again"):
        describe(made, packs.packs)


def test_a_language_map_has_to_name_a_fitting_model_for_every_loaded_language(
    make_archive: MakeArchive, make_tokenizer: MakeTokenizer, packs: PackRegistry
) -> None:
    check_hearing(None, {}, packs.packs)
    tamil = make_archive(config_of(), {}, {"abc_tokenizer.model": make_tokenizer(packs.get("ta-IN"))})
    models = {tag: tamil if tag == "ta-IN" else STARTER_MODEL_DIR for tag in packs.tags}
    check_hearing(tamil, models, packs.packs)
    with pytest.raises(ModelError, match="cannot serve te-IN"):
        check_hearing(tamil, models | {"te-IN": tamil}, packs.packs)
    del models["te-IN"]
    with pytest.raises(ModelError, match="VAANISETU_ASR_MODELS names no model for te-IN"):
        check_hearing(tamil, models, packs.packs)
