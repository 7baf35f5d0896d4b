"""What each part of the decoder brings: greedy, beam, n-grams and bias on the same recordings, paired."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from app.language.packs import Pack

from ..engine import AsrEngine, Bias
from ..onnx_engine import OnnxAsrEngine
from ..served import ServedModel
from .bootstrap import estimates
from .material import Item
from .report import Report, differences
from .run import evaluate

KINDS = ("name", "city", "product", "order", "unseen_template", "digits", "short")
_MEASURES = (("wer", "WER"), ("named_right", "named word right"), ("digits_right", "digits right"))


@dataclass(frozen=True, slots=True)
class Way:
    """One way of decoding: its name, what loads it, and whether the bias is told."""

    name: str
    load: Callable[[], AsrEngine]
    is_biased: bool = False


def ways(model: Path, ngrams: Path | None) -> list[Way]:
    """Returns the ways of decoding a model, each with one part more than the one before.

    Args:
        model: A served model that ships n-grams.
        ngrams: Other n-grams than its own, such as ones that left the measured sentences out.
    """
    plain = replace(ServedModel.read(model).beam, language_weight=0.0, piece_bonus=0.0)
    return [
        Way("greedy", lambda: OnnxAsrEngine(model, greedy=True)),
        Way("beam", lambda: OnnxAsrEngine(model, beam=plain, ngrams=ngrams)),
        Way("beam, n-grams", lambda: OnnxAsrEngine(model, ngrams=ngrams)),
        Way("beam, n-grams, bias", lambda: OnnxAsrEngine(model, ngrams=ngrams), is_biased=True),
    ]


def measured(items: Sequence[Item]) -> list[Item]:
    """Returns the items that this report is about, without those that tuned the decoder."""
    return [item for item in items if item.kind in KINDS and not item.tunes]


def compare(
    compared: Sequence[Way], items: Sequence[Item], packs: Mapping[str, Pack], bias_of: Callable[[Item], Bias | None]
) -> dict[str, Report]:
    """Evaluates the items in every way.

    Args:
        compared: What `ways` returned.
        items: What to play.
        packs: Language packs by tag.
        bias_of: What a call would tell the recogniser to expect of an item.
    """
    return {
        way.name: evaluate(
            way.load(),
            items,
            packs,
            {"decoder": way.name},
            conditions=("clean",),
            bias_of=bias_of if way.is_biased else lambda item: None,
        )
        for way in compared
    }


def to_markdown(reports: Mapping[str, Report]) -> str:
    """Returns a table of rates by set and way, and one of what each way adds to the one before it."""
    return f"{_rates(reports)}\n\nAgainst the line above, paired, in points:\n\n{_steps(reports)}\n"


def _rates(reports: Mapping[str, Report]) -> str:
    lines = ["| set | utterances | measure | " + " | ".join(reports) + " |", "|---" * (len(reports) + 3) + "|"]
    first = next(iter(reports.values()))
    for kind in KINDS:
        for name, title in _MEASURES:
            cells: list[str] = []
            count = 0
            for report in reports.values():
                results = report.grouped("clean").get(kind, [])
                found = estimates([result.counts for result in results], (name,)).get(name)
                if found is not None:
                    count = found.utterances
                    cells.append(f"{100 * found.value:.1f} ({100 * found.low:.1f}-{100 * found.high:.1f})")
            if cells and (name != "digits_right" or kind in ("order", "digits")):
                lines.append(f"| {kind} | {count} | {title} | {' | '.join(cells)} |")
    return "\n".join(lines) if first.results else ""


def _steps(reports: Mapping[str, Report]) -> str:
    names = list(reports)
    lines = ["| set | measure | " + " | ".join(names[1:]) + " |", "|---" * (len(names) + 1) + "|"]
    steps = {after: differences(reports[after], reports[before])["clean"] for before, after in pairwise(names)}
    for kind in KINDS:
        for name, title in _MEASURES:
            found = [steps[way].get(kind, {}).get(name) for way in names[1:]]
            if name == "digits_right" and kind not in ("order", "digits"):
                continue
            if any(found):
                cells = [
                    "" if one is None else f"{100 * one.value:+.1f} ({100 * one.low:+.1f} to {100 * one.high:+.1f})"
                    for one in found
                ]
                lines.append(f"| {kind} | {title} | {' | '.join(cells)} |")
    return "\n".join(lines)
