"""Reads a `.nemo` archive without torch: its configuration, its tokenizers, and the shapes of its weights."""

from __future__ import annotations

import io
import math
import pickle
import tarfile
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sentencepiece
import yaml

from app.errors import ModelError

WEIGHTS = "model_weights.ckpt"
_CONFIG = "model_config.yaml"
_ARTIFACT = "nemo:"
_SLICED_TYPES = ("agg", "multilingual")
_NOT_WEIGHTS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True, slots=True)
class NemoArchive:
    """A `.nemo` file: `config` as NeMo wrote it; tokenizers by language, under "" where one serves all."""

    path: Path
    config: dict[str, Any]
    tokenizers: dict[str, bytes]
    shapes: dict[str, tuple[int, ...]] | None

    @property
    def model_class(self) -> str:
        """The NeMo class that restores it, without its package."""
        return str(self.config.get("target", "?")).rsplit(".", 1)[-1]

    @property
    def decoders(self) -> tuple[str, ...]:
        """Which decoders it holds: `ctc`, `rnnt` or both."""
        has_joint = "joint" in self.config
        has_ctc = "aux_ctc" in self.config or not has_joint
        return (("rnnt",) if has_joint else ()) + (("ctc",) if has_ctc else ())

    @property
    def is_streaming(self) -> bool:
        """Whether the encoder was trained with limited context and causal convolutions, to be fed chunk by chunk."""
        encoder = self.config.get("encoder", {})
        return encoder.get("att_context_style") == "chunked_limited" and _is_causal(encoder)

    @property
    def attention_contexts(self) -> list[list[int]]:
        """The (left, right) contexts in encoder frames that the encoder was trained with, its first choice first."""
        given = self.config.get("encoder", {}).get("att_context_size") or []
        return (
            [list(pair) for pair in given] if given and isinstance(given[0], list) else [list(given)] if given else []
        )

    @property
    def frame_ms(self) -> float:
        """How long an encoder frame is."""
        stride_seconds = self.config["preprocessor"].get("window_stride", 0.01)
        return float(1000 * stride_seconds * self.config.get("encoder", {}).get("subsampling_factor", 4))

    @property
    def sample_rate_hz(self) -> int:
        """The sample rate of the audio it was trained on."""
        return int(self.config["preprocessor"].get("sample_rate", self.config.get("sample_rate", 16000)))

    @property
    def needs_slicing(self) -> bool:
        """Whether its head is a row of per-language heads, each with a tokenizer of its own."""
        return self.config.get("tokenizer", {}).get("type") in _SLICED_TYPES

    @property
    def is_fork(self) -> bool:
        """Whether only AI4Bharat's fork of NeMo 1.23 restores it."""
        tokenizer = self.config.get("tokenizer", {})
        parts = [self.config.get(name) or {} for name in ("decoder", "joint", "encoder")]
        return tokenizer.get("type") == "multilingual" or any(
            "multisoftmax" in part or "multilingual" in part for part in parts
        )

    @property
    def parameters(self) -> int | None:
        """How many weights it has; None where the weights are in a form older than torch 1.6."""
        if self.shapes is None:
            return None
        return sum(
            math.prod(shape)
            for name, shape in self.shapes.items()
            if not name.startswith("preprocessor.") and not name.endswith(_NOT_WEIGHTS)
        )

    def tokenizer(self, language: str = "") -> sentencepiece.SentencePieceProcessor:
        """Returns a language's tokenizer.

        Raises:
            ModelError: The archive has none for it, or a broken one.
        """
        if language not in self.tokenizers:
            known = ", ".join(sorted(self.tokenizers)) or "none"
            if not language and self.tokenizers:
                raise ModelError(f"{self.path} holds a head for each of {known}: choose one with --language")
            raise ModelError(f"{self.path}: no tokenizer for {language or 'the model'}; it has: {known}")
        return load_tokenizer(self.tokenizers[language], f"{self.path}: tokenizer {language}".rstrip())


def _is_causal(encoder: dict[str, Any]) -> bool:
    context = encoder.get("conv_context_size")
    return context == "causal" or (isinstance(context, list) and context[-1] == 0)


def load_tokenizer(model: bytes, place: str) -> sentencepiece.SentencePieceProcessor:
    """Returns the sentencepiece tokenizer of a serialised model.

    Raises:
        ModelError: It is none; the detail names `place`.
    """
    try:
        return sentencepiece.SentencePieceProcessor(model_proto=model)
    except RuntimeError as error:
        raise ModelError(f"{place} is not a sentencepiece model; take the checkpoint from its source again") from error


def read_archive(path: Path, with_shapes: bool = True) -> NemoArchive:
    """Reads a `.nemo` archive, plain or gzipped; a few milliseconds, since no weight is loaded.

    Args:
        path: the archive.
        with_shapes: also reads the weights' shapes, for their count and the head's rows.

    Raises:
        ModelError: It is missing, damaged or not a NeMo model; the detail says which and what to do.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such checkpoint; name a .nemo file or a model directory that exists")
    cure = "fetch or copy it again"
    try:
        with tarfile.open(path) as archive:
            members = {Path(member.name).name: member for member in archive.getmembers() if member.isfile()}
            missing = [name for name in (_CONFIG, WEIGHTS) if name not in members]
            if missing:
                raise ModelError(f"{path} is not a NeMo checkpoint: it holds no {' and no '.join(missing)}; {cure}")
            config = yaml.safe_load(_read(archive, members[_CONFIG]))
            if not isinstance(config, dict) or "preprocessor" not in config:
                raise ModelError(f"{path}: {_CONFIG} describes no speech model; {cure}")
            tokenizers = {
                language: _read(archive, members[name])
                for language, name in _tokenizer_files(config, set(members)).items()
            }
            shapes = _shapes(_read_stream(archive, members[WEIGHTS]), path) if with_shapes else None
    except (tarfile.TarError, yaml.YAMLError, EOFError, OSError) as error:
        raise ModelError(f"{path} is damaged or no archive ({_brief(error)}); {cure}") from error
    return NemoArchive(path, config, tokenizers, shapes)


def _brief(error: Exception) -> str:
    return str(error).splitlines()[0].removesuffix(":") if str(error) else type(error).__name__


def _read_stream(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Any:
    stream = archive.extractfile(member)
    if stream is None:
        raise tarfile.ReadError(f"{member.name} cannot be read")
    return stream


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    with _read_stream(archive, member) as stream:
        data: bytes = stream.read()
    if len(data) != member.size:
        raise tarfile.ReadError(f"{member.name} ends too early")
    return data


def _tokenizer_files(config: dict[str, Any], names: set[str]) -> dict[str, str]:
    """Returns the archive members that hold the tokenizers, by language."""
    tokenizer = config.get("tokenizer") or {}
    parts = tokenizer.get("langs") or {"": tokenizer}
    found: dict[str, str] = {}
    for language, part in parts.items():
        name = str((part or {}).get("model_path") or "").removeprefix(_ARTIFACT)
        if name in names:
            found[str(language)] = name
    if not found and not tokenizer.get("langs"):
        alone = sorted(name for name in names if name.endswith("tokenizer.model"))
        found = {"": alone[0]} if alone else {}
    return found


class _Stub:
    """Stands for whatever class a pickle names, so that none of its code runs."""

    def __init__(self, *_: Any) -> None:
        self.values: dict[Any, Any] = {}

    def __setstate__(self, _: Any) -> None:
        return


def _tensor(_storage: Any, _offset: int, size: tuple[int, ...], *_: Any) -> tuple[int, ...]:
    return tuple(int(value) for value in size)


class _ShapeReader(pickle.Unpickler):
    """Unpickles a state dictionary into shapes; nothing but shapes and dictionaries is ever made."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        return _tensor if name.startswith("_rebuild_tensor") else _Stub

    def persistent_load(self, _: Any) -> None:
        return None


def _shapes(stream: Any, path: Path) -> dict[str, tuple[int, ...]] | None:
    """Reads the shapes of a torch state dictionary; None where it is not in the zip form of torch >= 1.6."""
    with stream:
        if stream.read(4) != b"PK\x03\x04":
            return None
        stream.seek(0)
        try:
            with zipfile.ZipFile(stream) as weights:
                name = next(name for name in weights.namelist() if name.endswith("data.pkl"))
                state = _ShapeReader(io.BytesIO(weights.read(name))).load()
        except (zipfile.BadZipFile, StopIteration, pickle.UnpicklingError, ValueError, KeyError) as error:
            raise ModelError(f"{path}: the weights are damaged ({error}); fetch or copy it again") from error
    if not isinstance(state, dict):
        raise ModelError(f"{path}: {WEIGHTS} is no state dictionary")
    return {str(name): shape for name, shape in state.items() if isinstance(shape, tuple)}
