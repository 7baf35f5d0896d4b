"""`vaanisetu packs`: start, check, measure, approve and reload language packs."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app.cli_settings import settings_with
from app.errors import ConfigError

if TYPE_CHECKING:
    from app.languages.pack_tests import PackTestReport
    from app.nlu.evaluation import Accuracy

packs = typer.Typer(help="Language packs: one folder per language under lang_packs/.", no_args_is_help=True)
console = Console(highlight=False)

_SHOWN = 60

PacksDir = Annotated[Path | None, typer.Option(help="The folder of the packs (VAANISETU_PACKS_DIR).")]
Tags = Annotated[list[str] | None, typer.Argument(help="Packs such as hi-IN; all when none is given.")]


@packs.command("validate")
@packs.command("check", hidden=True)
def validate(
    tags: Tags = None,
    packs_dir: PacksDir = None,
    show_all: Annotated[bool, typer.Option("--all", help=f"Print more than {_SHOWN} findings of a pack.")] = False,
) -> None:
    """Check packs against the contract, each finding with file and line, and grade how well intents are covered.

    A warning is a doubt for a person to look at; a fault keeps the pack from loading, and the status is 1.
    """
    from app.language.loader import validate_pack

    reports = [validate_pack(folder) for folder in _folders(packs_dir, tags)]
    table = Table("pack", "grade", "coverage", "examples", "tests", "faults", "warnings")
    for report in reports:
        faults, found = len(report.faults), len(report.problems)
        counts = (f"{report.coverage:.0%}", str(report.examples), str(report.tests), str(faults), str(found - faults))
        table.add_row(report.tag, report.grade, *counts)
    console.print(table)
    for report in reports:
        shown = report.problems if show_all else report.problems[:_SHOWN]
        for problem in shown:
            label, style = ("warning: ", "yellow") if problem.warning else ("", "red")
            console.print(f"{label}{report.tag}/{problem}", style=style, markup=False, soft_wrap=True)
        if len(shown) < len(report.problems):
            console.print(f"{report.tag}: and {len(report.problems) - len(shown)} more; --all prints them")
    if any(report.faults for report in reports):
        raise typer.Exit(1)


@packs.command("new")
def new(
    tag: Annotated[str, typer.Argument(help="BCP-47 tag with a region, such as kn-IN.")],
    packs_dir: PacksDir = None,
) -> None:
    """Start a pack: a folder with every file, guidance, and TODO wherever only a speaker of the language can know.

    Names, script, months, weekdays, digits and numbers are filled in where they are known.
    """
    from app.language.contract import load_contract
    from app.language.loader import PackRegistry
    from app.language.scaffold import scaffold

    root = settings_with(packs_dir=packs_dir).packs_dir
    folder = scaffold(root, tag, load_contract(root), PackRegistry.open(root).packs)
    console.print(f"{folder}: write every TODO, then `vaanisetu packs validate {tag}`", markup=False)


@packs.command("test")
def test(
    tags: Tags = None,
    packs_dir: PacksDir = None,
    show_all: Annotated[bool, typer.Option("--all", help=f"Print more than {_SHOWN} misses of a pack.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Run packs' tests through the real understander and speech formats: pass rates by form and intent, and values.

    Status 1: some rate is below what lang_packs/contract.yaml asks.
    """
    from app.language.loader import PackRegistry
    from app.languages.pack_tests import run_pack_tests
    from app.nlu.understander import Understander

    settings = settings_with(packs_dir=packs_dir)
    registry = PackRegistry.open(settings.packs_dir)
    understander = Understander(registry, settings.data_dir / "models")
    wanted = [folder.name for folder in _folders(packs_dir, tags)]
    reports = run_pack_tests(settings.packs_dir, registry, understander, wanted)
    if as_json:
        typer.echo(json.dumps([_as_json(report) for report in reports], ensure_ascii=False, indent=2))
    else:
        for report in reports:
            _print_tests(report, None if show_all else _SHOWN)
    if any(report.below for report in reports):
        raise typer.Exit(1)


def _print_tests(report: "PackTestReport", most: int | None) -> None:
    forms = Table(report.tag, "right", "of", "rate")
    rows = [*report.forms.items(), ("values heard", report.heard), ("values said", report.said)]
    weakest = sorted(report.intents.items(), key=lambda item: (item[1].share, item[0]))
    for name, accuracy in rows + [item for item in weakest if item[1].share < 1.0]:
        forms.add_row(name, str(accuracy.right), str(accuracy.total), f"{accuracy.share:.1%}")
    console.print(forms)
    lines = [f"{c.wanted} taken for {c.got}: {c.text!r} ({c.form})" for c in report.confusions]
    lines += [f"line {m.line}: {m.kind} {m.what!r}: {m.got!r}, not {m.wanted!r}" for m in report.misses]
    for line in lines[:most]:
        console.print(f"{report.tag}: {line}", style="yellow", markup=False, soft_wrap=True)
    if most is not None and len(lines) > most:
        console.print(f"{report.tag}: and {len(lines) - most} more; --all prints them")
    for line in report.below:
        console.print(f"{report.tag}: below the floor: {line}", style="red", markup=False)


def _as_json(report: "PackTestReport") -> dict[str, Any]:
    def shares(rates: "Mapping[str, Accuracy]") -> dict[str, float]:
        return {name: round(accuracy.share, 4) for name, accuracy in rates.items()}

    return {
        "pack": report.tag,
        "forms": shares(report.forms),
        "intents": shares(report.intents),
        "values": shares({"heard": report.heard, "said": report.said}),
        "confusions": [asdict(confusion) for confusion in report.confusions],
        "misses": [asdict(miss) for miss in report.misses],
        "below": list(report.below),
    }


@packs.command("reload")
def reload(
    url: Annotated[str | None, typer.Option(help="The server's address (default: VAANISETU_PUBLIC_URL).")] = None,
) -> None:
    """Let a running service read the packs again, in all its processes; needs VAANISETU_OPERATOR_KEY.

    Status 1: some folder was rejected; what served before goes on serving. `kill -HUP` of the server does the same.
    """
    import httpx

    settings = settings_with()
    address = f"{(url or settings.public_url).rstrip('/')}/v1/languages/reload"
    key = settings.operator_key.get_secret_value()
    try:
        answer = httpx.post(address, headers={"Authorization": f"Bearer {key}"}, timeout=60)
    except httpx.HTTPError as error:
        raise ConfigError(f"{address} does not answer: {error}") from error
    body = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    if not answer.is_success:
        raise ConfigError(f"{address}: {answer.status_code} {body.get('detail', '')}")
    for tag, version in body["taken"].items():
        console.print(f"{tag}: version {version} serves new calls once its model is trained", markup=False)
    for rejected in body["rejected"]:
        for problem in rejected["problems"]:
            place = f"{rejected['tag']}/{problem['file']}" + (f":{problem['line']}" if problem["line"] else "")
            console.print(f"{place}: {problem['key']}: {problem['reason']}", style="red", markup=False, soft_wrap=True)
    console.print(f"unchanged: {', '.join(body['unchanged']) or 'none'}", markup=False)
    if body["rejected"]:
        raise typer.Exit(1)


@packs.command("approve")
def approve(
    tag: Annotated[str, typer.Argument(help="The pack, such as hi-IN.")],
    by: Annotated[str, typer.Option(help="Who has read the text and answers for it.")],
    key: Annotated[list[str] | None, typer.Option(help="Only these disclosures; default: all.")] = None,
    packs_dir: PacksDir = None,
) -> None:
    """Approve a pack's disclosures as they stand: keep who, when and the hash of each text."""
    from app.kit.clock import SystemClock
    from app.language.approval import approve as bind
    from app.language.source import read_yaml

    folder = _folders(packs_dir, [tag])[0]
    keys = key or list(read_yaml(folder / "disclosures.yaml", f"{tag}/disclosures.yaml"))
    for approved in bind(folder, by, SystemClock().now().date().isoformat(), keys):
        console.print(f"approved: {approved}", markup=False)


def _folders(packs_dir: Path | None, tags: list[str] | None) -> list[Path]:
    """Returns the folders of the named packs, or of all.

    Raises:
        ConfigError: There is none, or one that was named is not there.
    """
    root = settings_with(packs_dir=packs_dir).packs_dir
    found = {path.parent.name: path.parent for path in sorted(root.glob("*/manifest.yaml"))}
    missing = [tag for tag in tags or () if tag not in found]
    if missing:
        raise ConfigError(f"{root / missing[0]}: no language pack; `vaanisetu packs new {missing[0]}` starts one")
    if not found:
        raise ConfigError(f"{root}: no language pack; add a folder with a manifest.yaml")
    return [found[tag] for tag in tags] if tags else list(found.values())
