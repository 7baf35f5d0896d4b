"""The archive reader: what a checkpoint is, without torch, and one clear line where it is damaged."""

from __future__ import annotations

import gzip
import pickle
import shutil
import tarfile
from pathlib import Path

import pytest

from app.errors import ModelError
from app.language.loader import PackRegistry
from app.speech.asr.checkpoint.archive import read_archive
from app.speech.asr.onnx_engine import STARTER_MODEL_DIR

from .conftest import MakeArchive, MakeTokenizer, config_of

pytestmark = pytest.mark.unit
STARTER = STARTER_MODEL_DIR / "model.nemo"


def test_the_starter_is_read_whole_without_torch() -> None:
    archive = read_archive(STARTER)
    assert archive.model_class == "EncDecCTCModelBPE"
    assert archive.decoders == ("ctc",)
    assert archive.is_streaming
    assert (archive.sample_rate_hz, archive.frame_ms) == (8000, 80.0)
    assert not archive.is_fork
    assert not archive.needs_slicing
    assert archive.shapes is not None
    head = archive.shapes["decoder.decoder_layers.0.weight"]
    assert head[0] == archive.tokenizer().get_piece_size() + 1
    assert archive.parameters == sum(
        _count(shape) for name, shape in archive.shapes.items() if not name.startswith("preprocessor.")
    )


def _count(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def test_a_gzipped_archive_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "zipped.nemo"
    with STARTER.open("rb") as source, gzip.open(path, "wb", compresslevel=1) as target:
        shutil.copyfileobj(source, target)
    assert read_archive(path).parameters == read_archive(STARTER).parameters


def test_hybrid_transducer_and_full_context_models_are_told_apart(make_archive: MakeArchive) -> None:
    hybrid = read_archive(make_archive(config_of(joint={}, aux_ctc={}), {}, {}, "hybrid.nemo"))
    assert hybrid.decoders == ("rnnt", "ctc")
    transducer = read_archive(make_archive(config_of(joint={}), {}, {}, "rnnt.nemo"))
    assert transducer.decoders == ("rnnt",)
    full = read_archive(make_archive(config_of(encoder={"att_context_size": [-1, -1]}), {}, {}, "full.nemo"))
    assert not full.is_streaming
    assert full.attention_contexts == [[-1, -1]]


def test_the_forks_layout_is_known_by_its_tokenizer_or_its_head(
    make_archive: MakeArchive, make_tokenizer: MakeTokenizer, packs: PackRegistry
) -> None:
    models = {f"{tag}_tokenizer.model": make_tokenizer(packs.get(f"{tag}-IN")) for tag in ("hi", "ta")}
    langs = {tag: {"type": "bpe", "model_path": f"nemo:{tag}_tokenizer.model"} for tag in ("hi", "ta")}
    config = config_of(tokenizer={"type": "multilingual", "langs": langs}, decoder={"multisoftmax": True})
    archive = read_archive(make_archive(config, {"ctc_decoder.decoder_layers.0.weight": (513, 8, 1)}, models))
    assert archive.is_fork
    assert archive.needs_slicing
    assert set(archive.tokenizers) == {"hi", "ta"}
    assert archive.tokenizer("ta").get_piece_size() > 200
    with pytest.raises(ModelError, match=r"no tokenizer for te; it has: hi, ta"):
        archive.tokenizer("te")


@pytest.mark.parametrize("cut", [0, 300, 20_000, 5_000_000])
def test_a_cut_archive_is_one_clear_line(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.nemo"
    path.write_bytes(STARTER.read_bytes()[:cut])
    with pytest.raises(ModelError, match=r"cut\.nemo.*fetch or copy it again") as raised:
        read_archive(path)
    assert "\n" not in raised.value.detail


def test_a_missing_file_and_one_of_another_kind_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.nemo: no such checkpoint"):
        read_archive(tmp_path / "nowhere.nemo")
    other = tmp_path / "other.nemo"
    other.write_text("not an archive")
    with pytest.raises(ModelError, match="damaged or no archive"):
        read_archive(other)
    empty = tmp_path / "empty.nemo"
    with tarfile.open(empty, "w"):
        pass
    with pytest.raises(ModelError, match=r"holds no model_config\.yaml and no model_weights\.ckpt"):
        read_archive(empty)


class _Attack:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('ran')",))


def test_code_inside_the_weights_never_runs(make_archive: MakeArchive) -> None:
    path = make_archive(config_of(), {"layer": _Attack()}, {})  # type: ignore[dict-item]
    assert pickle.dumps(_Attack())
    assert read_archive(path).shapes == {}
