"""What the starter model must reach on the standing sets, and whether it does: the top of its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .bootstrap import Estimate

_LANGUAGES = ("en", "hi", "ta", "te")


@dataclass(frozen=True, slots=True)
class Gate:
    """One demand: what is measured, the figure, the limit, and whether it is met."""

    demand: str
    value: float
    limit: float
    at_least: bool

    @property
    def is_met(self) -> bool:
        """Whether the figure is within the limit."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def gates(found: Mapping[str, Mapping[str, Estimate]]) -> list[Gate]:
    """Returns the demands that the given figures allow to judge.

    Args:
        found: Measures by group, of the standing sets under one condition.
    """
    made: list[Gate] = []

    def rate(group: str, name: str) -> float | None:
        one = found.get(group, {}).get(name)
        return None if one is None else 100 * one.value

    def add(demand: str, value: float | None, limit: float, at_least: bool = False) -> None:
        if value is not None:
            made.append(Gate(demand, value, limit, at_least))

    for language in _LANGUAGES:
        add(f"unseen sentence templates, {language}: WER", rate(f"unseen_template/{language}", "wer"), 10.0)
    for language in _LANGUAGES:
        add(f"unseen templates, {language}+en: WER", rate(f"unseen_template/{language}+en", "wer"), 15.0)
    add("written code-switched sentences: WER", rate("code_switched", "wer"), 15.0)
    add("random sequences of unseen words: CER", rate("unseen_words", "cer"), 12.0)
    unseen, seen = rate("unseen_template", "wer"), rate("seen_voice", "wer")
    if unseen is not None and seen is not None:
        add("held-out voices over voices of training: ratio of WER", unseen / max(seen, 0.1), 1.2)
    add("isolated words right", rate("isolated", "utterances_right"), 95.0, at_least=True)
    add("digit strings right", rate("digits", "digits_right"), 95.0, at_least=True)
    for kind in ("unseen_template", "after_other_speech"):
        first, later = rate(kind, "first_word_errors"), rate(kind, "later_word_errors")
        if first is not None and later is not None:
            add(f"{kind}: errors on first words above those on later ones, points", first - later, 0.0)
    return made


def gates_markdown(made: list[Gate]) -> str:
    """Returns the demands as a Markdown table."""
    lines = ["| demand | figure | limit | met |", "|---|---|---|---|"]
    for gate in made:
        sign = ">=" if gate.at_least else "<="
        lines.append(f"| {gate.demand} | {gate.value:.1f} | {sign} {gate.limit:g} | {'yes' if gate.is_met else 'no'} |")
    return "\n".join(lines)
