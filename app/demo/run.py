"""Behind `vaanisetu run`: starts everything with visible progress, rings, shows what happened, stays up."""

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from app.config import Settings
from app.demo.calls import scripts_of
from app.demo.stack import DemoStack, Part
from app.demo.watch import CallWatch
from app.simulate import report
from app.simulate.ringing import ring
from app.simulate.verdict import CallReport

DEMO_SCENARIOS: Final = [
    "order-status-hindi",
    "order-status-tamil",
    "order-status-telugu",
    "order-status-english",
    "code-switched-hindi-english",
]
_WATCH_SECONDS: Final = 1.0


async def demonstrate(
    settings: Settings,
    console: Console,
    *,
    scenarios: Sequence[str] = tuple(DEMO_SCENARIOS),
    port: int = 8080,
    once: bool = False,
    json_path: Path | None = None,
) -> bool:
    """Runs the demonstration.

    Args:
        settings: Where data goes.
        console: Where everything is shown.
        scenarios: Who rings, one after the other.
        port: The API's port, if it is free.
        once: End after the calls instead of staying up.
        json_path: Where the result of the calls is written too.

    Returns:
        Whether every call reached its goal.

    Raises:
        ConfigError: Something did not start.
    """
    began = time.monotonic()
    scripts = await asyncio.to_thread(scripts_of, scenarios)

    def up(part: Part) -> None:
        line = Text(f"{time.monotonic() - began:6.1f} s  ", style="dim")
        console.print(line.append("up  ", style="bold green").append(f"{part.name}  ").append(part.where, style="dim"))

    console.rule("Starting")
    with console.status("starting; the first time the intent model is trained, which takes some seconds"):
        stack = DemoStack(settings, port=port, tell=up)
        await stack.__aenter__()
    try:
        reports: list[CallReport] = []
        async with stack.readback() as readback:
            for number, script in enumerate(scripts, start=1):
                scenario = script.scenario
                console.rule(f"Call {number} of {len(scripts)}: {scenario.summary}")
                console.print(Text(f"{scenario.from_number} rings {stack.target.number_for(scenario)}", style="dim"))
                async with CallWatch(readback, console) as watch:
                    done = await ring(script, stack.target, stack.plivo, readback, on_call=watch.follow)
                reports.append(done)
                watch.finish(done)
        _conclude(console, reports, json_path)
        reached = all(done.ok for done in reports)
        if not once:
            await _stay_up(stack, console)
        return reached
    finally:
        with console.status("stopping"):
            await stack.__aexit__(None, None, None)


def _conclude(console: Console, reports: Sequence[CallReport], json_path: Path | None) -> None:
    console.rule("Result")
    console.print(report.latency_table(reports))
    for done in reports:
        console.print(report.verdict_text(done))
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(report.as_json(reports), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


async def _stay_up(stack: DemoStack, console: Console) -> None:
    number = next(iter(stack.tenant.numbers.values()))
    lines = [
        f"API documentation   {stack.url}/docs",
        f"The caller's phone  {stack.tenant.graph_url}/_phone/919876500001 (in a browser: read and write there)",
        f"The inbox           {stack.url}/console",
        f"  company           {stack.tenant.tenant_id}",
        f"  e-mail, password  {stack.tenant.email}  {stack.tenant.password}",
        f"Key of the tenant   {stack.tenant.api_key}",
        f"Operator's key      {stack.operator_key}",
        f"Ring again          vaanisetu call barge-in    (--list shows all scenarios; any of them rings {number})",
        f"Logs                {stack.server.log.parent}",
        "Stop                Ctrl-C",
    ]
    console.print(Panel("\n".join(lines), title="Everything is up", expand=False))
    while True:
        await asyncio.sleep(_WATCH_SECONDS)
        stack.server.require_alive()
        if stack.worker is not None:
            stack.worker.require_alive()
