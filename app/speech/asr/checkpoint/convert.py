"""`vaanisetu asr convert`: any checkpoint into a model directory that an engine serves, whole or not at all."""

from __future__ import annotations

import datetime
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from app.errors import ModelError

from ..features import MelConfig
from ..served import file_hash
from ..training.export import export_float_graph, quantise
from .archive import NemoArchive, read_archive
from .frontend import choose_context, front_end, statistics_beside
from .stock import save_stock


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a model comes from, kept in its `model.json`."""

    languages: tuple[str, ...]
    licence: str | None = None
    source: str | None = None


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Gives a temporary folder beside `target` that takes its place when the block ends well, and vanishes otherwise.

    Raises:
        ModelError: The target exists and is no model of ours to replace.
    """
    if target.exists() and any(target.iterdir() if target.is_dir() else [target]):
        if not (target / "model.json").is_file():
            raise ModelError(f"{target} exists and is no model; choose another folder or empty it")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as folder:
        made = Path(folder) / "made"
        made.mkdir()
        yield made
        old = Path(folder) / "old"
        if target.exists():
            target.rename(old)
        made.rename(target)


def convert(
    source: Path,
    target: Path,
    origin: Origin,
    language: str = "",
    look_ahead_ms: int | None = None,
    finish: Callable[[Path], object] | None = None,
) -> dict[str, Any]:
    """Converts a checkpoint; a streaming CTC model for the onnx engine, every other for the nemo engine.

    Args:
        source: a `.nemo` archive, of NeMo or of AI4Bharat's fork.
        target: receives the model directory, complete or not at all.
        origin: languages, licence and source to keep with it.
        language: which head to take from a checkpoint of many.
        look_ahead_ms: which look-ahead to serve a streaming model with.
        finish: called with the complete folder before it takes its place; what it raises leaves the target as it was.

    Returns:
        What was written to `model.json`.

    Raises:
        ModelError: The checkpoint is damaged, of no known layout, or the target is in the way.
    """
    archive = read_archive(source)
    with whole_folder(target) as made:
        if archive.is_fork or archive.needs_slicing:
            save_stock(archive, made / "model.nemo", language)
            archive = read_archive(made / "model.nemo")
        if archive.is_streaming and "ctc" in archive.decoders:
            context = choose_context(archive, look_ahead_ms)
            described = _for_onnx(archive, made, context, source.parent)
            (made / "model.nemo").unlink(missing_ok=True)
        else:
            described = _for_nemo(archive, made)
        described |= {
            "name": target.name,
            "languages": list(origin.languages),
            "licence": origin.licence,
            "source": origin.source or source.name,
            "converted_on": datetime.datetime.now(datetime.UTC).date().isoformat(),
        }
        (made / "model.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
        if finish is not None:
            finish(made)
    return described


def _for_onnx(archive: NemoArchive, made: Path, context: Sequence[int], beside: Path) -> dict[str, Any]:
    features = front_end(archive)
    mean, std = statistics_beside(beside, features.mel_bands)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        stock = archive.path
        if archive.model_class != "EncDecCTCModelBPE":
            stock = Path(folder) / "ctc.nemo"
            save_stock(archive, stock)
        model, shapes = export_float_graph(stock, Path(folder) / "float.onnx", list(context))
        quantise(Path(folder) / "float.onnx", made / "encoder.onnx")
    (made / "tokenizer.model").write_bytes(archive.tokenizers[""])
    return {
        "engine": "onnx",
        "class": "EncDecCTCModelBPE",
        "decoders": ["ctc"],
        "features": {name: getattr(features, name) for name in MelConfig.__dataclass_fields__},
        "streaming": shapes,
        "frame_ms": round(archive.frame_ms),
        "emission_delay_frames": 0,
        "vocabulary_size": int(model.tokenizer.vocab_size),
        "parameters": int(sum(value.numel() for value in model.parameters())),
        "mean": mean,
        "std": std,
        "sha256": file_hash([made / "encoder.onnx", made / "tokenizer.model"]),
    }


def _for_nemo(archive: NemoArchive, made: Path) -> dict[str, Any]:
    if archive.path != made / "model.nemo":
        shutil.copyfile(archive.path, made / "model.nemo")
    (made / "tokenizer.model").write_bytes(archive.tokenizers[""])
    preprocessor = archive.config["preprocessor"]
    return {
        "engine": "nemo",
        "class": archive.model_class,
        "decoders": list(archive.decoders),
        "features": {"sample_rate_hz": archive.sample_rate_hz, "mel_bands": int(preprocessor.get("features", 64))},
        "streaming": None,
        "is_cache_aware": archive.is_streaming,
        "frame_ms": round(archive.frame_ms),
        "vocabulary_size": archive.tokenizer().get_piece_size(),
        "parameters": archive.parameters,
        "sha256": file_hash([made / "model.nemo", made / "tokenizer.model"]),
    }
