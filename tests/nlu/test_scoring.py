"""The figures of an evaluation: what is right, what is confused, and whether confidence can be believed."""

import pytest

from app.language.loader import PackRegistry
from app.nlu.rows import LabelledRow, pack_rows
from app.nlu.scoring import as_markdown, score
from app.nlu.understander import Understander

pytestmark = pytest.mark.langpack


def test_figures_of_known_rows(registry: PackRegistry, understander: Understander) -> None:
    rows = [
        LabelledRow("where is my order 4512", "en-IN", "order_status", "native", (("digits", "4512"),)),
        LabelledRow("stop calling me", "en-IN", "stop_contact", "native", ()),
        LabelledRow("stop calling me", "en-IN", "greet", "asr", (("city", "Pune"),)),
    ]
    figures = score(understander, registry.packs, rows)
    assert figures["intent_accuracy"] == pytest.approx(2 / 3, abs=1e-3)
    assert figures["language_accuracy"] == {"en-IN": 1.0}
    assert figures["per_intent"]["order_status"]["f1"] == 1.0 and figures["per_intent"]["greet"]["recall"] == 0.0
    assert figures["confusion"] == [{"wanted": "greet", "got": "stop_contact", "count": 1}]
    assert figures["entities"]["digits"]["f1"] == 1.0 and figures["entities"]["city"]["recall"] == 0.0
    assert 0 < figures["latency_ms"]["p50"] <= figures["latency_ms"]["p95"]
    assert "| intent accuracy | 66.7% |" in as_markdown("Understanding", figures)


def test_every_language_and_form_of_the_packs(registry: PackRegistry, understander: Understander) -> None:
    figures = score(understander, registry.packs, pack_rows(registry))
    assert figures["intent_accuracy"] >= 0.93
    assert all(share >= 0.86 for share in figures["intent_accuracy_by_form"].values()), figures[
        "intent_accuracy_by_form"
    ]
    assert figures["out_of_scope_false_accepts"] <= 0.12
    assert figures["calibration"]["expected_error"] <= 0.1
