"""Turns any checkpoint with a CTC head into a stock NeMo `EncDecCTCModelBPE`: AI4Bharat's fork, hybrids, many heads.

A head of many languages is a row of heads: each language owns consecutive rows, in the order of the configuration, and
all share the last row, the blank. The fork masks the other languages' rows before the softmax; a model with only a
language's rows and the blank computes the same. Source: AI4Bharat/NeMo, `MultilingualTokenizer` and `ConvASRDecoder`.
"""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path
from typing import Any

import nemo.collections.asr as nemo_asr
import sentencepiece
import torch
from hydra.errors import HydraException
from omegaconf import OmegaConf, open_dict

from app.errors import ModelError

from .archive import WEIGHTS, NemoArchive

_CTC_CLASS = "EncDecCTCModelBPE"
_DECODER_TARGET = "nemo.collections.asr.modules.ConvASRDecoder"
_HEAD = "decoder_layers.0."


def ctc_model(archive: NemoArchive, folder: Path, language: str = "") -> Any:
    """Returns the checkpoint's CTC part for one language as a stock NeMo model on the CPU, not training.

    Args:
        archive: the checkpoint.
        folder: an empty folder for the files that the model refers to; keep it until the model is saved.
        language: which language's head to take, such as `hi`, where the checkpoint has one for each.

    Raises:
        ModelError: It has no CTC head, no such language, or a layout that NeMo's own classes cannot hold.
    """
    if "ctc" not in archive.decoders:
        raise ModelError(f"{archive.path} has only a transducer; it needs the nemo engine and cannot be cut to CTC")
    if archive.needs_slicing and language not in archive.tokenizers:
        known = ", ".join(archive.tokenizers)
        raise ModelError(f"{archive.path} holds a head for each of {known}: choose one with --language")
    if archive.model_class == _CTC_CLASS and not archive.is_fork and not archive.needs_slicing:
        return _restore(archive.path)
    folder.mkdir(parents=True, exist_ok=True)
    model = _build(archive, language if archive.needs_slicing else "", folder)
    with tempfile.TemporaryDirectory() as weights:
        _fill(model, load_weights(archive, Path(weights)), archive, language)
    return model.eval()


def save_stock(archive: NemoArchive, path: Path, language: str = "") -> None:
    """Writes what `ctc_model` makes as a `.nemo` archive.

    Raises:
        ModelError: As `ctc_model`.
    """
    with tempfile.TemporaryDirectory() as folder:
        save_model(ctc_model(archive, Path(folder), language), path)


def save_model(model: Any, path: Path) -> None:
    """Writes a model as a `.nemo` archive that names no folder of this machine."""
    with open_dict(model.cfg):
        model.cfg.tokenizer.dir = "tokenizer"
    model.save_to(str(path))


def _restore(path: Path) -> Any:
    try:
        return nemo_asr.models.EncDecCTCModelBPE.restore_from(str(path), map_location="cpu").eval()
    except (RuntimeError, KeyError, TypeError, ValueError, OSError) as error:
        raise ModelError(f"{path} cannot be restored by NeMo ({_brief(error)}); fetch or copy it again") from error


def _brief(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else text[:300] + " ..."


def load_weights(archive: NemoArchive, folder: Path) -> dict[str, torch.Tensor]:
    """Returns the archive's state dictionary, mapped from `folder`, with no code of the file ever run.

    Raises:
        ModelError: The weights are damaged.
    """
    path = folder / WEIGHTS
    try:
        with tarfile.open(archive.path) as tar:
            member = next(item for item in tar.getmembers() if Path(item.name).name == WEIGHTS)
            member.name = WEIGHTS
            tar.extract(member, folder, filter="data")
        state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (tarfile.TarError, StopIteration, RuntimeError, OSError) as error:
        raise ModelError(f"{archive.path}: the weights are damaged ({_brief(error)}); fetch it again") from error
    return state


def write_tokenizer(model: bytes, folder: Path) -> Path:
    """Writes a tokenizer as NeMo reads it: `tokenizer.model` and `vocab.txt`; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.model").write_bytes(model)
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
    names = [pieces.id_to_piece(index) for index in range(1, pieces.get_piece_size())]
    (folder / "vocab.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    return folder


def _build(archive: NemoArchive, language: str, folder: Path) -> Any:
    """Builds an untrained stock model with the archive's front end, encoder and one language's tokenizer."""
    config = archive.config
    tokenizer = archive.tokenizer(language)
    pieces = [tokenizer.id_to_piece(index) for index in range(tokenizer.get_piece_size())]
    stock = {
        "sample_rate": archive.sample_rate_hz,
        "log_prediction": False,
        "tokenizer": {"type": "bpe", "dir": str(write_tokenizer(archive.tokenizers[language], folder / "tokenizer"))},
        "preprocessor": config["preprocessor"],
        "encoder": config["encoder"],
        "decoder": {
            "_target_": _DECODER_TARGET,
            "feat_in": config["encoder"]["d_model"],
            "num_classes": len(pieces),
            "vocabulary": pieces,
        },
        "optim": {"name": "adamw", "lr": 1e-4},
    }
    try:
        return nemo_asr.models.EncDecCTCModelBPE(cfg=OmegaConf.create(stock))
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError, HydraException) as error:
        raise ModelError(
            f"{archive.path}: NeMo cannot build its encoder ({_brief(error)}); it needs the fork that made it"
        ) from error


def _fill(model: Any, state: dict[str, torch.Tensor], archive: NemoArchive, language: str) -> None:
    head = "ctc_decoder." if f"ctc_decoder.{_HEAD}weight" in state else "decoder."
    encoder = {name.removeprefix("encoder."): value for name, value in state.items() if name.startswith("encoder.")}
    try:
        model.encoder.load_state_dict(encoder)
    except RuntimeError as error:
        raise ModelError(
            f"{archive.path}: its encoder is not the one that its configuration describes ({_brief(error)})"
        ) from error
    front_end = {n.removeprefix("preprocessor."): v for n, v in state.items() if n.startswith("preprocessor.")}
    model.preprocessor.load_state_dict(front_end, strict=False)
    weight, bias = state.get(f"{head}{_HEAD}weight"), state.get(f"{head}{_HEAD}bias")
    if weight is None or bias is None:
        raise ModelError(f"{archive.path} holds no CTC head under {head}{_HEAD}weight")
    rows = head_rows(archive, language, len(weight))
    with torch.no_grad():
        model.decoder.decoder_layers[0].weight.copy_(weight[rows])
        model.decoder.decoder_layers[0].bias.copy_(bias[rows])


def head_rows(archive: NemoArchive, language: str, rows: int) -> list[int]:
    """Returns which rows of the head are a language's: its own pieces, then the blank, which is last of all.

    Raises:
        ModelError: The head's rows are not the tokenizers' pieces and a blank.
    """
    sizes = {name: archive.tokenizer(name).get_piece_size() for name in archive.tokenizers}
    if rows != sum(sizes.values()) + 1:
        raise ModelError(
            f"{archive.path}: the head has {rows} rows, but {len(sizes)} tokenizers of {sum(sizes.values())} pieces "
            "and a blank need another number; this layout is not known"
        )
    if not archive.needs_slicing:
        return list(range(rows))
    start = 0
    for name, size in sizes.items():
        if name == language:
            return [*range(start, start + size), rows - 1]
        start += size
    raise ModelError(f"{archive.path} has no head for {language}; it has: {', '.join(sizes)}")
