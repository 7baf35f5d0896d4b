"""`vaanisetu asr`: try the recogniser, and make, train, export and measure another."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.cli_checkpoints import checkpoints, needs_nemo
from app.cli_evaluate import evaluation

asr = typer.Typer(
    help="Speech recognition: try it on recordings, or make speech, train, export and measure a model (docs/asr.md).",
    no_args_is_help=True,
)
asr.add_typer(checkpoints)
asr.add_typer(evaluation)
console = Console(highlight=False)
TRAINING = Path(__file__).parent / "speech" / "asr" / "training"

Recipe = Annotated[Path, typer.Option(help="The recipe: text, voices, network, schedule.", exists=True)]
Packs = Annotated[Path | None, typer.Option(help="Language packs whose sentences join the text.")]
DEFAULT_RECIPE = TRAINING / "recipe.yaml"


@asr.command()
def synth(
    out: Annotated[Path, typer.Argument(help="Folder for the shards.")],
    shards: Annotated[int, typer.Option(min=1, help="How many to make.")] = 8,
    first: Annotated[int, typer.Option(min=0, help="Number of the first; the number seeds everything.")] = 0,
    processes: Annotated[int, typer.Option(min=1)] = 2,
    recipe: Recipe = DEFAULT_RECIPE,
    packs_dir: Packs = None,
) -> None:
    """Make training speech: sentences voiced by espeak-ng, sent down a drawn telephone line, with word times."""
    from app.speech.asr.training import synth as stage

    stage.main(recipe, out, shards, first, packs_dir, processes)


@asr.command()
def tokenizer(
    out: Annotated[Path, typer.Argument(help="Folder for the tokenizer.")],
    recipe: Recipe = DEFAULT_RECIPE,
    packs_dir: Packs = None,
) -> None:
    """Train the tokenizer on drawn text."""
    from app.speech.asr.training import tokenizer as stage

    console.print(str(stage.main(recipe, out, packs_dir)))


@asr.command()
def train(
    data: Annotated[Path, typer.Argument(help="Shards that `synth` made.", exists=True)],
    tokenizer_dir: Annotated[Path, typer.Argument(help="What `tokenizer` made.", exists=True)],
    run_dir: Annotated[Path, typer.Argument(help="Receives checkpoints and the learning curve; resumed if begun.")],
    minutes: Annotated[float, typer.Option(min=1, help="Training time in all, over which the rate falls.")] = 60.0,
    recipe: Recipe = DEFAULT_RECIPE,
) -> None:
    """Train a NeMo model; interrupt it when you like and run it again to go on."""
    needs_nemo()
    from app.speech.asr.training import train as stage

    stage.main(recipe, data, tokenizer_dir, run_dir, minutes)


@asr.command()
def export(
    run_dir: Annotated[Path, typer.Argument(help="A training run with model.nemo.", exists=True)],
    model_dir: Annotated[Path, typer.Argument(help="Receives the served model.")],
    recipe: Recipe = DEFAULT_RECIPE,
    packs_dir: Packs = None,
) -> None:
    """Export a trained model for serving: int8 ONNX, tokenizer, n-grams; point VAANISETU_ASR_MODEL at it."""
    needs_nemo()
    from app.speech.asr.training import export as stage
    from app.speech.asr.training import ngrams

    stage.main(recipe, run_dir, model_dir)
    kept = ngrams.main(recipe, model_dir / "tokenizer.model", model_dir / "ngrams.model", packs_dir, hold_out=False)
    console.print(f"{model_dir}: {kept} n-grams")
