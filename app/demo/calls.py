"""Behind `vaanisetu call`: which server to ring and how, and the report of the calls."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from app.config import Settings
from app.demo.seed import DemoTenant
from app.demo.stack import target_of
from app.errors import ConfigError
from app.simulate import report
from app.simulate.exchange import SimulatedPlivo
from app.simulate.readback import Readback
from app.simulate.ringing import Target, renumbered, ring_all, voiced
from app.simulate.scenario import find, load, shipped_names
from app.simulate.verdict import CallReport
from app.simulate.voices import Script

as_json = report.as_json


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; None: taken from the running demo."""

    url: str | None = None
    to: str | None = None
    auth_id: str | None = None
    auth_token: str | None = None
    api_key: str | None = None
    graph_url: str | None = None
    concurrency: int = 1
    repeat: int = 1
    carrier_port: int = 0
    save: Path | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """A server, and the keys to ring it and to read what it stored."""

    target: Target
    auth_token: str
    api_key: str | None
    graph_url: str | None


def reach(options: Options, demo: DemoTenant | None) -> Reach:
    """Returns the server that is meant.

    Raises:
        ConfigError: Neither options nor a running demo say enough.
    """
    if options.url is None and demo is not None:
        target = target_of(demo)
        if options.to is not None:
            target = Target(target.url, options.to, target.auth_id)
        return Reach(target, demo.auth_token, options.api_key or demo.api_key, options.graph_url or demo.graph_url)
    missing = [name for name in ("url", "to", "auth_id", "auth_token") if getattr(options, name) is None]
    if missing:
        flags = ", ".join("--" + name.replace("_", "-") for name in missing)
        raise ConfigError(f"which server? Give {flags}, or start `vaanisetu run` in another terminal")
    target = Target(str(options.url), str(options.to), str(options.auth_id))
    return Reach(target, str(options.auth_token), options.api_key, options.graph_url)


def scripts_of(names: Sequence[str], repeat: int = 1) -> list[Script]:
    """Returns the voiced scripts of scenarios, each repeated from as many telephone numbers.

    Raises:
        ConfigError: A scenario is unknown or wrong.
    """
    paths = [find(name) for name in names]
    scripts = voiced([(load(path), path.parent) for path in paths])
    return [renumbered(script, 100 * round_) if round_ else script for round_ in range(repeat) for script in scripts]


async def make(settings: Settings, names: Sequence[str], options: Options, console: Console | None) -> list[CallReport]:
    """Makes the calls; shows them on `console` as they end, if there is one.

    Raises:
        ConfigError: The server is unknown, does not answer, or a scenario is wrong.
    """
    there = reach(options, DemoTenant.read(settings.data_dir))
    scripts = scripts_of(names, options.repeat)
    async with AsyncExitStack() as exits:
        accounts = {there.target.auth_id: there.auth_token}
        plivo = await exits.enter_async_context(SimulatedPlivo(accounts, port=options.carrier_port))
        readback = None
        if there.api_key is not None:
            readback = await exits.enter_async_context(Readback(there.target.url, there.api_key, there.graph_url))
        elif console is not None:
            console.print("no --api-key: only what the callers hear is checked, not what the server stored")

        def show(done: CallReport) -> None:
            if console is not None:
                report.show_report(console, done)

        reports = await ring_all(
            scripts, there.target, plivo, readback, concurrency=options.concurrency, on_report=show
        )
        if options.save is not None:
            report.save_audio(options.save, reports, plivo)
    if console is not None:
        console.print(report.latency_table(reports))
    return reports


def shipped_table() -> Table:
    """Returns the shipped scenarios with their summaries."""
    table = Table("scenario", "language", "what happens", title="Scenarios: vaanisetu call NAME, or a file of your own")
    for name in shipped_names():
        scenario = load(find(name))
        table.add_row(name, scenario.language, scenario.summary)
    return table
