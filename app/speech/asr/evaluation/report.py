"""An evaluation's figures: grouped, with intervals, as JSON and as Markdown, and set beside another report."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.errors import ModelError

from .bootstrap import DRAWS, SEED, Difference, Estimate, difference, estimates
from .measures import HIGHER_IS_BETTER, MILLISECONDS, PERCENT, Counts
from .normaliser import VERSION as NORMALISER

FORMAT = 1
_NOTHING_SHARED = "the two reports share no utterance; evaluate both models on the same manifest"
_TEXT_COLUMNS = (
    ("wer", "WER"), ("cer", "CER"), ("match_error_rate", "match ER"), ("mixed_error_rate", "mixed ER"),
    ("t_wer", "T-WER"), ("pier", "PIER"), ("script_fidelity", "script"), ("digits_right", "digits right"),
    ("utterances_right", "all right"), ("named_right", "named word"),
    ("first_word_errors", "first word"), ("later_word_errors", "later words"),
)  # fmt: skip
_TIME_COLUMNS = (
    ("partial_changes", "partials changed %"), ("endpoint_ms", "endpoint ms"), ("early_cut", "cut early %"),
    ("unheard", "unheard %"), ("final_ms", "final ms"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """One utterance under one condition: what was said and heard, and the counts."""

    name: str
    condition: str
    language: str
    pair: str
    kind: str
    text: str
    heard: str
    counts: Counts

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups it belongs to: all, its language or pair, and its set alone and by language or pair."""
        own = dict.fromkeys((self.language, self.pair))
        sets = (self.kind, *(f"{self.kind}/{part}" for part in own)) if self.kind else ()
        return ("all", *own, *sets)


@dataclass(frozen=True, slots=True)
class Report:
    """All results of one evaluation and what made them (`about`: model, engine, decoder, manifest)."""

    about: dict[str, str]
    results: tuple[Result, ...]

    def conditions(self) -> list[str]:
        """Returns the conditions in the order in which they were run."""
        return list(dict.fromkeys(result.condition for result in self.results))

    def grouped(self, condition: str) -> dict[str, list[Result]]:
        """Returns a condition's results by group."""
        groups: dict[str, list[Result]] = defaultdict(list)
        for result in self.results:
            if result.condition == condition:
                for group in result.groups:
                    groups[group].append(result)
        return dict(sorted(groups.items(), key=lambda item: (item[0] != "all", item[0].count("/"), item[0])))

    def estimates(self, condition: str) -> dict[str, dict[str, Estimate]]:
        """Returns every group's measures with their intervals."""
        return {
            group: estimates([result.counts for result in results], (*PERCENT, *MILLISECONDS))
            for group, results in self.grouped(condition).items()
        }


def to_json(report: Report, against: Report | None = None) -> str:
    """Returns the report as JSON: figures by condition and group, then every utterance with its counts.

    Args:
        report: What was measured.
        against: Another report; the differences from it are added.

    Raises:
        ModelError: The reports share no utterance.
    """
    figures = {
        condition: {
            group: {name: {key: round(v, 5) for key, v in asdict(one).items()} for name, one in found.items()}
            for group, found in report.estimates(condition).items()
        }
        for condition in report.conditions()
    }
    described: dict[str, Any] = {
        "format": FORMAT,
        "normaliser": NORMALISER,
        "bootstrap": {"draws": DRAWS, "seed": SEED, "interval": 0.95},
        "about": report.about,
        "figures": figures,
        "utterances": [asdict(result) for result in report.results],
    }
    if against is not None:
        described["differences"] = {
            condition: {group: {name: asdict(one) for name, one in found.items()} for group, found in groups.items()}
            for condition, groups in differences(report, against).items()
        }
    return json.dumps(described, ensure_ascii=False, indent=1)


def check_shared(earlier: Report, names: Collection[str]) -> None:
    """Checks that a report has some of these utterances, before any is played.

    Raises:
        ModelError: It has none.
    """
    if not {result.name for result in earlier.results} & set(names):
        raise ModelError(_NOTHING_SHARED)


def read_report(path: Path) -> Report:
    """Reads a report that `to_json` made.

    Raises:
        ModelError: The file is no such report, or of another normaliser.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such report") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is no report ({error}); make one with `vaanisetu asr evaluate --save`") from error
    if not isinstance(stored, dict) or stored.get("format") != FORMAT:
        raise ModelError(f"{path} is no report of this format; make one with `vaanisetu asr evaluate --save`")
    if stored["normaliser"] != NORMALISER:
        raise ModelError(
            f"{path} was counted with normaliser {stored['normaliser']}, this is {NORMALISER}: evaluate that model anew"
        )
    results = [
        Result(**{**one, "counts": {name: (e, n) for name, (e, n) in one["counts"].items()}})
        for one in stored["utterances"]
    ]
    return Report(stored["about"], tuple(results))


def to_markdown(report: Report) -> str:
    """Returns the report as Markdown tables; rates in percent with their 95 % intervals."""
    about = ", ".join(f"{name} {value}" for name, value in report.about.items())
    parts = [f"{about}; normaliser {NORMALISER}. Percent, with 95 % bootstrap intervals over utterances."]
    for condition in report.conditions():
        found = report.estimates(condition)
        grouped = report.grouped(condition)
        parts.append(f"## {condition}")
        told = {group: measures for group, measures in found.items() if not _is_repeated(group, grouped)}
        parts.append(_table(_TEXT_COLUMNS, told, grouped))
        whole = {group: measures for group, measures in told.items() if "/" not in group}
        parts.append(_table(_TIME_COLUMNS, whole, grouped))
    return "\n\n".join(parts) + "\n"


def _is_repeated(group: str, grouped: dict[str, list[Result]]) -> bool:
    """Tells whether a pair's group holds the same utterances as its language's."""
    language, _, other = group.rpartition("+")
    return bool(other) and len(grouped[group]) == len(grouped.get(language, ()))


def _table(
    columns: Sequence[tuple[str, str]], found: dict[str, dict[str, Estimate]], grouped: dict[str, list[Result]]
) -> str:
    used = [(name, title) for name, title in columns if any(name in measures for measures in found.values())]
    lines = [
        "| set | utterances | " + " | ".join(title for _, title in used) + " |",
        "|---" * (len(used) + 2) + "|",
    ]
    for group, measures in found.items():
        cells = [_cell(name, measures.get(name), grouped[group]) for name, _ in used]
        lines.append(f"| {group} | {len(grouped[group])} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(name: str, one: Estimate | None, results: Sequence[Result]) -> str:
    if one is None:
        return ""
    if name in MILLISECONDS:
        values = [result.counts[name][0] for result in results if name in result.counts]
        middle, late = np.percentile(values, [50, 95])
        return f"{middle:.0f}, p95 {late:.0f}"
    return f"{100 * one.value:.1f} ({100 * one.low:.1f}-{100 * one.high:.1f})"


def differences(ours: Report, theirs: Report) -> dict[str, dict[str, dict[str, Difference]]]:
    """Returns, by condition and group, our rates minus theirs on the utterances that both have (paired bootstrap).

    Raises:
        ModelError: The reports share no utterance.
    """
    other = {(result.name, result.condition): result for result in theirs.results}
    found: dict[str, dict[str, dict[str, Difference]]] = {}
    for condition in ours.conditions():
        for group, results in ours.grouped(condition).items():
            pairs = [(mine, other[mine.name, condition]) for mine in results if (mine.name, condition) in other]
            measured = dict(_paired(pairs))
            if measured:
                found.setdefault(condition, {})[group] = measured
    if not found:
        raise ModelError(_NOTHING_SHARED)
    return found


def _paired(pairs: Sequence[tuple[Result, Result]]) -> Iterable[tuple[str, Difference]]:
    for name in (*PERCENT, *MILLISECONDS):
        both = [(a.counts[name], b.counts[name]) for a, b in pairs if name in a.counts and name in b.counts]
        if both:
            yield name, difference([one for one, _ in both], [one for _, one in both])


def compared_markdown(found: dict[str, dict[str, dict[str, Difference]]], names: Sequence[str] = ()) -> str:
    """Returns differences as Markdown: this report minus the other; `better` and `worse` where 0 is outside."""
    wanted = names or ("wer", "cer", "t_wer", "pier", "digits_right", "utterances_right", "endpoint_ms")
    parts: list[str] = ["This minus the other, in points (milliseconds for times), with 95 % paired intervals."]
    for condition, groups in found.items():
        used = [name for name in wanted if any(name in measured for measured in groups.values())]
        lines = ["| set | utterances | " + " | ".join(used) + " |", "|---" * (len(used) + 2) + "|"]
        for group, measured in groups.items():
            cells = [_difference(name, measured.get(name)) for name in used]
            lines.append(f"| {group} | {max(d.utterances for d in measured.values())} | {' | '.join(cells)} |")
        parts += [f"## {condition}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _difference(name: str, one: Difference | None) -> str:
    if one is None:
        return ""
    scale = 1 if name in MILLISECONDS else 100
    verdict = ""
    if one.is_clear:
        verdict = " better" if (one.value > 0) == (name in HIGHER_IS_BETTER) else " worse"
    return f"{scale * one.value:+.1f} ({scale * one.low:+.1f} to {scale * one.high:+.1f}){verdict}"
