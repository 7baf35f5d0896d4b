"""Intervals, groups, JSON there and back, Markdown, and two systems side by side."""

import json
from pathlib import Path

import numpy as np
import pytest

from app.errors import ModelError
from app.speech.asr.evaluation.bootstrap import difference, estimate
from app.speech.asr.evaluation.gates import gates, gates_markdown
from app.speech.asr.evaluation.report import (
    Report,
    Result,
    check_shared,
    compared_markdown,
    differences,
    read_report,
    to_json,
    to_markdown,
)

pytestmark = pytest.mark.unit


def result(number: int, errors: int, kind: str = "digits", pair: str = "hi") -> Result:
    counts = {"wer": (float(errors), 4.0), "utterances_right": (float(errors == 0), 1.0), "endpoint_ms": (400.0, 1.0)}
    return Result(f"{number}.wav", "clean", "hi", pair, kind, "a b c d", "a b c", counts)


def report(errors: list[int]) -> Report:
    results = [result(n, e, pair="hi+en" if n % 2 else "hi") for n, e in enumerate(errors)]
    return Report({"model": "m"}, tuple(results))


def test_an_interval_holds_the_rate_and_narrows_with_more() -> None:
    rng = np.random.default_rng(3)
    few, many = ([(float(e), 4.0) for e in rng.integers(0, 3, count)] for count in (20, 2000))
    small, large = estimate(few), estimate(many)
    for one in (small, large):
        assert one.low <= one.value <= one.high
    assert large.high - large.low < (small.high - small.low) / 3
    assert estimate(few) == small
    assert large.value == pytest.approx(sum(e for e, _ in many) / 8000)


def test_the_interval_has_the_width_of_theory() -> None:
    rng = np.random.default_rng(4)
    counted = [(float(right), 1.0) for right in rng.random(400) < 0.3]
    found = estimate(counted)
    deviation = (found.value * (1 - found.value) / 400) ** 0.5
    assert found.high - found.low == pytest.approx(2 * 1.96 * deviation, rel=0.15)


def test_a_paired_difference_is_sharper_than_two_intervals() -> None:
    rng = np.random.default_rng(5)
    ours = [(float(e), 10.0) for e in rng.integers(0, 10, 200)]
    theirs = [(e + 1.0, n) for e, n in ours]
    found = difference(ours, theirs)
    assert found.value == pytest.approx(-0.1)
    assert found.high - found.low < 1e-9
    assert found.is_clear
    assert not difference(ours, ours).is_clear


def test_groups() -> None:
    grouped = report([0, 1, 2, 0]).grouped("clean")
    assert {name: len(found) for name, found in grouped.items()} == {
        "all": 4, "digits": 4, "hi": 4, "hi+en": 2, "digits/hi": 4, "digits/hi+en": 2,
    }  # fmt: skip
    assert next(iter(grouped)) == "all"


def test_json_there_and_back(tmp_path: Path) -> None:
    made = report([0, 1, 2, 0])
    path = tmp_path / "r.json"
    path.write_text(to_json(made), encoding="utf-8")
    assert read_report(path) == made
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert stored["figures"]["clean"]["all"]["wer"]["value"] == pytest.approx(3 / 16, abs=1e-4)
    assert stored["figures"]["clean"]["all"]["wer"]["of"] == 16


@pytest.mark.parametrize("content", [None, "not json", "[]", '{"format": 9}', '{"format": 1, "normaliser": "0.1"}'])
def test_a_file_that_is_no_report_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "other.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=r"other\.json"):
        read_report(path)


def test_markdown_has_the_figures() -> None:
    text = to_markdown(report([0, 1, 2, 0]))
    assert "| all | 4 | 18.8 (" in text
    assert "| digits/hi+en | 2 |" in text
    assert "400, p95 400" in text


def test_two_systems() -> None:
    found = differences(report([0] * 40), report([1, 0] * 20))
    assert found["clean"]["all"]["wer"].value == pytest.approx(-20 / 160)
    text = compared_markdown(found)
    assert "-12.5 (" in text
    assert "better" in text
    stored = json.loads(to_json(report([0] * 40), report([1, 0] * 20)))
    assert stored["differences"]["clean"]["all"]["wer"]["value"] == pytest.approx(-20 / 160)
    assert "worse" in compared_markdown(differences(report([1, 1] * 20), report([0] * 40)))


def test_reports_of_other_recordings_are_not_compared() -> None:
    other = Report({}, tuple(Result("x.wav", "clean", "hi", "hi", "", "a", "a", {"wer": (0.0, 1.0)}) for _ in "a"))
    check_shared(other, ["x.wav", "y.wav"])
    with pytest.raises(ModelError, match="share no utterance"):
        check_shared(other, ["y.wav"])
    with pytest.raises(ModelError, match="share no utterance"):
        differences(report([0]), other)


def test_gates_judge_what_was_measured() -> None:
    found = {
        "unseen_template/hi": {"wer": estimate([(1.0, 20.0)] * 5)},
        "digits": {"digits_right": estimate([(1.0, 1.0)] * 9 + [(0.0, 1.0)])},
        "unseen_template": {"wer": estimate([(1.0, 10.0)] * 4)},
        "seen_voice": {"wer": estimate([(1.0, 20.0)] * 4)},
    }
    made = {gate.demand: gate.is_met for gate in gates(found)}
    assert made == {
        "unseen sentence templates, hi: WER": True,
        "held-out voices over voices of training: ratio of WER": False,
        "digit strings right": False,
    }
    assert "| digit strings right | 90.0 | >= 95 | no |" in gates_markdown(gates(found))
