"""`vaanisetu nlu`: try sentences, train the intent model, measure understanding, and replay calls on a candidate."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from app.cli_settings import settings_with
from app.errors import ConfigError

nlu = typer.Typer(
    help="Understanding: try a sentence, train the intent model, measure it, replay calls.", no_args_is_help=True
)
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


@nlu.command()
def understand(
    sentences: Annotated[list[str], typer.Argument(help="What a caller might say.")],
    language: Annotated[str | None, typer.Option(help="The language spoken so far, such as hi-IN.")] = None,
    as_json: Json = False,
) -> None:
    """Show language, intent and entities of sentences."""
    from app.demo import tryout

    found = tryout.understand(settings_with(), sentences, language)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for row in found:
        line = f"{row['text']}: {row['intent']} [{row['confidence']:.2f}] {row['language']} {row['entities']}"
        console.print(line, markup=False)


@nlu.command()
def train() -> None:
    """Train the intent model from the packs now, rather than at the first start."""
    from app.demo import tryout

    console.print(tryout.train(settings_with()))


@nlu.command()
def evaluate(
    file: Annotated[
        list[Path] | None,
        typer.Argument(help="JSONL or TSV: text, language, intent, entities, form. None: the packs' tests."),
    ] = None,
    as_json: Json = False,
    report: Annotated[Path | None, typer.Option(help="Also write the figures as a Markdown page.")] = None,
) -> None:
    """Measure understanding: accuracy, F1, confusion, entities, calibration and latency.

    Rows that cannot be used are named with file, line and reason, and left out; then the status is 2.
    """
    from app.language.loader import PackRegistry
    from app.nlu.rows import pack_rows, read_rows
    from app.nlu.scoring import as_markdown, score
    from app.nlu.understander import Understander

    settings = settings_with()
    registry = PackRegistry.open(settings.packs_dir)
    understander = Understander(registry, settings.data_dir / "models")
    read = [read_rows(one, registry.tags, understander.intents) for one in file or ()]
    rows = [row for found, _ in read for row in found] if file else pack_rows(registry)
    bad = [fault for _, faults in read for fault in faults]
    if not rows:
        named = ", ".join(map(str, file or ()))
        raise ConfigError(f"{named}: no usable row" + "".join(f"\n{fault}" for fault in bad[:20]))
    figures = score(understander, registry.packs, rows)
    figures["bad_rows"] = [{"file": fault.file, "line": fault.line, "reason": fault.reason} for fault in bad]
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(as_markdown("Understanding", figures), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(figures, ensure_ascii=False, indent=2))
    else:
        _print(figures)
    for fault in bad:
        errors.print(str(fault), markup=False)
    if bad:
        raise typer.Exit(2)


@nlu.command()
def replay(
    file: Annotated[Path, typer.Argument(help="What callers said, JSONL or TSV: text, language, and intent if known.")],
    candidate: Annotated[Path, typer.Option(help="Folder of the candidate packs.", exists=True, file_okay=False)],
    allow: Annotated[float, typer.Option(min=0, max=1, help="Share of turns that may change for the worse.")] = 0.0,
    as_json: Json = False,
) -> None:
    """Replay transcripts against candidate packs before they go live; status 1 when too many turns change."""
    from app.language.loader import PackRegistry
    from app.nlu import replay as replays
    from app.nlu.rows import read_rows
    from app.nlu.understander import Understander

    settings = settings_with()
    models = settings.data_dir / "models"
    registry, proposed = PackRegistry.open(settings.packs_dir), PackRegistry.load(candidate)
    live, new = Understander(registry, models), Understander(proposed, models)
    tags = [tag for tag in registry.tags if tag in proposed.tags]
    rows, bad = read_rows(file, tags, {*live.intents, *new.intents}, labelled=False)
    if bad or not rows:
        raise ConfigError("\n".join(str(fault) for fault in bad[:20]) or f"{file}: no row")
    report = replays.replay(rows, live, new, tags, allow)
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        for change in report["changes"]:
            line = (
                f"{change['turn']}: {change['text']}: {change['live']} -> {change['candidate']} ({change['verdict']})"
            )
            console.print(line, markup=False)
        verdict = "passed" if report["passed"] else "failed"
        console.print(f"{verdict}: {report['worse']} of {report['turns']} turns change for the worse")
    if not report["passed"]:
        raise typer.Exit(1)


def _print(figures: dict[str, Any]) -> None:
    latency, calibration = figures["latency_ms"], figures["calibration"]
    console.print(f"{figures['rows']} rows: intent accuracy {figures['intent_accuracy']:.1%}")
    if figures["out_of_scope_false_accepts"] is not None:
        console.print(f"out of scope, wrongly accepted: {figures['out_of_scope_false_accepts']:.1%}")
    for key, title in (
        ("intent_accuracy_by_form", "by language and form"),
        ("language_accuracy", "language recognised, no state given"),
    ):
        if figures[key]:
            console.print(f"{title}: " + ", ".join(f"{name} {value:.1%}" for name, value in figures[key].items()))
    worst = sorted(figures["per_intent"].items(), key=lambda item: item[1]["f1"])[:8]
    console.print("weakest intents: " + ", ".join(f"{name} F1 {row['f1']:.2f}" for name, row in worst))
    for row in figures["confusion"][:8]:
        console.print(f"  {row['wanted']} taken for {row['got']}: {row['count']}")
    for kind, row in figures["entities"].items():
        console.print(
            f"entity {kind}: precision {row['precision']:.2f}, recall {row['recall']:.2f}, {row['rows']} rows"
        )
    console.print(
        f"calibration error {calibration['expected_error']:.3f}; "
        f"{latency['p50']:.1f} ms median, {latency['p95']:.1f} ms p95"
    )
