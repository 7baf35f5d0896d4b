"""A served model's directory as the engines read it; what is missing, damaged or at odds is refused in one line."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import sentencepiece

from app.errors import ModelError

from .beam import BeamDecoder, BeamSettings
from .decoder import Decoder, GreedyDecoder
from .features import FloatArray, MelConfig
from .ngrams import NgramModel

_CURE: Final = "export or convert the model again, or point VAANISETU_ASR_MODEL at another"
_DAMAGE: Final[tuple[type[Exception], ...]] = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,
    zipfile.BadZipFile,
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StreamingShapes:
    """The graph's geometry: mel frames per step and of look-back, and the sizes of its caches."""

    shift_frames: int
    lookback_frames: int
    layers: int
    left_context: int
    width: int
    time_context: int
    first_shift_frames: int = 0
    encoder_frames: int = 0


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What `model.json` says of a streaming CTC model; `mean` and `std` are float32[mel_bands], of its features."""

    directory: Path
    languages: tuple[str, ...]
    features: MelConfig
    shapes: StreamingShapes
    mean: FloatArray
    std: FloatArray
    frame_ms: int
    delay_frames: int
    beam: BeamSettings

    @classmethod
    def read(cls, directory: Path) -> ServedModel:
        """Reads `model.json`.

        Raises:
            ModelError: It is missing, damaged, or of a model for another engine; the detail names the cure.
        """
        path = directory / "model.json"
        described = read_description(directory)
        engine = described.get("engine", "onnx")
        if engine != "onnx":
            raise ModelError(f"{directory} is a model for the engine `{engine}`: set VAANISETU_ASR_ENGINE={engine}")

        def read() -> ServedModel:
            features = MelConfig(**described["features"])
            mean, std = (_statistics(described[name], features.mel_bands, name) for name in ("mean", "std"))
            if std.min() <= 0:
                raise ValueError("std has a value that is not above 0")
            return cls(
                directory=directory,
                languages=tuple(described["languages"]),
                features=features,
                shapes=StreamingShapes(**described["streaming"]),
                mean=mean,
                std=std,
                frame_ms=int(described["frame_ms"]),
                delay_frames=int(described["emission_delay_frames"]),
                beam=BeamSettings(**described.get("beam", {})),
            )

        return guarded(path, read)

    def pieces(self) -> list[str]:
        """Returns the tokenizer's pieces in order.

        Raises:
            ModelError: There is no tokenizer, or it is damaged.
        """
        return read_pieces(self.directory / "tokenizer.model")

    def decoder(
        self,
        pieces: list[str],
        *,
        beam: BeamSettings | None = None,
        greedy: bool = False,
        ngrams: Path | None = None,
    ) -> Decoder[Any]:
        """Returns a beam search, with the n-grams that the model ships, or the greedy decoder.

        Raises:
            ModelError: The n-grams are damaged.
        """
        path = ngrams or self.directory / "ngrams.model"
        return make_decoder(pieces, self.frame_ms, self.delay_frames, path, beam or self.beam, greedy)


def make_decoder(
    pieces: list[str], frame_ms: int, delay_frames: int, ngrams: Path, beam: BeamSettings, greedy: bool
) -> Decoder[Any]:
    """Returns a beam search, without n-grams where there are none (it still leans towards a bias), or greedy search.

    Raises:
        ModelError: The n-grams are damaged.
    """
    if greedy:
        return GreedyDecoder(pieces, frame_ms, delay_frames)
    if not ngrams.exists():
        plain = replace(beam, language_weight=0.0, piece_bonus=0.0)
        return BeamDecoder(pieces, frame_ms, delay_frames, NgramModel.empty(len(pieces)), plain)
    model = guarded(ngrams, lambda: NgramModel.load(ngrams))
    return BeamDecoder(pieces, frame_ms, delay_frames, model, beam)


def read_description(directory: Path) -> dict[str, Any]:
    """Returns what `model.json` holds.

    Raises:
        ModelError: It is missing or damaged; the detail names the cure.
    """
    path = directory / "model.json"
    if not directory.is_dir():
        raise ModelError(f"{directory} is no directory with a served model: point VAANISETU_ASR_MODEL at one")
    if not path.is_file():
        raise ModelError(f"{directory} holds no model.json, so it is no served model: {_CURE}")
    described = guarded(path, lambda: json.loads(path.read_text(encoding="utf-8")))
    if not isinstance(described, dict):
        raise ModelError(f"{path} is no JSON object: {_CURE}")
    return described


def file_hash(paths: Iterable[Path]) -> str:
    """Returns one SHA-256 over the files' bytes, in order; `model.json` keeps that of the weights and the tokenizer."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def read_pieces(path: Path) -> list[str]:
    """Returns a tokenizer's pieces in order.

    Raises:
        ModelError: There is no tokenizer, or it is damaged.
    """
    tokenizer = guarded(path, lambda: sentencepiece.SentencePieceProcessor(model_proto=path.read_bytes()))
    return [tokenizer.id_to_piece(index) for index in range(tokenizer.get_piece_size())]


def guarded(path: Path, read: Callable[[], T], *further: type[Exception]) -> T:
    """Returns what `read` makes of a file.

    Args:
        path: the file, to be named.
        read: reads it.
        further: exceptions of its library that also mean damage.

    Raises:
        ModelError: The file is missing or damaged.
    """
    try:
        return read()
    except FileNotFoundError as error:
        raise ModelError(f"{path} is missing: {_CURE}") from error
    except (*_DAMAGE, *further) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ModelError(f"{path} is damaged or of another kind ({reason}): {_CURE}") from error


def _statistics(values: Any, mel_bands: int, name: str) -> FloatArray:
    found = np.asarray(values, np.float32)
    if found.shape != (mel_bands,) or not np.isfinite(found).all():
        raise ValueError(f"{name} is not {mel_bands} figures, one per mel band")
    return found
