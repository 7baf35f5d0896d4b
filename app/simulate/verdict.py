"""Whether a simulated call reached its goal: what the caller heard and the server stored, against the scenario."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from app.simulate.caller import Outcome
from app.simulate.readback import Readback
from app.simulate.scenario import Expect, Scenario


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be true, whether it is, and what was found instead."""

    name: str
    ok: bool
    found: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the call as the server stored it."""

    at_ms: int
    author: str
    text: str
    language: str | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the server knows of the call; `phone` is what WhatsApp shows the caller."""

    call: Mapping[str, Any]
    events: Sequence[Mapping[str, Any]]
    phone: Sequence[Mapping[str, Any]]
    sees_whatsapp: bool

    def data(self, kind: str) -> list[Mapping[str, Any]]:
        """Returns the data of all events of a kind, in order."""
        return [event["data"] for event in self.events if event["kind"] == kind]

    @property
    def agent_text(self) -> str:
        """Everything the agent said and the caller heard."""
        return " ".join(str(turn.get("heard_text", turn["text"])) for turn in self.data("agent_turn"))


@dataclass(frozen=True, slots=True)
class CallReport:
    """One call, lived and checked."""

    scenario: str
    outcome: Outcome
    checks: tuple[Check, ...]
    call_id: str | None = None
    lines: tuple[Line, ...] = ()
    whatsapp: tuple[Mapping[str, Any], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the call reached its goal."""
        return not self.outcome.complaints and all(check.ok for check in self.checks)


async def judge(scenario: Scenario, outcome: Outcome, readback: Readback | None) -> CallReport:
    """Checks a call that is over.

    Args:
        scenario: What was expected.
        outcome: What the caller experienced.
        readback: The tenant's view of the server; None: only what the caller experienced is checked.
    """
    checks = list(_experience(scenario.expect, outcome))
    if readback is None:
        return CallReport(scenario.name, outcome, tuple(checks))
    row = await readback.find_call(outcome.carrier_call_id)
    if row is None:
        checks.append(Check("stored", False, "GET /v1/calls does not list the call"))
        return CallReport(scenario.name, outcome, tuple(checks))
    template = scenario.expect.whatsapp.template if scenario.expect.whatsapp else None
    stored = Stored(
        await readback.ended_call(row["id"]),
        await readback.events(row["id"]),
        await readback.phone(scenario.from_number, template),
        readback.sees_whatsapp,
    )
    checks += _stored(scenario.expect, stored)
    return CallReport(
        scenario.name, outcome, tuple(checks), row["id"], tuple(lines(stored.events)), tuple(stored.phone)
    )


def lines(events: Iterable[Mapping[str, Any]]) -> list[Line]:
    """Returns the turns and actions among a call's events, as a person reads them."""
    found = []
    for event in events:
        data, at_ms = event["data"], event["at_ms"]
        match event["kind"]:
            case "caller_turn":
                note = " ".join(
                    [data["intent"], *(f"{part['kind']}={part['value']}" for part in data.get("entities", ()))]
                )
                found.append(Line(at_ms, "caller", data["text"], data.get("language") or data["reply_language"], note))
            case "agent_turn":
                note = f"disclosure {data['disclosure']}" if data.get("disclosure") else ""
                note += "" if data.get("complete", True) else " (cut off)"
                found.append(Line(at_ms, "agent", data.get("heard_text", data["text"]), data["language"], note.strip()))
            case "action":
                shown = {key: value for key, value in data.items() if key != "action" and not key.endswith("_id")}
                detail = ", ".join(f"{key} {value}" for key, value in shown.items() if value)
                found.append(Line(at_ms, "action", str(data["action"]), None, detail))
            case "interruption" | "backchannel" | "false_alarm" | "silence" | "stage_failed" | "dtmf" as kind:
                found.append(Line(at_ms, "event", kind, None, ", ".join(str(value) for value in data.values())))
    return found


def _experience(expect: Expect, outcome: Outcome) -> Iterable[Check]:
    yield Check("no complaint", not outcome.complaints, "; ".join(outcome.complaints))
    if expect.ended_by is not None:
        yield Check(f"ended by the {expect.ended_by}", outcome.ended_by == expect.ended_by, outcome.ended_by)
    if expect.longest_seconds is not None:
        in_time = outcome.seconds <= expect.longest_seconds
        yield Check(f"over within {expect.longest_seconds:g} s", in_time, f"{outcome.seconds:g} s")
    talked_over = [turn.words for turn in outcome.turns if turn.talked_over]
    yield Check("the caller could finish speaking", not talked_over, " | ".join(talked_over))


def _stored(expect: Expect, stored: Stored) -> Iterable[Check]:
    said = stored.agent_text
    for pattern in expect.heard:
        yield Check(f"heard /{pattern}/", bool(re.search(pattern, said, re.IGNORECASE)), said[-200:])
    for pattern in expect.not_heard:
        yield Check(f"not heard /{pattern}/", not re.search(pattern, said, re.IGNORECASE), said[-200:])
    yield from _turns(expect, stored)
    kinds = [event["kind"] for event in stored.events]
    for kind in expect.events:
        yield Check(f"event {kind}", kind in kinds, ", ".join(sorted(set(kinds))))
    for kind in expect.no_events:
        yield Check(f"no event {kind}", kind not in kinds, ", ".join(sorted(set(kinds))))
    actions = [str(data["action"]) for data in stored.data("action")]
    for action in expect.actions:
        yield Check(f"action {action}", action in actions, ", ".join(actions))
    yield Check("the end is stored", bool(stored.call.get("ended_at")), str(stored.call.get("status")))
    yield from _afterwards(expect, stored)


def _turns(expect: Expect, stored: Stored) -> Iterable[Check]:
    callers, agents = stored.data("caller_turn"), stored.data("agent_turn")
    disclosed = [str(turn["disclosure"]) for turn in agents if turn.get("disclosure") and turn.get("complete", True)]
    if expect.disclosures:
        yield Check("disclosures", _in_order(expect.disclosures, disclosed), ", ".join(disclosed))
    spoken = {turn.get("language") for turn in callers}
    for language in expect.caller_languages:
        yield Check(f"recognised as {language}", language in spoken, ", ".join(map(str, spoken)))
    if expect.agent_languages:
        languages = [language for language, _ in groupby(turn["language"] for turn in agents)]
        yield Check("the agent's languages", languages == list(expect.agent_languages), ", ".join(languages))
    intents = [str(turn["intent"]) for turn in callers]
    if expect.intents:
        yield Check("intents", _in_order(expect.intents, intents), ", ".join(intents))
    entities = {(part["kind"], part["value"]) for turn in callers for part in turn.get("entities", ())}
    keyed = {str(turn["text"]) for turn in callers if turn.get("by") == "keypad"}
    for kind, value in expect.entities.items():
        heard = (kind, value) in entities or (kind == "digits" and value in keyed)
        yield Check(f"{kind} {value}", heard, ", ".join(f"{name}={held}" for name, held in sorted(entities)))


def _afterwards(expect: Expect, stored: Stored) -> Iterable[Check]:
    if expect.whatsapp is not None:
        wanted = (expect.whatsapp.template, expect.whatsapp.language)
        arrived = [(bubble["template"], bubble["language"]) for bubble in stored.phone]
        if stored.sees_whatsapp:
            yield Check(f"WhatsApp {wanted[0]} in {wanted[1]} arrived", wanted in arrived, str(arrived))
        languages = [data.get("language") for data in stored.data("action") if data["action"] == "handoff_whatsapp"]
        yield Check("handoff stored", bool(languages), ", ".join(map(str, languages)))
    if expect.suppressed:
        outcomes = [data for data in stored.data("action") if data["action"] == "opt_out"]
        yield Check("opt-out recorded", bool(outcomes), str(outcomes))


def _in_order(wanted: Sequence[str], found: Sequence[str]) -> bool:
    """Returns whether `wanted` is a subsequence of `found`."""
    rest = iter(found)
    return all(any(item == held for held in rest) for item in wanted)
