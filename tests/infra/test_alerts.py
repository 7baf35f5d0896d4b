"""Alerts and the dashboard ask only for figures that exist, and every alert has its section of the runbook."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.registry import CollectorRegistry

from app.calls.observing import CallMetrics
from app.integrations.metrics import ToolMetrics
from app.kit.job_metrics import JobMetrics
from app.kit.observed import HttpMetrics
from app.speech.metrics import SpeechMetrics
from app.telephony.metrics import TelephonyMetrics

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
MADE_BY_THE_ROOTS = {
    "vaanisetu_calls_live",
    "vaanisetu_jobs_waiting",
    "vaanisetu_webhook_attempts_total",
    "vaanisetu_whatsapp_refusals_total",
}


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load((ROOT / "infra/prometheus/alerts.yaml").read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def known() -> set[str]:
    registry = CollectorRegistry()
    SpeechMetrics(registry)
    TelephonyMetrics(registry)
    for metrics in (CallMetrics(), ToolMetrics(), JobMetrics(), HttpMetrics()):
        metrics.register(registry)
    families = list(registry.collect())
    names = {family.name for family in families} | MADE_BY_THE_ROOTS
    names |= {f"{family.name}_total" for family in families if family.type == "counter"}
    return names | {f"{family.name}_bucket" for family in families if family.type == "histogram"}


def asked_for(text: str) -> set[str]:
    return set(re.findall(r"\bvaanisetu_\w+", text))


def test_every_alert_asks_for_figures_that_exist_and_has_its_section() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs/runbook.md").read_text(encoding="utf-8"), re.MULTILINE)
    sections = {heading.lower().replace(" ", "-") for heading in headings}
    for rule in rules():
        assert asked_for(rule["expr"]) <= known(), rule["alert"]
        assert rule["annotations"]["runbook"].partition("#")[2] in sections, rule["alert"]
    assert len(sections) == len(rules())


def test_every_panel_of_the_dashboard_asks_for_figures_that_exist() -> None:
    board = json.loads((ROOT / "infra/grafana/vaanisetu.json").read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel["targets"]:
            assert asked_for(target["expr"]) and asked_for(target["expr"]) <= known(), panel["title"]
