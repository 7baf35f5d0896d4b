"""A candidate is held against what callers said: what changes, for better or worse, and whether it may go live."""

from collections.abc import Mapping, Sequence

import pytest

from app.language.guess import LanguageGuess
from app.nlu.replay import replay
from app.nlu.rows import LabelledRow
from app.nlu.understanding import Entity, Understanding

pytestmark = pytest.mark.unit
TAGS = ("en-IN",)


class Scripted:
    """Understands what it was told."""

    def __init__(self, intents: Mapping[str, str], digits: str = "") -> None:
        self._intents = intents
        self._entities = (Entity("digits", digits, digits),) if digits else ()

    def understand(self, text: str, *, enabled: Sequence[str], current_language: str) -> Understanding:
        return Understanding(text, self._intents[text], 0.9, LanguageGuess(current_language, 1.0), self._entities)


def rows(**wanted: str) -> list[LabelledRow]:
    return [LabelledRow(text, "en-IN", intent) for text, intent in wanted.items()]


def test_a_candidate_that_understands_alike_passes() -> None:
    live = Scripted({"a": "greet", "b": "thank"})
    report = replay(rows(a="greet", b=""), live, live, TAGS, 0.0)
    assert report["passed"] and report["changed"] == 0 and report["turns"] == 2


def test_changes_are_weighed_by_what_was_meant() -> None:
    live = Scripted({"a": "greet", "b": "thank", "c": "deny"})
    candidate = Scripted({"a": "thank", "b": "greet", "c": "wait"})
    report = replay(rows(a="greet", b="greet", c=""), live, candidate, TAGS, 0.5)
    assert [change["verdict"] for change in report["changes"]] == ["worse", "better", "changed"]
    assert report["worse"] == 2 and not report["passed"]
    assert replay(rows(a="greet", b="greet", c=""), live, candidate, TAGS, 0.7)["passed"]


def test_another_value_is_a_change() -> None:
    report = replay(rows(a=""), Scripted({"a": "inform"}, "4512"), Scripted({"a": "inform"}, "4513"), TAGS, 0.0)
    assert not report["passed"] and report["changes"][0]["candidate"]["entities"] == {"digits": "4513"}
