"""What a pack's sentences and wording are held to, each finding with its line."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.language.findings import Problem
from app.language.loader import validate_pack

pytestmark = pytest.mark.unit


@pytest.fixture
def packs(tmp_path: Path, packs_dir: Path) -> Path:
    folder = tmp_path / "packs"
    folder.mkdir()
    shutil.copy(packs_dir / "contract.yaml", folder)
    shutil.copytree(packs_dir / "en-IN", folder / "en-IN")
    return folder


def found(packs: Path, file: str, change: Any) -> list[Problem]:
    path = packs / "en-IN" / file
    doc = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)
    change(doc)
    path.write_text(yaml.safe_dump(doc, allow_unicode=True, sort_keys=False, width=10_000), encoding="utf-8")
    return list(validate_pack(packs / "en-IN").problems)


SAME_AGAIN = [
    f"please hold on a little while for me{mark}" for mark in ("", " ok", " sir", " now", " yes", " so", " na")
]


@pytest.mark.parametrize(
    ("file", "change", "expected"),
    [
        (
            "intents.yaml",
            lambda d: d.update(wait=dict.fromkeys(("native", "mixed", "asr"), SAME_AGAIN)),
            "different sent",
        ),
        ("tests/intents.yaml", lambda d: d["wait"].update(mixed=[]), "fewer than 1"),
        (
            "intents.yaml",
            lambda d: d["affirm"]["asr"].append(max(d["cancel_order"]["asr"], key=len) + "s"),
            "is nearer to cancel_order",
        ),
        ("responses.yaml", lambda d: d.update(checking=["word " * 60]), "too many to listen to"),
        ("responses.yaml", lambda d: d.update(checking=["One {time:klingon}."]), "no case klingon"),
        (
            "disclosures.yaml",
            lambda d: d["purpose"].update(text="About {purpose}. " + "word " * 40),
            "too many to listen",
        ),
        (
            "whatsapp.yaml",
            lambda d: d["order_update"].update(body="{{1}} is now {{2}} and that is all."),
            "neither start",
        ),
        (
            "whatsapp.yaml",
            lambda d: d["order_update"].update(body="Your order now is {{1}} {{2}} dear friend."),
            "between two",
        ),
        ("whatsapp.yaml", lambda d: d["order_update"].update(body="Order {{1}} is {{2}} ok."), "too few words"),
        ("whatsapp.yaml", lambda d: d["order_update"].update(body="a " * 600 + "{{1}} is {{2}} ok."), "at most 1,024"),
        ("lexicon.yaml", lambda d: d.update(informal_words=["moment"]), "'moment' is an informal_word"),
        ("lexicon.yaml", lambda d: d.update(day_parts={"25": "late"}), "0 to 23"),
        ("lexicon.yaml", lambda d: d["time_formats"].pop("whole"), "missing; add the format"),
        ("lexicon.yaml", lambda d: d["time_formats"].update({"26:00": "x"}), "no time format"),
        ("lexicon.yaml", lambda d: d.update(cases={"ord": {}}), "ending: replacement"),
        ("lexicon.yaml", lambda d: d["matters"].pop("refund_status"), "missing; a colleague hears it"),
        ("lexicon.yaml", lambda d: d["matters"].update(singing="a song"), "not one of"),
        ("lexicon.yaml", lambda d: d["handover_reasons"].update(fraud=""), "missing; a colleague hears it"),
        ("lexicon.yaml", lambda d: d["handover_reasons"].update(fraud="It may be " * 9), "too many to whisper"),
    ],
)
def test_fault_is_found(packs: Path, file: str, change: Any, expected: str) -> None:
    problems = [problem for problem in found(packs, file, change) if expected in problem.cure]
    assert problems, expected
    assert not problems[0].warning
    assert problems[0].line or "missing" in problems[0].cure or file != problems[0].file


def test_a_sentence_nearer_to_another_intent_is_a_doubt(packs: Path) -> None:
    problems = found(packs, "intents.yaml", lambda d: d["affirm"]["asr"].append("where is my order and parcel"))
    doubts = [problem for problem in problems if problem.key.startswith("affirm")]
    assert doubts and all("nearer to order_status" in doubt.cure for doubt in doubts)


def test_the_line_is_the_one_in_the_file(packs: Path) -> None:
    path = packs / "en-IN" / "responses.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("  - One moment"))
    lines[at] = "  - One moment, TODO."
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (problem,) = validate_pack(packs / "en-IN").faults
    assert (problem.file, problem.line) == ("responses.yaml", at + 1)
    assert str(problem).startswith(f"responses.yaml:{at + 1}: checking[")
