"""The benchmark behind `make bench`: simultaneous simulated calls against the served house, into build/bench.json.

Nothing is stubbed: real audio through the carrier's protocol, real recognition, understanding, look-ups over HTTP and
synthesis. Latencies are measured where the caller is, in this process, apart from the service's own.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.config import Settings
from app.demo.calls import scripts_of
from app.demo.gauge import frame_cpu_ms, memory_mb
from app.demo.stack import DemoStack
from app.errors import AppError
from app.simulate.readback import Readback
from app.simulate.report import barge_in_times, reply_times, summary
from app.simulate.ringing import renumbered, ring_all
from app.simulate.verdict import CallReport

REPLY_SCENARIOS = [
    "order-status-hindi",
    "order-status-tamil",
    "order-status-telugu",
    "order-status-english",
    "code-switched-hindi-english",
]
WARM_UP = ["order-status-english"]
BARGE_IN = ["barge-in"]


async def measure(stack: DemoStack, calls: int, rounds: int) -> dict[str, Any]:
    """Rings and measures; one call warms up first."""
    target, plivo = stack.target, stack.plivo
    async with stack.readback() as readback:
        say("warming up with one call")
        await ring_all([renumbered(script, 7_000) for script in scripts_of(WARM_UP)], target, plivo, readback)
        replies: list[CallReport] = []
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}: {calls} simultaneous calls")
            scripts = scripts_of(REPLY_SCENARIOS, -(-calls // len(REPLY_SCENARIOS)))[:calls]
            scripts = [renumbered(script, 10_000 * (number + 1)) for script in scripts]
            replies += await ring_all(scripts, target, plivo, readback, concurrency=calls)
        say(f"{calls} simultaneous interruptions")
        scripts = [renumbered(script, 50_000) for script in scripts_of(BARGE_IN, calls)]
        interruptions = await ring_all(scripts, target, plivo, readback, concurrency=calls)
        memory = memory_mb(stack.server)
        say("silent callers")
        cost = await frame_cpu_ms(stack.server, plivo, target, calls=2 * calls)
        stages = await stages_ms(readback, replies)
    every = [*replies, *interruptions]
    return {
        "calls": calls,
        "reply_ms": summary(reply_times(replies), (50, 95, 99)),
        "barge_in_ms": summary(barge_in_times(interruptions), (50, 95)),
        "frame_cpu_ms": cost,
        "rss_mb": round(sum(memory.values()), 1),
        "stages_ms": stages,
        "details": {
            "rss_mb": memory,
            "replies": len(reply_times(replies)),
            "interruptions": len(barge_in_times(interruptions)),
            "goals_reached": f"{sum(report.ok for report in every)} of {len(every)}",
            "missed": {
                f"{report.scenario} {report.call_id}": [
                    *report.outcome.complaints,
                    *(f"{check.name}: {check.found}" for check in report.checks if not check.ok),
                ]
                for report in every
                if not report.ok
            },
            "machine": {"cores": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()},
        },
    }


async def stages_ms(readback: Readback, reports: Sequence[CallReport]) -> dict[str, dict[str, float | None]]:
    """Returns p50 and p95 of every stage that the server recorded in these calls."""
    found: Mapping[str, list[float]] = defaultdict(list)
    for report in reports:
        if report.call_id is None:
            continue
        for event in await readback.events(report.call_id):
            for name, value in event["data"].get("stages_ms", {}).items():
                found[name].append(float(value))
    return {name: summary(values, (50, 95)) for name, values in found.items()}


def say(text: str) -> None:
    """Shows progress."""
    print(text, file=sys.stderr, flush=True)


async def bench(calls: int, rounds: int, data_dir: Path) -> dict[str, Any]:
    """Starts everything on fresh data and measures."""
    models = Settings().data_dir / "models"
    if models.is_dir():
        shutil.copytree(models, data_dir / "models", dirs_exist_ok=True)
    async with DemoStack(Settings(data_dir=data_dir), tell=lambda part: say(f"up: {part.name}")) as stack:
        return await measure(stack, calls, rounds)


def main() -> int:
    """Writes build/bench.json and prints it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5, help="calls at the same time")
    parser.add_argument("--rounds", type=int, default=2, help="rounds of order calls")
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"))
    arguments = parser.parse_args()
    data_dir = arguments.out.parent / "bench-data"
    shutil.rmtree(data_dir, ignore_errors=True)
    data_dir.mkdir(parents=True)
    try:
        found = asyncio.run(bench(arguments.calls, arguments.rounds, data_dir))
    except AppError as error:
        say(f"error: {error.detail}")
        return 1
    arguments.out.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: value for name, value in found.items() if name != "details"}, indent=1))
    say(f"goals reached: {found['details']['goals_reached']}; everything is in {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
