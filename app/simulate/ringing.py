"""Rings a server with scenarios: one simulated carrier, one voice box, any number of callers at once."""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from app.simulate.caller import Caller
from app.simulate.carrier import Parties, SimulatedCall
from app.simulate.exchange import SimulatedPlivo
from app.simulate.media import Network
from app.simulate.readback import Readback
from app.simulate.scenario import Scenario
from app.simulate.verdict import CallReport, judge
from app.simulate.voices import Script, prepare
from app.speech.tts.espeak import EspeakTts

ANSWER_PATH: Final = "/v1/plivo/answer"
HANGUP_PATH: Final = "/v1/plivo/hangup"


@dataclass(frozen=True, slots=True)
class Target:
    """The server to ring.

    Attributes:
        url: Its public address: the one it believes in, as it signs with it.
        to_number: A number of a tenant, E.164.
        auth_id: The Plivo account of that tenant.
        lines: Language -> the number that greets in it, where there are several.
    """

    url: str
    to_number: str
    auth_id: str
    lines: Mapping[str, str] = field(default_factory=dict)

    def number_for(self, scenario: Scenario) -> str:
        """Returns the number that a scenario rings."""
        return self.lines.get(scenario.dials or scenario.language, self.to_number)


class StoredWords:
    """The agent's sentences as the server stores them, call by call."""

    def __init__(self, readback: Readback) -> None:
        self._readback = readback
        self._ids: dict[str, str] = {}

    async def said_since(self, carrier_call_id: str, count: int) -> Sequence[str]:
        """Returns the agent's sentences after the first `count`."""
        if carrier_call_id not in self._ids:
            row = await self._readback.find_call(carrier_call_id)
            if row is None:
                return ()
            self._ids[carrier_call_id] = row["id"]
        events = await self._readback.events(self._ids[carrier_call_id])
        return [event["data"]["text"] for event in events if event["kind"] == "agent_turn"][count:]


def voiced(scenarios: Sequence[tuple[Scenario, Path]]) -> list[Script]:
    """Voices scenarios, each with the folder of its file; blocks for a moment per sentence.

    Raises:
        ConfigError: A voice is unknown, or a WAV file cannot be used.
    """
    engine = EspeakTts()
    return [prepare(scenario, engine, folder) for scenario, folder in scenarios]


def renumbered(script: Script, offset: int) -> Script:
    """Returns the script for the `offset`th caller of the same scenario: another telephone number."""
    return _from(script, int(script.scenario.from_number[1:]) + offset)


def _from(script: Script, number: int) -> Script:
    return replace(script, scenario=script.scenario.model_copy(update={"from_number": f"+{number}"}))


async def ring(
    script: Script,
    target: Target,
    plivo: SimulatedPlivo,
    readback: Readback | None = None,
    *,
    seed: int = 0,
    tell: Callable[[str], None] | None = None,
    on_call: Callable[[SimulatedCall], None] | None = None,
) -> CallReport:
    """Rings once, lives the scenario and checks the outcome.

    Args:
        script: What the caller does.
        target: Whom to ring.
        plivo: The carrier; it knows the target's account.
        readback: The tenant's view; without it the stored side is not checked.
        seed: Makes reaction times and line losses repeatable.
        tell: Is told what the caller does, line by line.
        on_call: Is given the call before it rings.
    """
    if script.scenario.new_caller:
        script = _from(script, int(script.scenario.from_number[1:-6]) * 10**6 + secrets.randbelow(10**6))
    scenario = script.scenario
    words = StoredWords(readback) if readback is not None else None
    caller = Caller(script, words=words, seed=seed, tell=tell)
    parties = Parties(
        from_number=scenario.from_number.lstrip("+"),
        to_number=target.number_for(scenario).lstrip("+"),
        answer_url=target.url.rstrip("/") + ANSWER_PATH,
        hangup_url=target.url.rstrip("/") + HANGUP_PATH,
    )
    network = Network(loss=scenario.line.loss, jitter_ms=scenario.line.jitter_ms, seed=seed)
    call = plivo.call(parties, auth_id=target.auth_id, network=network, on_heard=caller.on_frame)
    if on_call is not None:
        on_call(call)
    outcome = await caller.live(call)
    return await judge(scenario, outcome, readback)


async def ring_all(
    scripts: Sequence[Script],
    target: Target,
    plivo: SimulatedPlivo,
    readback: Readback | None = None,
    *,
    concurrency: int = 1,
    on_report: Callable[[CallReport], None] | None = None,
) -> list[CallReport]:
    """Rings with every script, `concurrency` calls at a time, a little apart as callers are; keeps their order."""
    gate = asyncio.Semaphore(concurrency)

    async def one(number: int, script: Script) -> CallReport:
        async with gate:
            await asyncio.sleep(0.37 * (number % concurrency))
            report = await ring(script, target, plivo, readback, seed=number)
        if on_report is not None:
            on_report(report)
        return report

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number, script)) for number, script in enumerate(scripts)]
    return [task.result() for task in tasks]
