"""What fine-tuning changed: error rates before and after, by language and code-switching, never averaged into one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..decoder import edit_distance

_WORSE_POINTS = 1.0
_FEW_UTTERANCES = 20


@dataclass(slots=True)
class Score:
    """Error counts of one set; rates in percent."""

    utterances: int = 0
    right: int = 0
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("words", "word_errors", "chars", "char_errors"), 0)
    )

    def add(self, reference: str, heard: str) -> None:
        """Counts one utterance."""
        self.utterances += 1
        self.right += reference == heard
        self.counts["words"] += len(reference.split())
        self.counts["word_errors"] += edit_distance(reference.split(), heard.split())
        self.counts["chars"] += len(reference)
        self.counts["char_errors"] += edit_distance(reference, heard)

    def rates(self) -> dict[str, float]:
        """Returns `wer`, `cer` and `right`, and the count of utterances."""
        counts = self.counts
        return {
            "utterances": self.utterances,
            "wer": round(100 * counts["word_errors"] / max(1, counts["words"]), 1),
            "cer": round(100 * counts["char_errors"] / max(1, counts["chars"]), 1),
            "right": round(100 * self.right / max(1, self.utterances), 1),
        }


def score(sets: Sequence[str], references: Sequence[str], heard: Iterable[str]) -> dict[str, dict[str, float]]:
    """Returns the rates of each set."""
    found: dict[str, Score] = {}
    for name, reference, text in zip(sets, references, heard, strict=True):
        found.setdefault(name, Score()).add(reference, text)
    return {name: found[name].rates() for name in sorted(found)}


def as_markdown(report: dict[str, Any]) -> str:
    """Returns the report as a page for people."""
    lines = [
        f"# {report['name']}: fine-tuned from {report['base']}",
        "",
        f"{report['steps']} steps on {report['utterances']} utterances ({report['minutes']} minutes of speech); "
        f"{report['replay']}; {report['vocabulary']}.",
        f"Measured {report['measured']}.",
        "",
        "| set | utterances | WER before | after | CER before | after | whole right before | after |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, pair in report["sets"].items():
        before, after = pair["before"], pair["after"]
        cells = [before["utterances"], *(side[rate] for rate in ("wer", "cer", "right") for side in (before, after))]
        lines.append(f"| {name} | {' | '.join(str(cell) for cell in cells)} |")
    lines += ["", *(f"- {remark}" for remark in report["remarks"])]
    return "\n".join(lines) + "\n"


def remarks(sets: dict[str, Any], has_kept_sets: bool) -> list[str]:
    """Says what the figures cannot say themselves: too few utterances, and what became worse."""
    found = [
        f"{name} has only {pair['before']['utterances']} utterances; its figures are rough"
        for name, pair in sets.items()
        if pair["before"]["utterances"] < _FEW_UTTERANCES
    ]
    found += [
        f"{name} became worse ({pair['before']['wer']} to {pair['after']['wer']} % WER): raise --replay-share, or "
        "replay speech of that kind"
        for name, pair in sets.items()
        if pair["after"]["wer"] > pair["before"]["wer"] + _WORSE_POINTS
    ]
    if not has_kept_sets:
        found.append("what the model may have forgotten was not measured: --replay with a manifest does that")
    return found
