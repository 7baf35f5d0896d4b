"""Measures understanding on labelled rows: accuracy, F1 and confusion, entities, calibration and latency.

`vaanisetu nlu evaluate` prints what `score` returns.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.language.identify import identify
from app.language.packs import Pack
from app.nlu.phonetic import words_of
from app.nlu.rows import LabelledRow
from app.nlu.training import OUT_OF_SCOPE
from app.nlu.understander import Understander
from app.nlu.understanding import Understanding

_BINS = 10
_CONFUSIONS_SHOWN = 30
_WARM_UP = 5


def score(understander: Understander, packs: Sequence[Pack], rows: Sequence[LabelledRow]) -> dict[str, Any]:
    """Understands each row as an open turn in its language and returns the figures, as JSON can say them.

    Args:
        understander: What is measured.
        packs: All packs; every one of their languages may be meant.
        rows: At least one.
    """
    tags = tuple(pack.tag for pack in packs)
    for row in rows[:_WARM_UP]:
        understander.understand(row.text, enabled=tags, current_language=row.language)
    heard: list[Understanding] = []
    times_ms: list[float] = []
    matrices: list[str | None] = []
    for row in rows:
        started = time.perf_counter()
        heard.append(understander.understand(row.text, enabled=tags, current_language=row.language))
        times_ms.append((time.perf_counter() - started) * 1000)
        matrices.append(identify(row.text, packs, enabled=tags).matrix)
    right = [found.intent == row.intent for found, row in zip(heard, rows, strict=True)]
    outside = [
        found.intent != OUT_OF_SCOPE for found, row in zip(heard, rows, strict=True) if row.intent == OUT_OF_SCOPE
    ]
    return {
        "rows": len(rows),
        "intent_accuracy": _share(right),
        "intent_accuracy_by_language": _grouped((row.language for row in rows), right),
        "intent_accuracy_by_form": _grouped((f"{row.language} {row.form}" for row in rows), right, skip=" "),
        "out_of_scope_false_accepts": _share(outside) if outside else None,
        "language_accuracy": _grouped(
            (row.language for row in rows),
            [found == row.language for found, row in zip(matrices, rows, strict=True)],
        ),
        "per_intent": _per_intent(rows, heard),
        "confusion": [
            {"wanted": wanted, "got": got, "count": count}
            for (wanted, got), count in Counter(
                (row.intent, found.intent) for row, found in zip(rows, heard, strict=True) if row.intent != found.intent
            ).most_common(_CONFUSIONS_SHOWN)
        ],
        "entities": _entity_scores(rows, heard),
        "calibration": _calibration([found.confidence for found in heard], right),
        "latency_ms": _latency(times_ms),
    }


def _per_intent(rows: Sequence[LabelledRow], heard: Sequence[Understanding]) -> dict[str, dict[str, float | int]]:
    wanted = Counter(row.intent for row in rows)
    got = Counter(found.intent for found in heard)
    both = Counter(row.intent for row, found in zip(rows, heard, strict=True) if row.intent == found.intent)
    return {name: _f1(both[name], got[name], wanted[name]) for name in sorted(wanted | got)}


def _entity_scores(rows: Sequence[LabelledRow], heard: Sequence[Understanding]) -> dict[str, dict[str, float | int]]:
    """Returns precision, recall and F1 by kind over the rows whose entities were labelled."""
    wanted: Counter[str] = Counter()
    got: Counter[str] = Counter()
    both: Counter[str] = Counter()
    for row, found in zip(rows, heard, strict=True):
        if row.entities is None:
            continue
        kinds = {kind for kind, _ in row.entities}
        left = [
            (entity.kind, {_plain(entity.value), _plain(entity.resolved or "")} - {""}) for entity in found.entities
        ]
        wanted.update(kind for kind, _ in row.entities)
        got.update(kind for kind, _ in left if kind in kinds or not kinds)
        for kind, value in row.entities:
            match = next((place for place, (k, forms) in enumerate(left) if k == kind and _plain(value) in forms), None)
            if match is not None:
                both[kind] += 1
                left.pop(match)
    return {kind: _f1(both[kind], got[kind], wanted[kind]) for kind in sorted(wanted | got)}


def _f1(both: int, got: int, wanted: int) -> dict[str, float | int]:
    precision, recall = both / got if got else 0.0, both / wanted if wanted else 0.0
    f1 = 2 * precision * recall / (precision + recall) if both else 0.0
    return {"precision": round(precision, 4), "recall": round(recall, 4), "f1": round(f1, 4), "rows": wanted}


def _calibration(confidences: Sequence[float], right: Sequence[bool]) -> dict[str, Any]:
    """Returns the expected calibration error and, by tenth of confidence, how sure and how right it was."""
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for confidence, correct in zip(confidences, right, strict=True):
        bins[min(int(confidence * _BINS), _BINS - 1)].append((confidence, correct))
    table = []
    error = 0.0
    for place in sorted(bins):
        inside = bins[place]
        sure = sum(confidence for confidence, _ in inside) / len(inside)
        correct_share = sum(correct for _, correct in inside) / len(inside)
        error += len(inside) / len(right) * abs(sure - correct_share)
        table.append(
            {"from": place / _BINS, "rows": len(inside), "sure": round(sure, 4), "right": round(correct_share, 4)}
        )
    return {"expected_error": round(error, 4), "bins": table}


def _latency(times_ms: Sequence[float]) -> dict[str, float]:
    ordered = sorted(times_ms)

    def at(share: float) -> float:
        return round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 3)

    return {"p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "mean": round(sum(ordered) / len(ordered), 3)}


def _grouped(keys: Iterable[str], right: Sequence[bool], skip: str = "") -> dict[str, float]:
    groups: dict[str, list[bool]] = defaultdict(list)
    for key, correct in zip(keys, right, strict=True):
        if not skip or not key.endswith(skip):
            groups[key].append(correct)
    return {key: _share(values) for key, values in sorted(groups.items())}


def _share(values: Sequence[bool]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0


def _plain(value: str) -> str:
    return " ".join(words_of(value)) if not value.replace(":", "").replace("-", "").isdigit() else value


def as_markdown(title: str, figures: Mapping[str, Any]) -> str:
    """Returns the figures as the page that is kept under docs/reports."""
    latency = figures["latency_ms"]
    lines = [f"# {title}", "", f"{figures['rows']} utterances, none of which is among the examples.", ""]
    lines += ["| | |", "|---|---|", f"| intent accuracy | {figures['intent_accuracy']:.1%} |"]
    if figures["out_of_scope_false_accepts"] is not None:
        lines.append(f"| out of scope, wrongly accepted | {figures['out_of_scope_false_accepts']:.1%} |")
    lines += [f"| expected calibration error | {figures['calibration']['expected_error']:.3f} |"]
    lines += [f"| time, ms: p50, p95 | {latency['p50']:.1f}, {latency['p95']:.1f} |", ""]
    for name, key in (("Language and form", "intent_accuracy_by_form"), ("Language", "intent_accuracy_by_language")):
        lines += [f"| {name} | intent accuracy |", "|---|---|"]
        lines += [f"| {group} | {value:.1%} |" for group, value in figures[key].items()] + [""]
    lines += ["| Language spoken | recognised as such, no state given |", "|---|---|"]
    lines += [f"| {group} | {value:.1%} |" for group, value in figures["language_accuracy"].items()] + [""]
    lines += ["| Intent | precision | recall | F1 | rows |", "|---|---|---|---|---|"]
    lines += [
        f"| {name} | {row['precision']:.2f} | {row['recall']:.2f} | {row['f1']:.2f} | {row['rows']} |"
        for name, row in figures["per_intent"].items()
    ]
    return "\n".join(lines) + "\n"
