"""A simulated caller: lives one scenario over a simulated call, listening and answering as a person would."""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from app.simulate.carrier import SimulatedCall
from app.simulate.measure import Act, TurnTiming, timings
from app.simulate.playout import HeardFrame
from app.simulate.scenario import Reply, Step
from app.simulate.voices import Script, Spoken
from app.simulate.wire import CarrierRefusal

AGENT_QUIET_SECONDS: Final = 0.7
REACTION_SECONDS: Final = (0.3, 0.6)
KEY_SECONDS: Final = 0.18
FAREWELL_SECONDS: Final = 20.0
_LOOK_SECONDS: Final = 0.02
_WORDS_SECONDS: Final = 1.5


class AgentWords(Protocol):
    """Tells what the agent said, as text; the caller answers questions by it."""

    async def said_since(self, carrier_call_id: str, count: int) -> Sequence[str]:
        """Returns the agent's sentences after the first `count`."""
        ...


class GaveUp(Exception):
    """The caller cannot go on with the scenario; the text says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a caller experienced.

    Attributes:
        carrier_call_id: The carrier's id of the call.
        seconds: From answer to hang-up.
        turns: One entry per act of the caller.
        ended_by: `caller`, `agent`, or `carrier` for a call that never worked.
        complaints: Why the scenario was not lived to its end, and every broken rule of the carrier's protocol.
        agent_seconds: How much audio of the agent the caller heard.
    """

    carrier_call_id: str
    seconds: float
    turns: tuple[TurnTiming, ...]
    ended_by: str
    complaints: tuple[str, ...]
    agent_seconds: float


class Caller:
    """One person on the line. `on_frame` of this object must be the call's `on_heard`."""

    def __init__(
        self,
        script: Script,
        *,
        words: AgentWords | None = None,
        seed: int = 0,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        """Prepares for one call.

        Args:
            script: What to do, with its audio.
            words: How to learn the agent's words; without it, `replies` of the scenario are never used.
            seed: Makes the reaction times repeatable.
            tell: Is told what the caller does, line by line.
        """
        self._script = script
        self._words = words
        self._random = random.Random(f"{script.scenario.name}/{seed}")
        self._tell = tell or (lambda _: None)
        self._acts: list[Act] = []
        self._last_loud = 0.0
        self._mark = 0.0
        self._sentences_seen = 0
        self._last_step = 0
        self._replies_used = [0] * len(script.replies)
        self._call: SimulatedCall | None = None

    def on_frame(self, frame: HeardFrame) -> None:
        """Hears 20 ms of the agent."""
        if frame.loud:
            self._last_loud = frame.at

    async def live(self, call: SimulatedCall) -> Outcome:
        """Rings, goes through the scenario, hangs up if the agent has not, and says how it was."""
        self._call = call
        call.mouth = self._script.mouth()
        complaints: list[str] = []
        answered_at = time.monotonic()
        try:
            await call.dial()
            answered_at = self._mark = time.monotonic()
            for number, step in enumerate(self._script.scenario.steps):
                await self._take(number, step)
            await self._hear_the_end()
        except GaveUp as reason:
            complaints.append(str(reason))
        except CarrierRefusal as refusal:
            complaints.append(f"the call did not come up: {refusal}")
        if call.live:
            await call.hang_up()
        ending = await call.wait_ended()
        ended_by = "carrier" if ending.status == "failed" else "caller" if ending.source == "Caller" else "agent"
        return Outcome(
            call.call_id,
            round(time.monotonic() - answered_at, 2),
            tuple(timings(self._acts, call.heard, call.events, answered_at)),
            ended_by,
            (*complaints, *call.faults),
            round(len(call.heard) * 0.02, 2),
        )

    # the scenario

    async def _take(self, number: int, step: Step) -> None:
        label, spoken = f"steps[{number}]", self._script.steps[number]
        if step.wait_for == "call_ended":
            await self._wait_for_end(label)
            return
        await self._wait(label, step)
        if step.pause_ms:
            await asyncio.sleep(step.pause_ms / 1_000)
        if step.hang_up:
            await self._line().hang_up()
        elif step.press is not None:
            self._last_step = number
            await self._press(label, step.press, step.answered)
        elif spoken is not None:
            self._last_step = number
            await self._speak(label, spoken, _words(step), step)

    async def _wait(self, label: str, step: Step) -> None:
        if step.interrupt_after_ms is not None:
            await self._until_agent_speaks(label)
            await asyncio.sleep(step.interrupt_after_ms / 1_000)
        elif step.wait_for == "agent_speaking":
            await self._until_agent_speaks(label)
        elif step.wait_for == "agent_done":
            await self._until_agent_done(label)
            while await self._answer_question():
                await self._until_agent_done(label)
            await asyncio.sleep(self._random.uniform(*REACTION_SECONDS))

    async def _speak(self, label: str, spoken: Spoken, words: str, step: Step | None = None) -> None:
        self._check_live(label)
        utterance = self._line().speak(spoken.mulaw)
        interrupts = step is not None and step.interrupt_after_ms is not None
        answered = step is None or step.answered
        self._acts.append(Act(label, "voice", words, answered, interrupts, spoken, utterance))
        self._tell(words)
        if step is not None and step.hang_up_after_ms is not None:
            await asyncio.sleep(step.hang_up_after_ms / 1_000)
            await self._line().hang_up()
            return
        await utterance.finished()
        self._mark = self._acts[-1].end or time.monotonic()

    async def _press(self, label: str, keys: str, answered: bool) -> None:
        for key in keys:
            self._check_live(label)
            self._line().send_digit(key)
            self._mark = time.monotonic()
            await asyncio.sleep(KEY_SECONDS)
        self._acts.append(Act(label, "keypad", keys, answered, at=self._mark))
        self._tell(keys)

    async def _answer_question(self) -> bool:
        """Answers if the agent's latest words are a question the caller expected; returns whether it did."""
        if self._words is None or not self._script.replies:
            return False
        asked = " ".join(await self._new_sentences())
        for number, reply in enumerate(self._script.scenario.replies):
            due = self._last_step >= reply.after_step and self._replies_used[number] < reply.at_most
            if due and re.search(reply.when, asked, re.IGNORECASE):
                self._replies_used[number] += 1
                await self._give(number, reply)
                return True
        return False

    async def _give(self, number: int, reply: Reply) -> None:
        await asyncio.sleep(self._random.uniform(*REACTION_SECONDS) / 2)
        label, spoken, last = f"replies[{number}]", self._script.replies[number], self._last_step
        step = self._script.scenario.steps[last]
        if reply.say is not None and spoken is not None:
            await self._speak(label, spoken, reply.say.words)
        elif step.press is not None:
            await self._press(label, step.press, answered=True)
        elif (again := self._script.again[last]) is not None:
            await self._speak(label, again, _words(step))

    async def _new_sentences(self) -> Sequence[str]:
        if self._words is None:
            return ()
        deadline = time.monotonic() + _WORDS_SECONDS
        while True:
            said = await self._words.said_since(self._line().call_id, self._sentences_seen)
            if said or time.monotonic() > deadline:
                self._sentences_seen += len(said)
                return said
            await asyncio.sleep(0.1)

    # waiting and listening

    def _line(self) -> SimulatedCall:
        if self._call is None:
            raise GaveUp("there is no call")
        return self._call

    def _check_live(self, label: str) -> None:
        if not self._line().live:
            raise GaveUp(f"{label}: the call was over before the caller could do this")

    async def _until_agent_speaks(self, label: str) -> None:
        await self._until(label, lambda now: self._last_loud > self._mark, "the agent did not speak")

    async def _until_agent_done(self, label: str) -> None:
        call = self._line()

        def done(now: float) -> bool:
            spoke = self._last_loud > self._mark
            return spoke and now - self._last_loud >= AGENT_QUIET_SECONDS and call.queued_seconds == 0

        await self._until_agent_speaks(label)
        while not done(time.monotonic()):
            self._check_live(label)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _until(self, label: str, true: Callable[[float], bool], otherwise: str) -> None:
        patience = self._script.scenario.patience_seconds
        began = time.monotonic()
        while not true(now := time.monotonic()):
            self._check_live(label)
            if now - began > patience:
                raise GaveUp(f"{label}: {otherwise} within {patience:g} s")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _wait_for_end(self, label: str) -> None:
        """Waits for the agent to hang up, as long as it keeps talking now and then."""
        limit = self._script.scenario.expect.longest_seconds or 120.0
        await self._within(self._line().wait_ended(), limit, f"{label}: the agent did not hang up within {limit:g} s")

    async def _hear_the_end(self) -> None:
        """Hears the last answer out before hanging up; answers a last question."""
        call, last = self._line(), self._script.scenario.steps[-1]
        if not call.live or last.hang_up or last.wait_for == "call_ended" or not last.answered:
            return
        try:
            await self._until_agent_done("after the last step")
            while await self._answer_question():
                await self._until_agent_done("after the last step")
        except GaveUp:
            if call.live:
                raise

    async def _within(self, waiting: Awaitable[object], seconds: float, otherwise: str) -> None:
        try:
            await asyncio.wait_for(waiting, seconds)
        except TimeoutError as error:
            raise GaveUp(otherwise) from error


def _words(step: Step) -> str:
    return step.say.words if step.say is not None else str(step.wav or "")
