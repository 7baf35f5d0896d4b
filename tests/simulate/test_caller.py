"""The simulated caller against a small agent written here, which talks, listens and falls silent by loudness alone."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Sequence

import pytest
from websockets.asyncio.server import ServerConnection, serve

from app.simulate.caller import Caller, Outcome
from app.simulate.carrier import Parties
from app.simulate.exchange import SimulatedPlivo
from app.simulate.scenario import Reply, Say, Scenario, Step
from app.simulate.voices import Script, Spoken
from tests.simulate.test_carrier import AUTH_ID, AUTH_TOKEN, STREAM, Server, play

pytestmark = pytest.mark.integration

LOUD = b"\x10\x90" * 80
OPENING_FRAMES, ANSWER_FRAMES, PATIENCE_FRAMES = 20, 60, 15


class LoudnessAgent:
    """Opens, then answers each utterance `PATIENCE_FRAMES` after its end; clears its audio when talked to."""

    def __init__(self, *, answers: int = 99, yields: bool = True, hangs_up_after: int = 99) -> None:
        self.digits = ""
        self.answered = 0
        self.longest_voice_frames = 0
        self._most = answers
        self._yields = yields
        self._hang_up = hangs_up_after
        self._until = 0.0

    async def __call__(self, socket: ServerConnection) -> None:
        stream_id = json.loads(await socket.recv())["start"]["streamId"]
        await self._talk(socket, OPENING_FRAMES)
        quiet = voiced = 0
        async for message in socket:
            fields = json.loads(message)
            if fields["event"] == "dtmf":
                self.digits += fields["dtmf"]["digit"]
                if fields["dtmf"]["digit"] == "#":
                    await self._answer(socket)
            if fields["event"] != "media":
                continue
            if set(base64.b64decode(fields["media"]["payload"])) == {0xFF}:
                quiet += 1
                if voiced and quiet == PATIENCE_FRAMES:
                    voiced = 0
                    await self._answer(socket)
            else:
                quiet, voiced = 0, voiced + 1
                self.longest_voice_frames = max(self.longest_voice_frames, voiced)
                if voiced == 3 and self._yields and time.monotonic() < self._until:
                    self._until = 0.0
                    await socket.send(json.dumps({"event": "clearAudio", "streamId": stream_id}))

    async def _answer(self, socket: ServerConnection) -> None:
        if self.answered < self._most:
            self.answered += 1
            await self._talk(socket, ANSWER_FRAMES)
        if self.answered >= self._hang_up:
            await asyncio.sleep(0.3)
            await socket.close()

    async def _talk(self, socket: ServerConnection, frames: int) -> None:
        self._until = time.monotonic() + frames * 0.02
        await socket.send(play(LOUD * frames))


class Words:
    """The agent's sentences, one more each time the caller asks."""

    def __init__(self, *sentences: str) -> None:
        self._sentences = sentences
        self._asked = 0

    async def said_since(self, carrier_call_id: str, count: int) -> Sequence[str]:
        self._asked += 1
        return self._sentences[count : self._asked]


@pytest.fixture
async def plivo() -> AsyncIterator[SimulatedPlivo]:
    async with SimulatedPlivo({AUTH_ID: AUTH_TOKEN}) as plivo:
        yield plivo


async def lived(
    plivo: SimulatedPlivo,
    agent: LoudnessAgent,
    *steps: Step,
    replies: tuple[Reply, ...] = (),
    words: Words | None = None,
    patience_seconds: float = 2.0,
) -> Outcome:
    scenario = Scenario(
        name="t",
        summary="t",
        language="hi-IN",
        voices={"hi-IN": "hi+m5"},
        from_number="+919876500001",
        steps=steps,
        replies=replies,
        patience_seconds=patience_seconds,
    )
    spoken = Spoken.of(LOUD * 25, "test")
    said = tuple(spoken if step.say else None for step in steps)
    again = tuple(Spoken.of(LOUD * 40, "test") if step.say else None for step in steps)
    script = Script(scenario, said, again, tuple(spoken if reply.say else None for reply in replies))
    server = Server()
    server.handler = agent
    async with serve(server.media, "127.0.0.1", 0, compression=None) as sockets:
        http = await asyncio.start_server(server.http, "127.0.0.1", 0)
        server.ws_url = f"ws://127.0.0.1:{next(iter(sockets.sockets)).getsockname()[1]}/media"
        server.url = f"http://127.0.0.1:{http.sockets[0].getsockname()[1]}"
        server.xml = STREAM
        caller = Caller(script, words=words)
        parties = Parties("919876500001", "918012345678", server.url + "/answer", hangup_url=server.url + "/hangup")
        outcome = await caller.live(plivo.call(parties, auth_id=AUTH_ID, on_heard=caller.on_frame))
        http.close()
    return outcome


SAY = Step(say=Say(text="एक"))


async def test_the_caller_waits_answers_and_measures_as_it_hears(plivo: SimulatedPlivo) -> None:
    agent = LoudnessAgent()
    outcome = await lived(plivo, agent, SAY, Step(press="12#"))
    assert outcome.complaints == () and outcome.ended_by == "caller"
    assert agent.answered == 2 and agent.digits == "12#"
    voice, keys = outcome.turns
    assert voice.at_ms > OPENING_FRAMES * 20 + 700 + 300
    assert voice.reply_ms is not None and 280 < voice.reply_ms < 480
    assert keys.by == "keypad" and keys.reply_ms is not None and keys.reply_ms < 150


async def test_an_interruption_is_timed_at_the_carrier(plivo: SimulatedPlivo) -> None:
    interrupting = Step(say=Say(text="बस"), interrupt_after_ms=400)
    outcome = await lived(plivo, LoudnessAgent(), SAY, interrupting)
    first, second = outcome.turns
    assert first.barge_in_ms is None
    assert second.barge_in_ms is not None and 40 <= second.barge_in_ms <= 160


async def test_an_agent_that_does_not_yield_was_not_stopped(plivo: SimulatedPlivo) -> None:
    murmur = Step(say=Say(text="हाँ"), interrupt_after_ms=200, answered=False)
    outcome = await lived(plivo, LoudnessAgent(answers=1, yields=False), SAY, murmur)
    assert outcome.turns[1].barge_in_ms is None and outcome.turns[1].reply_ms is None


async def test_a_question_that_may_come_is_answered_and_then_the_scenario_goes_on(plivo: SimulatedPlivo) -> None:
    agent = LoudnessAgent()
    reply = Reply(when="is that right", say=Say(text="हाँ"), at_most=1)
    outcome = await lived(
        plivo, agent, SAY, SAY, replies=(reply,), words=Words("welcome", "4512, is that right?", "fine", "bye")
    )
    assert [turn.label for turn in outcome.turns] == ["steps[0]", "replies[0]", "steps[1]"]
    assert outcome.complaints == ()


async def test_asked_again_the_caller_says_the_same_more_slowly(plivo: SimulatedPlivo) -> None:
    agent = LoudnessAgent()
    reply = Reply(when="say that again", repeat=True)
    outcome = await lived(plivo, agent, SAY, replies=(reply,), words=Words("welcome", "say that again", "fine"))
    assert [turn.words for turn in outcome.turns] == ["एक", "एक"]
    assert agent.longest_voice_frames == 40 and agent.answered == 2


async def test_a_silent_agent_is_complained_about(plivo: SimulatedPlivo) -> None:
    outcome = await lived(plivo, LoudnessAgent(answers=0), SAY, SAY, patience_seconds=0.8)
    assert outcome.complaints == ("steps[1]: the agent did not speak within 0.8 s",)
    assert outcome.turns[0].reply_ms is None


async def test_the_agent_may_hang_up(plivo: SimulatedPlivo) -> None:
    outcome = await lived(plivo, LoudnessAgent(hangs_up_after=1), SAY, Step(wait_for="call_ended"))
    assert outcome.ended_by == "agent" and outcome.complaints == ()


async def test_a_call_that_ends_too_early_is_complained_about(plivo: SimulatedPlivo) -> None:
    outcome = await lived(plivo, LoudnessAgent(hangs_up_after=1), SAY, SAY, SAY)
    assert outcome.ended_by == "agent"
    assert outcome.complaints[0].startswith("steps[1]: the call was over")


async def test_hanging_up_in_the_middle_of_a_sentence(plivo: SimulatedPlivo) -> None:
    outcome = await lived(plivo, LoudnessAgent(), Step(say=Say(text="एक"), hang_up_after_ms=200, answered=False))
    assert outcome.ended_by == "caller" and outcome.complaints == ()
    assert outcome.turns[0].reply_ms is None and outcome.seconds < 3.5


async def test_a_call_that_does_not_come_up_is_the_carriers(plivo: SimulatedPlivo) -> None:
    scenario = Scenario(
        name="t", summary="t", language="x", voices={"x": "y"}, from_number="+919876500001", steps=(SAY,)
    )
    caller = Caller(Script(scenario, (Spoken.of(LOUD, "t"),), (None,), ()))
    outcome = await caller.live(plivo.call(Parties("1", "2", "http://127.0.0.1:9/answer"), auth_id=AUTH_ID))
    assert outcome.ended_by == "carrier" and "did not come up" in outcome.complaints[0]
