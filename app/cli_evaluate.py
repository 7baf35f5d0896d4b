"""`vaanisetu asr evaluate` and `standing`: measure a recogniser on recordings, or on the standing sets."""

import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.config import Settings
from app.errors import ConfigError, ModelError
from app.language.loader import PackRegistry
from app.speech.asr.engine import AsrEngine, Bias
from app.speech.asr.evaluation.listening import Turn
from app.speech.asr.evaluation.material import Item
from app.speech.asr.evaluation.report import Report

evaluation = typer.Typer()
console = Console(highlight=False, soft_wrap=True)
RECIPE = Path(__file__).parent / "speech" / "asr" / "training" / "recipe.yaml"

Recipe = Annotated[Path, typer.Option(help="Training recipe: voices, held-out shares, word lists.", exists=True)]
PacksDir = Annotated[Path | None, typer.Option("--packs-dir", help="Language packs; default: the service's.")]
HeldOut = Annotated[
    bool, typer.Option("--held-out-ngrams", help="Count the n-grams anew, without the held-out sentences and words.")
]
PerSet = Annotated[int, typer.Option(min=1, help="Utterances per language and set of the standing sets.")]


@evaluation.command()
def standing(
    out: Annotated[Path, typer.Argument(help="Folder for the recordings and manifest.jsonl.")],
    per_set: PerSet = 40,
    recipe: Recipe = RECIPE,
    packs_dir: PacksDir = None,
) -> None:
    """Render the standing evaluation sets: held-out voices, sentences, words, digits, code-switching, vocabularies."""
    from app.speech.asr.evaluation import standing as stage

    manifest = stage.render(out, recipe, packs_dir or Settings().packs_dir, per_set)
    console.print(str(manifest), markup=False)


@evaluation.command()
def evaluate(
    manifest: Annotated[Path | None, typer.Option(help="JSON lines: audio_filepath, duration, text, lang.")] = None,
    standing_sets: Annotated[bool, typer.Option("--standing", help="Render the standing sets and take those.")] = False,
    engine: Annotated[str | None, typer.Option(help="onnx or nemo; default: the one that calls use.")] = None,
    model: Annotated[Path | None, typer.Option(help="A served model; default: the one that calls use.")] = None,
    condition: Annotated[list[str] | None, typer.Option(help="clean, telephone; default: both, or clean.")] = None,
    greedy: Annotated[bool, typer.Option(help="Decode greedily.")] = False,
    ngrams: Annotated[Path | None, typer.Option(help="Other n-grams than the model's own.", exists=True)] = None,
    held_out_ngrams: HeldOut = False,
    bias: Annotated[bool, typer.Option(help="Tell the decoder what a dialogue would: awaited digits ...")] = False,
    vocabulary: Annotated[Path | None, typer.Option(help="Words to lean towards, one phrase a line.")] = None,
    endpoints: Annotated[bool, typer.Option(help="Also measure where a call would end the turn.")] = True,
    per_set: PerSet = 40,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of Markdown.")] = False,
    markdown: Annotated[Path | None, typer.Option(help="Also write the Markdown here.")] = None,
    save: Annotated[Path | None, typer.Option(help="Also write the JSON here, for --against.")] = None,
    against: Annotated[Path | None, typer.Option(help="A saved report to compare with.")] = None,
    show: Annotated[int, typer.Option(help="Print that many misheard utterances.")] = 0,
    recipe: Recipe = RECIPE,
    packs_dir: PacksDir = None,
) -> None:
    """Measure a recogniser through the streaming engine, as calls use it, with 95 % intervals."""
    from app.speech.asr.evaluation import report as reports
    from app.speech.asr.evaluation.material import read_items
    from app.speech.asr.evaluation.run import CONDITIONS, write_whole
    from app.speech.asr.evaluation.run import evaluate as run

    if (manifest is None) == (not standing_sets):
        raise ConfigError("give either --manifest or --standing")
    conditions = condition or (["clean"] if standing_sets else list(CONDITIONS))
    _check_options(conditions, (markdown, save))
    earlier = reports.read_report(against) if against is not None else None
    packs = PackRegistry.load(packs_dir or Settings().packs_dir)
    with ExitStack() as stack:
        if manifest is None:
            manifest = _render(stack, recipe, packs_dir, per_set)
        items = read_items(manifest, {tag.split("-")[0] for tag in packs.tags})
        if earlier is not None:
            reports.check_shared(earlier, [item.name for item in items])
        if held_out_ngrams:
            ngrams = _held_out_ngrams(stack, recipe, model, packs_dir)
        biases = _biases(packs, vocabulary) if bias or vocabulary else lambda item: None
        loaded, about = _engine(engine, model, greedy, ngrams)
        about["material"] = "standing sets, rendered down a drawn telephone line" if standing_sets else str(manifest)
        about["bias"] = "on" if bias or vocabulary else "off"
        with console.status("listening ...") as status:
            report = run(
                loaded,
                items,
                {tag: packs.get(tag) for tag in packs.tags},
                about,
                conditions=conditions,
                open_turn=_turns(packs) if endpoints else None,
                bias_of=biases,
                progress=lambda done, total: status.update(f"{done} of {total}"),
            )
    text = _markdown(report, earlier, standing_sets)
    if markdown is not None:
        write_whole(markdown, text)
    if save is not None:
        write_whole(save, reports.to_json(report))
    console.print(reports.to_json(report, earlier) if as_json else text, markup=False)
    if show and not as_json:
        _show(report, show)


def _check_options(conditions: list[str], outputs: tuple[Path | None, ...]) -> None:
    """Refuses what would fail only after everything was played."""
    from app.speech.asr.evaluation.run import CONDITIONS

    unknown = [condition for condition in conditions if condition not in CONDITIONS]
    if unknown:
        raise ConfigError(f"no condition {unknown[0]!r}; there are {', '.join(CONDITIONS)}")
    for path in outputs:
        if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
            raise ConfigError(f"{path} cannot be written: give a file in a folder that exists")


@evaluation.command()
def decoders(
    manifest: Annotated[Path, typer.Argument(help="What `standing` wrote: manifest.jsonl.", exists=True)],
    model: Annotated[Path | None, typer.Option(help="A served model; default: the one that calls use.")] = None,
    ngrams: Annotated[Path | None, typer.Option(help="Other n-grams than the model's own.", exists=True)] = None,
    held_out_ngrams: HeldOut = False,
    markdown: Annotated[Path | None, typer.Option(help="Also write the Markdown here.")] = None,
    recipe: Recipe = RECIPE,
    packs_dir: PacksDir = None,
) -> None:
    """Measure what beam search, n-grams and hot words bring, on words that the decoder was not tuned on."""
    from app.calls.hearing import bias_for, packs_of
    from app.dialogue.turn import Expectation
    from app.speech.asr.evaluation import decoders as stage
    from app.speech.asr.evaluation.material import read_items
    from app.speech.asr.evaluation.run import write_whole
    from app.speech.asr.evaluation.standing import vocabulary
    from app.speech.asr.onnx_engine import STARTER_MODEL_DIR

    packs = PackRegistry.load(packs_dir or Settings().packs_dir)
    _check_options([], (markdown,))
    items = stage.measured(read_items(manifest, {tag.split("-")[0] for tag in packs.tags}))
    if not items:
        raise ModelError(f"{manifest} holds none of the sets {', '.join(stage.KINDS)}; make it with `asr standing`")

    def bias_of(item: Item) -> Bias:
        own = [tag for tag in packs.tags if tag.split("-")[0] == item.language]
        digits = item.bias.digits if item.bias is not None else None
        expectation = Expectation.OPEN if digits is None else Expectation.DIGITS
        return bias_for(expectation, digits, packs_of(own, packs.packs), tuple(vocabulary(item.language)))

    with ExitStack() as stack:
        if held_out_ngrams:
            ngrams = _held_out_ngrams(stack, recipe, model, packs_dir)
        compared = stage.ways(model or Settings().asr_model or STARTER_MODEL_DIR, ngrams)
        text = stage.to_markdown(stage.compare(compared, items, {pack.tag: pack for pack in packs.packs}, bias_of))
    if markdown is not None:
        write_whole(markdown, text)
    console.print(text, markup=False)


def _markdown(report: Report, earlier: Report | None, standing_sets: bool) -> str:
    from app.speech.asr.evaluation.gates import gates, gates_markdown
    from app.speech.asr.evaluation.report import compared_markdown, differences, to_markdown

    parts = []
    if standing_sets:
        parts.append(gates_markdown(gates(report.estimates(report.conditions()[0]))) + "\n")
    parts.append(to_markdown(report))
    if earlier is not None:
        parts.append(compared_markdown(differences(report, earlier)))
    return "\n".join(parts)


def _render(stack: ExitStack, recipe: Path, packs_dir: Path | None, per_set: int) -> Path:
    from app.speech.asr.evaluation import standing as stage

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vaanisetu-standing-")))
    return stage.render(folder, recipe, packs_dir or Settings().packs_dir, per_set)


def _held_out_ngrams(stack: ExitStack, recipe: Path, model: Path | None, packs_dir: Path | None) -> Path:
    """Counts the recipe's n-grams without what is held out, over the model's own pieces."""
    from app.speech.asr.onnx_engine import STARTER_MODEL_DIR
    from app.speech.asr.training import ngrams

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vaanisetu-ngrams-")))
    tokenizer = (model or Settings().asr_model or STARTER_MODEL_DIR) / "tokenizer.model"
    if not tokenizer.is_file():
        raise ModelError(f"{tokenizer} is missing: n-grams are counted over a model directory's tokenizer")
    ngrams.main(recipe, tokenizer, folder / "ngrams.model", packs_dir or Settings().packs_dir)
    return folder / "ngrams.model"


def _engine(
    name: str | None, model: Path | None, greedy: bool, ngrams: Path | None
) -> tuple[AsrEngine, dict[str, str]]:
    """Loads the engine that calls use, or the one asked for, and says what it is."""
    from app.speech.asr.choice import load_engine
    from app.speech.asr.onnx_engine import STARTER_MODEL_DIR, OnnxAsrEngine

    settings = Settings()
    chosen, where = name or settings.asr_engine, model or settings.asr_model
    about = {"engine": chosen, "model": str(where or STARTER_MODEL_DIR.name), "decoder": "greedy" if greedy else "own"}
    if ngrams is not None:
        about["n-grams"] = "held-out sentences left out" if "vaanisetu-ngrams-" in str(ngrams) else str(ngrams)
    if not greedy and ngrams is None:
        return load_engine(chosen, where), about
    if chosen != "onnx":
        raise ConfigError("--greedy and --ngrams are for the engine `onnx`")
    return OnnxAsrEngine(where or STARTER_MODEL_DIR, greedy=greedy, ngrams=ngrams), about


def _turns(packs: PackRegistry) -> Callable[[Bias | None], Turn]:
    from app.calls.endpointing import TurnFollower, patience_by_understanding
    from app.nlu.understander import Understander
    from app.speech.vad import SileroVad

    with redirect_stdout(sys.stderr):  # training logs a line, and standard output may be JSON
        vad, understander = SileroVad(), Understander(packs, Settings().data_dir / "models")
    return lambda bias: TurnFollower(vad, patience_by_understanding(understander, packs.tags, bias))


def _biases(packs: PackRegistry, vocabulary: Path | None) -> Callable[[Item], Bias | None]:
    from app.calls.hearing import numerals, packs_of
    from app.speech.asr.evaluation.run import with_vocabulary

    phrases: tuple[str, ...] = ()
    if vocabulary is not None:
        try:
            phrases = tuple(
                line.strip() for line in vocabulary.read_text(encoding="utf-8").splitlines() if line.strip()
            )
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{vocabulary} cannot be read ({error}); write one phrase a line, UTF-8") from error

    def of(item: Item) -> Bias | None:
        own = [tag for tag in packs.tags if tag.split("-")[0] == item.language]
        return with_vocabulary(item, phrases, numerals(packs_of(own, packs.packs)))

    return of


def _show(report: Report, count: int) -> None:
    wrong = [result for result in report.results if not result.counts.get("utterances_right", (1.0, 1.0))[0]]
    for result in wrong[:count]:
        console.print(
            f"{result.condition} {result.pair} {result.kind}: {result.text!r} -> {result.heard!r}", markup=False
        )
