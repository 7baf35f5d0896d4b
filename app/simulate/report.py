"""Reports of simulated calls: JSON for programs, tables and lines for people."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from app.simulate.exchange import SimulatedPlivo
from app.simulate.measure import percentile
from app.simulate.playout import FRAME_BYTES, FRAME_SECONDS, SILENCE
from app.simulate.verdict import CallReport, Line
from app.speech.audio import wav_header

_STYLES = {"caller": "cyan", "agent": "green", "action": "magenta", "event": "yellow"}


def reply_times(reports: Sequence[CallReport]) -> list[float]:
    """Returns every measured time from speech end to first audio, in milliseconds."""
    return [
        turn.reply_ms
        for report in reports
        for turn in report.outcome.turns
        if turn.by == "voice" and turn.reply_ms is not None
    ]


def barge_in_times(reports: Sequence[CallReport]) -> list[float]:
    """Returns every measured time from speech onset to silence at the carrier, in milliseconds."""
    return [turn.barge_in_ms for report in reports for turn in report.outcome.turns if turn.barge_in_ms is not None]


def summary(values: Sequence[float], shares: Sequence[int]) -> dict[str, float | None]:
    """Returns `{"p50": ...}` for percentages such as 50."""
    return {f"p{share}": percentile(values, share / 100) for share in shares}


def as_json(reports: Sequence[CallReport]) -> dict[str, Any]:
    """Returns the result of a run as JSON values."""
    return {
        "ok": all(report.ok for report in reports),
        "calls": [
            {
                "scenario": report.scenario,
                "ok": report.ok,
                "call_id": report.call_id,
                **asdict(report.outcome),
                "checks": [asdict(check) for check in report.checks],
                "transcript": [asdict(line) for line in report.lines],
                "whatsapp": list(report.whatsapp),
            }
            for report in reports
        ],
        "reply_ms": summary(reply_times(reports), (50, 95, 99)),
        "barge_in_ms": summary(barge_in_times(reports), (50, 95)),
    }


def line_text(line: Line) -> Text:
    """Returns one line of a transcript."""
    text = Text(f"{line.at_ms / 1_000:7.2f}  ", style="dim")
    text.append(f"{line.author:6} ", style=f"bold {_STYLES.get(line.author, '')}")
    text.append(f"{line.language or '':6}", style="dim cyan")
    text.append(line.text)
    if line.note:
        text.append(f"   [{line.note}]", style="dim")
    return text


def verdict_text(report: CallReport) -> RenderableType:
    """Returns whether a call reached its goal and, if not, what was missing."""
    failed = [check for check in report.checks if not check.ok]
    head = Text("goal reached" if report.ok else "goal missed", style="bold green" if report.ok else "bold red")
    head.append(f"  {report.scenario}, {len(report.checks) - len(failed)}/{len(report.checks)} checks", style="dim")
    return Group(head, *(Text(f"  - {check.name}; found: {check.found or 'nothing'}", style="red") for check in failed))


def show_report(console: Console, report: CallReport) -> None:
    """Writes a whole call: transcript, WhatsApp, verdict."""
    console.rule(report.scenario)
    for line in report.lines:
        console.print(line_text(line))
    for bubble in report.whatsapp:
        console.print(
            Text(f"         WhatsApp [{bubble['template']}, {bubble['language']}] {bubble['text']}", style="blue")
        )
    console.print(verdict_text(report))


def latency_table(reports: Sequence[CallReport]) -> Table:
    """Returns the table of latencies as the callers heard them."""
    table = Table(title="Speech end to first audio, as the caller hears it")
    for name in ("call", "turns", "p50 ms", "p95 ms", "barge-in p95 ms"):
        table.add_column(name, justify="left" if name == "call" else "right")
    for rows, name in [*(([report], report.scenario) for report in reports), (list(reports), "all calls")]:
        replies, cuts = reply_times(rows), barge_in_times(rows)
        table.add_row(
            name,
            str(len(replies)),
            _ms(percentile(replies, 0.5)),
            _ms(percentile(replies, 0.95)),
            _ms(percentile(cuts, 0.95)),
            style="bold" if name == "all calls" else None,
        )
    return table


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def save_audio(folder: Path, reports: Sequence[CallReport], plivo: SimulatedPlivo) -> None:
    """Writes what each caller heard as `<scenario>-<call>.wav`, silences included."""
    folder.mkdir(parents=True, exist_ok=True)
    for report in reports:
        frames = plivo.calls[report.outcome.carrier_call_id].heard
        if not frames:
            continue
        sound = bytearray()
        for frame in frames:
            gap = round((frame.at - frames[0].at) / FRAME_SECONDS) - len(sound) // FRAME_BYTES
            sound += SILENCE * max(0, gap) + frame.mulaw
        path = folder / f"{report.scenario}-{report.outcome.carrier_call_id[:8]}.wav"
        path.write_bytes(wav_header(1, len(sound)) + sound)
