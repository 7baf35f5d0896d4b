"""`vaanisetu asr info`, `pull`, `convert`, `parity`, `finetune`: bring a recogniser of your own and make it yours."""

import importlib.util
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from app.cli_settings import settings_with
from app.errors import ConfigError, ModelError
from app.language.loader import PackRegistry
from app.language.packs import Pack

checkpoints = typer.Typer()
console = Console(highlight=False, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
PacksDir = Annotated[Path | None, typer.Option("--packs-dir", help="Language packs; default: the service's.")]


def _packs(packs_dir: Path | None) -> tuple[Pack, ...]:
    return PackRegistry.load(packs_dir or settings_with().packs_dir).packs


def _print(lines: list[str]) -> None:
    for line in lines:
        console.print(line, markup=False)


def _print_json(value: Any) -> None:
    console.print_json(json.dumps(value, ensure_ascii=False))


@checkpoints.command()
def info(
    model: Annotated[str, typer.Argument(help="A .nemo file, a model directory, or a name of the catalogue.")],
    as_json: Json = False,
    packs_dir: PacksDir = None,
) -> None:
    """Say what a model is and whether it can write each configured language; status 1 where it can write none."""
    from app.speech.asr.checkpoint.catalogue import find_entry, load_catalogue
    from app.speech.asr.checkpoint.info import describe

    if model in load_catalogue() and not Path(model).exists():
        entry = find_entry(model)
        _print_json(entry.model_dump()) if as_json else _print(entry.lines())
        return
    described = describe(Path(model), _packs(packs_dir))
    _print_json(described.as_json()) if as_json else _print(described.lines())
    if described.coverage and not any(coverage.is_enough for coverage in described.coverage):
        raise typer.Exit(1)


def needs_nemo() -> None:
    """Says what to install where the `nemo` extra is absent, and keeps NeMo quiet where it is there.

    Raises:
        ConfigError: A package of it is missing.
    """
    missing = [name for name in ("torch", "nemo", "huggingface_hub") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"this needs {', '.join(missing)}: run `make setup-nemo`, or pip install '.[nemo]'")
    from app.speech.asr.nemo_log import quieten

    quieten()


def _serving(model_dir: Path, engine: str, languages: list[str]) -> list[str]:
    model = model_dir / "model.nemo" if engine == "nemo" else model_dir
    routes = json.dumps(dict.fromkeys(languages, str(model)))
    return [
        f"{model_dir} is ready for {', '.join(languages)}. To serve it:",
        f"  VAANISETU_ASR_ENGINE={engine} VAANISETU_ASR_MODEL={model}        for every call",
        f"  VAANISETU_ASR_ENGINE={engine} VAANISETU_ASR_MODELS='{routes}'    beside models of other languages",
    ]


@checkpoints.command()
def convert(
    source: Annotated[Path, typer.Argument(help="A .nemo checkpoint, of NeMo or of AI4Bharat's fork.")],
    target: Annotated[Path, typer.Argument(help="Receives the model directory, whole or not at all.")],
    language: Annotated[str, typer.Option(help="Which head to take from a checkpoint of many, such as hi.")] = "",
    look_ahead_ms: Annotated[
        int | None, typer.Option(help="Which look-ahead to serve; default: nearest to 80.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Kept in model.json.")] = None,
    packs_dir: PacksDir = None,
) -> None:
    """Convert a checkpoint into a model that an engine serves, and probe it."""
    needs_nemo()
    from app.speech.asr.checkpoint.archive import read_archive
    from app.speech.asr.checkpoint.convert import Origin
    from app.speech.asr.checkpoint.convert import convert as stage
    from app.speech.asr.checkpoint.coverage import written_packs
    from app.speech.asr.checkpoint.probe import probe

    archive = read_archive(source, with_shapes=False)
    packs = _packs(packs_dir)
    own = [pack for pack in packs if pack.tag.split("-")[0] == language]
    written = written_packs(archive, own or packs, language)
    tags = [pack.tag for pack in written]
    described = stage(
        source,
        target,
        Origin(tuple(tags), licence, source.name),
        language,
        look_ahead_ms,
        lambda made: _print_heard(probe(made, written)),
    )
    _print(_serving(target, described["engine"], tags))


def _print_heard(report: Any) -> None:
    for heard in report.heard:
        _print(
            [f"{heard.language}: said  {heard.said}", f"       heard {heard.heard or '(nothing)'}  {heard.speed:.0f}x"]
        )


@checkpoints.command()
def pull(
    name: Annotated[str | None, typer.Argument(help="A name of the catalogue; without one, the catalogue.")] = None,
    accept_licence: Annotated[bool, typer.Option("--accept-licence", help="Accept its licence unasked.")] = False,
    language: Annotated[str, typer.Option(help="Which head to take from a checkpoint of many, such as hi.")] = "",
    folder: Annotated[Path | None, typer.Option(help="Default: asr/ in the service's data folder.")] = None,
    packs_dir: PacksDir = None,
) -> None:
    """Fetch a public checkpoint, convert it and probe it; interrupted, the same command goes on."""
    from app.speech.asr.checkpoint.catalogue import find_entry, load_catalogue

    if name is None:
        for entry in load_catalogue().values():
            _print([f"{entry.name:<32} {', '.join(entry.languages):<20} {entry.megabytes:>5} MB  {entry.licence}"])
        return
    entry = find_entry(name)
    packs = _packs(packs_dir)
    needs_nemo()
    from app.speech.asr.checkpoint.info import read_model_json
    from app.speech.asr.checkpoint.pull import pull as stage

    _print(entry.lines())
    if not accept_licence and not typer.confirm(f"Do you accept {entry.licence} ({entry.licence_url})?"):
        raise ModelError(f"{name} was not fetched: its licence was not accepted")
    pulled = stage(entry, folder or settings_with().data_dir / "asr", packs, lambda line: _print([line]), language)
    _print_heard(pulled.probe)
    described = read_model_json(pulled.model_dir)
    _print([f"the checkpoint itself stays at {pulled.checkpoint}, to be fine-tuned"])
    _print(_serving(pulled.model_dir, described["engine"], described["languages"]))


@checkpoints.command()
def parity(
    model: Annotated[Path, typer.Argument(help="A model directory for the engine `onnx`.")],
    manifest: Annotated[Path, typer.Option(help="What to play: JSON lines, or what `asr standing` wrote.")],
    checkpoint: Annotated[
        Path | None, typer.Option(help="The .nemo it was exported from; default: the model's own model.nemo.")
    ] = None,
    streamed: Annotated[int, typer.Option(min=1, help="About how many utterances to stream through torch too.")] = 64,
    as_json: Json = False,
    packs_dir: PacksDir = None,
) -> None:
    """Measure what export and int8 cost: ONNX against torch, int8 against float32; status 1 where it is too much."""
    needs_nemo()
    from app.speech.asr.checkpoint.parity import measure
    from app.speech.asr.evaluation.material import read_items

    packs = {pack.tag: pack for pack in _packs(packs_dir)}
    items = read_items(manifest, {tag.split("-")[0] for tag in packs})
    found = measure(model, checkpoint or model / "model.nemo", items, packs, streamed)
    _print_json(found.as_json()) if as_json else _print(found.as_markdown().splitlines())
    if not found.is_kept:
        raise typer.Exit(1)


@checkpoints.command()
def finetune(
    base: Annotated[Path, typer.Option(help="The .nemo checkpoint to begin from.")],
    manifest: Annotated[Path, typer.Option(help="JSON lines: audio_filepath, text, lang; 16-bit mono WAV.")],
    out: Annotated[Path, typer.Option(help="Receives run/ (resumed if begun) and model/ (served).")],
    validation: Annotated[list[Path] | None, typer.Option(help="Manifest to measure on; may come again.")] = None,
    replay: Annotated[Path | None, typer.Option(help="Manifest or shards of what the base knew.")] = None,
    replay_share: Annotated[float, typer.Option(min=0.0, max=0.9, help="Part of every batch that is replayed.")] = 0.3,
    recipe: Annotated[Path | None, typer.Option(help="Rates, steps, augmentation; default: the one shipped.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps, instead of the recipe's.")] = None,
    extend_vocabulary: Annotated[bool, typer.Option("--extend-vocabulary", help="Add letters it lacks.")] = False,
    language: Annotated[str, typer.Option(help="Which head to take from a checkpoint of many, such as hi.")] = "",
) -> None:
    """Fine-tune a checkpoint on recordings; measured before and after, exported, ready to serve."""
    needs_nemo()
    from app.speech.asr.checkpoint.info import read_model_json
    from app.speech.asr.finetune.gather import RECIPE, Request
    from app.speech.asr.finetune.report import as_markdown
    from app.speech.asr.finetune.run import finetune as stage

    request = Request(
        base, manifest, out, tuple(validation or ()), replay, replay_share, recipe or RECIPE, steps, extend_vocabulary,
        language,
    )  # fmt: skip
    report = stage(request, lambda line: _print([line]))
    _print(as_markdown(report).splitlines())
    described = read_model_json(out / "model")
    _print(_serving(out / "model", described["engine"], described["languages"]))
