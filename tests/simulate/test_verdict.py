from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from app.simulate.caller import Outcome
from app.simulate.measure import TurnTiming
from app.simulate.report import as_json, latency_table, reply_times
from app.simulate.scenario import Expect, Scenario
from app.simulate.verdict import CallReport, judge

pytestmark = pytest.mark.unit

TURN = TurnTiming("steps[0]", "voice", "मेरा order कहाँ है", 9000, reply_ms=612.0)


def outcome(**changes: Any) -> Outcome:
    values: dict[str, Any] = {
        "carrier_call_id": "uuid-1",
        "seconds": 40.0,
        "turns": (TURN,),
        "ended_by": "caller",
        "complaints": (),
        "agent_seconds": 20.0,
        **changes,
    }
    return Outcome(**values)


def event(kind: str, at_ms: int = 0, **data: Any) -> dict[str, Any]:
    return {"kind": kind, "at_ms": at_ms, "data": data}


def agent(text: str, language: str = "hi-IN", **data: Any) -> dict[str, Any]:
    return event("agent_turn", text=text, heard_text=text, complete=True, language=language, **data)


def caller(intent: str, language: str = "hi-IN", **data: Any) -> dict[str, Any]:
    return event(
        "caller_turn", text="...", by="voice", language=language, reply_language=language, intent=intent, **data
    )


EVENTS = [
    agent("नमस्ते, यह Sundar Stores है।", disclosure="entity"),
    agent("मैं एक स्वचालित सहायक हूँ।", disclosure="ai"),
    caller("order_status"),
    agent("अपना ऑर्डर नंबर बताइए"),
    caller("inform", entities=[{"kind": "digits", "value": "4512"}]),
    agent("आपका ऑर्डर रास्ते में है।"),
    caller("switch_to_whatsapp"),
    event("action", action="handoff_whatsapp", reason="switch_to_whatsapp", language="hi", status="sent"),
    event("ended", reason="stream_closed"),
]


class Kept:
    """What a server would tell."""

    sees_whatsapp = True

    def __init__(self, events: Sequence[Mapping[str, Any]] = EVENTS, phone: Sequence[Mapping[str, Any]] = ()) -> None:
        self._events = list(events)
        self._phone = list(phone)

    async def find_call(self, carrier_call_id: str) -> dict[str, Any] | None:
        return {"id": "call_1"} if carrier_call_id == "uuid-1" else None

    async def ended_call(self, call_id: str) -> dict[str, Any]:
        return {"id": call_id, "status": "completed", "ended_at": "2026-11-21T00:00:00Z"}

    async def events(self, call_id: str) -> list[Mapping[str, Any]]:
        return self._events

    async def phone(self, number: str, template: str | None = None) -> list[Mapping[str, Any]]:
        return self._phone


def scenario(**expect: Any) -> Scenario:
    return Scenario(
        name="t",
        summary="t",
        language="hi-IN",
        voices={"hi-IN": "hi+m5"},
        from_number="+919876500001",
        steps=({"wait_for": "call_ended"},),
        expect=Expect(**expect),
    )


async def judged(kept: Kept | None = None, *, lived: Outcome | None = None, **expect: Any) -> CallReport:
    return await judge(scenario(**expect), lived or outcome(), kept or Kept())  # type: ignore[arg-type]


BUBBLE = {"template": "call_handoff", "language": "hi", "text": "नमस्ते"}


async def test_a_call_that_met_everything_reached_its_goal() -> None:
    report = await judged(
        Kept(phone=[BUBBLE]),
        heard=["रास्ते में"],
        not_heard=["system"],
        disclosures=["entity", "ai"],
        caller_languages=["hi-IN"],
        agent_languages=["hi-IN"],
        intents=["order_status", "switch_to_whatsapp"],
        entities={"digits": "4512"},
        events=["ended"],
        no_events=["interruption"],
        actions=["handoff_whatsapp"],
        whatsapp={"template": "call_handoff", "language": "hi"},
        ended_by="caller",
        longest_seconds=60,
    )
    assert report.ok, [check for check in report.checks if not check.ok]
    assert [line.author for line in report.lines].count("caller") == 3
    assert reply_times([report]) == [612.0]
    assert as_json([report])["reply_ms"] == {"p50": 612.0, "p95": 612.0, "p99": 612.0}
    assert latency_table([report]).row_count == 2


@pytest.mark.parametrize(
    "expect",
    [
        {"heard": ["डिलीवर"]},
        {"not_heard": ["रास्ते"]},
        {"disclosures": ["ai", "entity"]},
        {"disclosures": ["entity", "ai", "recording"]},
        {"caller_languages": ["ta-IN"]},
        {"agent_languages": ["hi-IN", "en-IN"]},
        {"intents": ["switch_to_whatsapp", "order_status"]},
        {"entities": {"digits": "4521"}},
        {"events": ["interruption"]},
        {"no_events": ["ended"]},
        {"actions": ["opt_out"]},
        {"whatsapp": {"template": "call_handoff", "language": "ta"}},
        {"suppressed": True},
        {"ended_by": "agent"},
        {"longest_seconds": 30},
    ],
)
async def test_each_unmet_expectation_misses_the_goal(expect: dict[str, Any]) -> None:
    report = await judged(Kept(phone=[BUBBLE]), **expect)
    assert not report.ok and any(not check.ok for check in report.checks)


async def test_a_disclosure_that_was_cut_off_does_not_count() -> None:
    cut = [{**EVENTS[0], "data": {**EVENTS[0]["data"], "complete": False}}, *EVENTS[1:]]
    assert not (await judged(Kept(cut), disclosures=["entity", "ai"])).ok


async def test_keyed_digits_count_as_digits() -> None:
    keyed = [event("caller_turn", text="4512", by="keypad", intent="inform", reply_language="hi-IN")]
    assert (await judged(Kept(keyed), entities={"digits": "4512"})).ok


async def test_complaints_and_being_talked_over_miss_the_goal() -> None:
    assert not (await judged(lived=outcome(complaints=("playFailed",)))).ok
    rude = TurnTiming("steps[0]", "voice", "अ", 0, talked_over=True)
    assert not (await judged(lived=outcome(turns=(rude,)))).ok


async def test_a_call_that_the_server_does_not_know_misses_the_goal() -> None:
    report = await judged(lived=outcome(carrier_call_id="other"))
    assert [check.name for check in report.checks if not check.ok] == ["stored"]


async def test_without_a_key_only_the_callers_side_is_checked() -> None:
    report = await judge(scenario(heard=["x"], ended_by="caller"), outcome(), None)
    assert report.ok and report.call_id is None
