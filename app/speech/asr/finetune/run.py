"""`vaanisetu asr finetune` from first to last: checks everything, measures, trains, exports, measures again."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch

from app.errors import ModelError

from ..checkpoint.archive import read_archive
from ..checkpoint.convert import Origin, convert
from ..checkpoint.frontend import front_end, normalises_by_utterance, statistics_beside
from ..checkpoint.stock import ctc_model, save_model, write_tokenizer
from ..engine import AsrEngine
from ..features import FloatArray, encode_mulaw
from ..manifest import read_audio
from ..onnx_engine import OnnxAsrEngine
from ..training.text import normalise
from .data import Drawer, Ear, plain_call
from .gather import Material, Request, gather, load_recipe
from .report import as_markdown, remarks, score
from .tuner import Report, Tuner, stop_on_signals, transcribe_offline
from .vocabulary import grow_head

_FRAME_BYTES: Final = 160


def finetune(request: Request, report: Report) -> dict[str, Any]:
    """Fine-tunes a checkpoint and exports it to `request.out / "model"`; the run's state lies in `request.out / "run"`.

    Args:
        request: what to fine-tune on what.
        report: receives a line of progress at a time.

    Returns:
        The report, as `report.json` in the model's folder has it.

    Raises:
        ModelError: An input is wrong, or `out` holds another run; nothing is written then.
        KeyboardInterrupt: The run was interrupted; it is saved and resumes when called again.
    """
    recipe = load_recipe(request.recipe, request.steps)
    archive = read_archive(request.base)
    config = front_end(archive, by_utterance=not archive.is_streaming)
    mean, std = statistics_beside(request.base.parent, config.mel_bands)
    material = gather(request, archive, config, recipe)
    run_dir = _open_run(request, recipe)
    torch.set_num_threads(recipe["threads"])
    torch.set_flush_denormal(True)
    ear = Ear(config, mean, std, normalises_by_utterance(archive))
    audio = [read_audio(recording) for recording in material.held_out]
    report(
        f"{len(material.items)} utterances to learn, {material.minutes} minutes; {len(audio)} to measure in "
        f"{len(set(material.sets))} sets; {len(material.replay)} to replay; {material.dropped} dropped as too long"
    )
    with tempfile.TemporaryDirectory(dir=run_dir) as folder:
        model = ctc_model(archive, Path(folder) / "base", request.language)
        streams = archive.is_streaming
        before = _before(run_dir, request, material, audio, None if streams else (model, ear), report)
        if material.added:
            grow_head(model, str(write_tokenizer(material.tokenizer, Path(folder) / "extended")))
        drawer = Drawer(material.items, material.replay, ear, recipe, request.replay_share)
        tuner = Tuner(model, drawer, recipe, run_dir)
        if tuner.step:
            report(f"going on from step {tuner.step}")

        def validate() -> dict[str, Any]:
            with tuner.average.swapped_in():
                return _scores(material, transcribe_offline(model, ear, audio))

        with stop_on_signals() as stop:
            tuner.train(stop, validate, report)
        with tuner.average.swapped_in():
            save_model(model.eval().to("cpu"), run_dir / "model.nemo")
    (run_dir / "statistics.json").write_text(json.dumps({"mean": mean, "std": std}), encoding="utf-8")
    return _export(request, recipe, material, audio, before, (model, ear), report)


def _open_run(request: Request, recipe: dict[str, Any]) -> Path:
    """Returns the run's folder, made or taken up.

    Raises:
        ModelError: It holds a run of other inputs.
    """
    run_dir = request.out / "run"
    files = [request.base, request.manifest, *request.validation]
    files += [request.replay] if request.replay is not None and request.replay.is_file() else []
    described = {
        "inputs": {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
        "recipe": recipe,
        "replay": str(request.replay) if request.replay else None,
        "replay_share": request.replay_share,
        "extend_vocabulary": request.extend_vocabulary,
        "language": request.language,
    }
    path = run_dir / "run.json"
    if path.exists():
        if json.loads(path.read_text(encoding="utf-8")) != json.loads(json.dumps(described)):
            raise ModelError(f"{run_dir} holds a run of other inputs or settings; choose another --out, or remove it")
    else:
        run_dir.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(described, ensure_ascii=False, indent=1), encoding="utf-8")
    return run_dir


def _scores(material: Material, heard: Sequence[str]) -> dict[str, dict[str, float]]:
    return score(material.sets, [item.text for item in material.held_out], [normalise(text) for text in heard])


def _before(
    run_dir: Path,
    request: Request,
    material: Material,
    audio: Sequence[FloatArray],
    offline: tuple[Any, Ear] | None,
    report: Report,
) -> dict[str, dict[str, float]]:
    """Measures the base, once for a run and its resumptions."""
    path = run_dir / "before.json"
    if path.exists():
        found: dict[str, dict[str, float]] = json.loads(path.read_text(encoding="utf-8"))
        return found
    report("measuring the base")
    if offline is not None:
        heard = transcribe_offline(offline[0], offline[1], audio)
    else:
        beside = request.base.parent
        served = (beside / "encoder.onnx").is_file() and (beside / "model.json").is_file()
        with tempfile.TemporaryDirectory(dir=run_dir) as folder:
            place = beside if served else Path(folder) / "base"
            if not served:
                convert(request.base, place, Origin(material.languages), request.language)
            heard = transcribe_streaming(OnnxAsrEngine(place), audio)
    scores = _scores(material, heard)
    path.write_text(json.dumps(scores, ensure_ascii=False), encoding="utf-8")
    return scores


def transcribe_streaming(engine: AsrEngine, audio: Sequence[FloatArray], batch: int = 8) -> list[str]:
    """Recognises recordings as calls: 8 kHz mu-law in frames of 20 ms."""
    texts: list[str] = []
    calls = [encode_mulaw(plain_call(samples)) for samples in audio]
    for at in range(0, len(calls), batch):
        group = calls[at : at + batch]
        streams = [engine.open_stream() for _ in group]
        for start in range(0, max(map(len, group)), _FRAME_BYTES):
            for stream, call in zip(streams, group, strict=True):
                engine.push(stream, call[start : start + _FRAME_BYTES])
            engine.step(streams)
        texts += [final.text for final in engine.finish(streams)]
    return texts


def _export(
    request: Request,
    recipe: dict[str, Any],
    material: Material,
    audio: Sequence[FloatArray],
    before: dict[str, dict[str, float]],
    offline: tuple[Any, Ear],
    report: Report,
) -> dict[str, Any]:
    """Writes the served model with its report, complete or not at all."""
    run_dir, base_dir = request.out / "run", request.base.parent
    described: dict[str, Any] = {}

    def finish(made: Path) -> None:
        streams = (made / "encoder.onnx").is_file()
        if streams and not material.added and (base_dir / "ngrams.model").is_file():
            shutil.copyfile(base_dir / "ngrams.model", made / "ngrams.model")
        report("measuring the result")
        heard = transcribe_streaming(OnnxAsrEngine(made), audio) if streams else transcribe_offline(*offline, audio)
        after = _scores(material, heard)
        described.update(_describe(request, recipe, material, before, after, streams))
        for name in ("model.nemo", "statistics.json"):
            shutil.copyfile(run_dir / name, made / name)
        (made / "report.json").write_text(json.dumps(described, ensure_ascii=False, indent=1), encoding="utf-8")
        (made / "report.md").write_text(as_markdown(described), encoding="utf-8")

    report("exporting")
    languages = sorted({*_base_languages(base_dir), *material.languages})
    convert(
        run_dir / "model.nemo",
        request.out / "model",
        Origin(tuple(languages), source=f"fine-tuned from {request.base.name}"),
        finish=finish,
    )
    return described


def _base_languages(base_dir: Path) -> list[str]:
    path = base_dir / "model.json"
    return list(json.loads(path.read_text(encoding="utf-8")).get("languages", ())) if path.is_file() else []


def _describe(
    request: Request,
    recipe: dict[str, Any],
    material: Material,
    before: dict[str, dict[str, float]],
    after: dict[str, dict[str, float]],
    streams: bool,
) -> dict[str, Any]:
    share = f"{100 * request.replay_share:.0f} % of every batch"
    sets = {name: {"before": before[name], "after": after[name]} for name in after}
    return {
        "name": request.out.name,
        "base": request.base.name,
        "steps": recipe["steps"],
        "seed": recipe["seed"],
        "utterances": len(material.items),
        "minutes": material.minutes,
        "dropped": material.dropped,
        "replay": f"replayed {len(material.replay)} utterances, {share}" if material.replay else "nothing replayed",
        "vocabulary": f"vocabulary with {' '.join(material.added)} added" if material.added else "vocabulary kept",
        "measured": "through the streaming engine, 8 kHz mu-law"
        if streams
        else "whole utterances at once, 8 kHz mu-law",
        "sets": sets,
        "remarks": remarks(sets, material.has_kept_sets),
    }
