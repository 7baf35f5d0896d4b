"""What `vaanisetu asr info` tells of a checkpoint, a served model or an entry of the catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.errors import ModelError
from app.language.packs import Pack

from ..served import file_hash
from .archive import NemoArchive, read_archive
from .coverage import Coverage, measure_coverage, tokenizer_of


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One recogniser described; None where the source does not say.

    `look_ahead_ms` lists what the model may hear past the present frame, a streaming model only. `served_by` is
    `onnx`, `nemo`, or what to do first.
    """

    place: str
    kind: str
    model_class: str
    parameters: int | None
    sample_rate_hz: int
    mel_bands: int
    is_streaming: bool
    look_ahead_ms: tuple[int, ...]
    decoders: tuple[str, ...]
    vocabulary_size: int | None
    languages: tuple[str, ...]
    licence: str | None
    served_by: str
    coverage: tuple[Coverage, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Returns it as JSON values; coverage says per language whether it would be refused."""
        described = asdict(self)
        for given, coverage in zip(described["coverage"], self.coverage, strict=True):
            given["is_enough"] = coverage.is_enough
        return described

    def lines(self) -> list[str]:
        """Returns it as lines for a terminal."""
        parameters = f"{self.parameters / 1e6:.1f} M" if self.parameters else "not known"
        ahead = ", ".join(f"{value} ms" for value in self.look_ahead_ms)
        rows = [
            ("what", f"{self.kind}, {self.model_class}"),
            ("parameters", parameters),
            ("audio", f"{self.sample_rate_hz} Hz, {self.mel_bands} mel bands"),
            ("streaming", f"yes, hears ahead {ahead}" if self.is_streaming else "no: hears whole utterances, buffered"),
            ("decoders", ", ".join(self.decoders)),
            ("vocabulary", f"{self.vocabulary_size} pieces" if self.vocabulary_size else "not known"),
            ("languages", ", ".join(self.languages) or "not stated"),
            ("licence", self.licence or "not stated; ask its source"),
            ("served by", self.served_by),
        ]
        for coverage in self.coverage:
            verdict = "written" if coverage.is_enough else f"refused: {coverage.reason()}"
            english = f", English words in it {100 * coverage.english:.1f} %" if coverage.english is not None else ""
            rows.append((coverage.language, f"own words {100 * coverage.own:.1f} %{english}: {verdict}"))
        return [f"{self.place}", *(f"  {name:<11} {value}" for name, value in rows)]


def describe(model: Path, packs: Iterable[Pack] = ()) -> ModelInfo:
    """Describes a `.nemo` archive or a model directory, and whether it can write the packs' languages.

    Raises:
        ModelError: It is neither, or damaged.
    """
    if model.is_dir():
        return _describe_directory(model, tuple(packs))
    return describe_archive(read_archive(model), packs)


def describe_archive(archive: NemoArchive, packs: Iterable[Pack] = ()) -> ModelInfo:
    """Describes an archive that has been read."""
    preprocessor = archive.config["preprocessor"]
    sizes = [archive.tokenizer(language).get_piece_size() for language in archive.tokenizers]
    ahead = sorted({round(right * archive.frame_ms) for _, right in archive.attention_contexts if right >= 0})
    coverage = []
    for pack in packs:
        language = "" if "" in archive.tokenizers else pack.tag.split("-")[0]
        if language in archive.tokenizers:
            coverage.append(measure_coverage(archive.tokenizer(language), pack))
    return ModelInfo(
        place=str(archive.path),
        kind="checkpoint of AI4Bharat's NeMo fork" if archive.is_fork else "NeMo checkpoint",
        model_class=archive.model_class,
        parameters=archive.parameters,
        sample_rate_hz=archive.sample_rate_hz,
        mel_bands=int(preprocessor.get("features", 64)),
        is_streaming=archive.is_streaming,
        look_ahead_ms=tuple(ahead) if archive.is_streaming else (),
        decoders=archive.decoders,
        vocabulary_size=sum(sizes) or None,
        languages=tuple(language for language in archive.tokenizers if language),
        licence=archive.config.get("license") or archive.config.get("licence"),
        served_by=_route(archive),
        coverage=tuple(coverage),
    )


def _route(archive: NemoArchive) -> str:
    if archive.needs_slicing or archive.is_fork:
        return "nothing yet: `vaanisetu asr convert` takes one language out of it"
    if archive.is_streaming and "ctc" in archive.decoders:
        return "the onnx engine, after `vaanisetu asr convert`"
    return "the nemo engine, after `vaanisetu asr convert`"


def read_model_json(model_dir: Path) -> dict[str, Any]:
    """Reads a served model's `model.json`.

    Raises:
        ModelError: It is missing or damaged.
    """
    path = model_dir / "model.json"
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(
            f"{model_dir} holds no model.json, so it is no served model; make one with `asr convert`"
        ) from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"{path} is damaged ({error}); export or convert the model again") from error
    if not isinstance(described, dict):
        raise ModelError(f"{path} is no JSON object; export or convert the model again")
    return described


def _describe_directory(model_dir: Path, packs: tuple[Pack, ...]) -> ModelInfo:
    described = read_model_json(model_dir)
    engine = described.get("engine", "onnx")
    needed = "encoder.onnx" if engine == "onnx" else "model.nemo"
    if not (model_dir / needed).is_file():
        raise ModelError(f"{model_dir} holds no {needed}; export or convert the model again")
    _check_hash(model_dir, needed, described.get("sha256"))
    coverage = [measure_coverage(tokenizer_of(model_dir, pack.tag), pack) for pack in packs]
    streaming, frame_ms = described.get("streaming"), described.get("frame_ms", 80)
    ahead = (int((streaming["encoder_frames"] - 1) * frame_ms),) if streaming else ()
    try:
        return ModelInfo(
            place=str(model_dir),
            kind="served model",
            model_class=described.get("class", "EncDecCTCModelBPE"),
            parameters=described.get("parameters"),
            sample_rate_hz=int(described["features"]["sample_rate_hz"]),
            mel_bands=int(described["features"]["mel_bands"]),
            is_streaming=streaming is not None or bool(described.get("is_cache_aware")),
            look_ahead_ms=ahead,
            decoders=tuple(described.get("decoders", ("ctc",))),
            vocabulary_size=described.get("vocabulary_size"),
            languages=tuple(described.get("languages", ())),
            licence=described.get("licence"),
            served_by=f"the {engine} engine",
            coverage=tuple(coverage),
        )
    except (KeyError, TypeError) as error:
        raise ModelError(f"{model_dir / 'model.json'} lacks {error}; export or convert the model again") from error


def _check_hash(model_dir: Path, weights: str, expected: str | None) -> None:
    if expected is None or not (model_dir / "tokenizer.model").is_file():
        return
    if file_hash([model_dir / weights, model_dir / "tokenizer.model"]) != expected:
        raise ModelError(
            f"{model_dir}: {weights} and tokenizer.model are not the ones that model.json was written for (sha256); "
            "they are damaged or of another model: copy the directory again, or export or convert the model again"
        )
