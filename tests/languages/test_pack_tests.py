"""A pack's own tests are run, rated by form and intent, and held to the contract's floors."""

from pathlib import Path
from typing import Any, cast

import pytest

from app.errors import PackError
from app.language.guess import LanguageGuess
from app.language.loader import PackRegistry
from app.languages.pack_tests import FILE_NAME, run_pack_tests
from app.nlu.understander import Understander
from app.nlu.understanding import Entity, Understanding
from tests.packs import PACKS_DIR, shipped_packs

pytestmark = pytest.mark.langpack


class Knowing:
    """Understands the packs' tests by heart, but for one intent; finds the entities it is told of."""

    def __init__(self, registry: PackRegistry, unknown: str = "", found: tuple[Entity, ...] = ()) -> None:
        tests = [(t, name) for p in registry.packs for name, f in p.tests.items() for ts in f.values() for t in ts]
        self._intents = dict(tests)
        self._unknown = unknown
        self._found = found

    def understand(self, text: str, **_: Any) -> Understanding:
        intent = self._intents.get(text, "inform")
        guess = LanguageGuess(None, 0.0)
        return Understanding(text, "out_of_scope" if intent == self._unknown else intent, 0.9, guess, self._found)


@pytest.fixture(scope="module")
def registry() -> PackRegistry:
    return shipped_packs()


def test_every_shipped_pack_says_its_values_as_it_wants_them_said(registry: PackRegistry) -> None:
    reports = run_pack_tests(PACKS_DIR, registry, cast(Understander, Knowing(registry)), registry.tags)
    assert [report.tag for report in reports] == list(registry.tags)
    for report in reports:
        said = [miss for miss in report.misses if miss.kind != "language" and miss.got != "nothing"]
        assert report.said.total >= 10 and report.said.share == 1.0, said
        assert set(report.forms) == set(registry.get(report.tag).manifest.forms) and not report.confusions


def test_an_intent_below_its_floor_is_named(registry: PackRegistry) -> None:
    knowing = cast(Understander, Knowing(registry, unknown="cancel_order"))
    (report,) = run_pack_tests(PACKS_DIR, registry, knowing, ["hi-IN"])
    assert report.intents["cancel_order"].right == 0 and report.intents["affirm"].share == 1.0
    assert "intent cancel_order: 0%" in report.below and "values heard: 0%" in report.below
    assert {confusion.wanted for confusion in report.confusions} == {"cancel_order"}


def test_heard_values_are_compared_by_kind(packs: Path) -> None:
    registry = PackRegistry.open(packs)
    found = (Entity("digits", "4512", "x"), Entity("date", "kal", "x", resolved="2026-11-19"))
    text = 'now: "2026-11-18T10:00+05:30"\nheard:\n  digits: {a: "4512"}\n  date: {b: "2026-11-19", c: "2026-11-20"}\n'
    (packs / "en-IN" / FILE_NAME).write_text(text, encoding="utf-8")
    (report,) = run_pack_tests(packs, registry, cast(Understander, Knowing(registry, found=found)), ["en-IN"])
    assert (report.heard.right, report.heard.total, report.said.total) == (2, 3, 0)
    (miss,) = report.misses
    assert (miss.kind, miss.what, miss.wanted, miss.got, miss.line) == ("date", "c", "2026-11-20", "2026-11-19", 4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("said: {colour: {a: b}}\n", r"said.colour: no kind"),
        ("said: {number: [a]}\n", r"values.yaml:1: said.number: give"),
        ('said:\n  time: {"25:00": x}\n', r"values.yaml:2: said.time.25:00"),
        ("now: yesterday\nheard: {digits: {a: b}}\n", r"give a time with its zone"),
    ],
)
def test_a_wrong_values_file_is_refused_with_its_place(packs: Path, text: str, expected: str) -> None:
    registry = PackRegistry.open(packs)
    (packs / "en-IN" / FILE_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(PackError, match=expected):
        run_pack_tests(packs, registry, cast(Understander, Knowing(registry)), ["en-IN"])
