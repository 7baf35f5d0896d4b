"""A session between fakes of the carrier, the ear and the voice, with the real dialogue and packs, on virtual time."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from app.calls.actions import CallSoFar
from app.calls.events import CallEvent
from app.calls.session import CallContext, CallSession
from app.calls.thinking import Listening, Thinker
from app.dialogue.engine import DialogueEngine
from app.dialogue.turn import Action, ActionKind, AgentProfile, DialogueState, Reply, ToolResult, WhatsAppStanding
from app.dialogue.verification import Factor, FactorCheck, VerificationPolicy
from app.errors import MessagingError, SpeechWorkerLost
from app.language.guess import LanguageGuess
from app.nlu.understanding import Entity, Understanding
from app.speech.asr.engine import Alternative, Bias, Transcript
from app.speech.tts.engine import Voice
from tests.calls.test_playback import FakeCarrier
from tests.calls.virtual_time import run
from tests.packs import shipped_packs

pytestmark = pytest.mark.unit

WINDOW = 0.032
PACKS = shipped_packs()
PROFILE = AgentProfile(
    "tenant_a", "agent_a", "Nila Stores", ("en-IN", "hi-IN"), "en-IN", whatsapp=WhatsAppStanding.AGREED
)

MEANINGS: Mapping[str, tuple[str, tuple[Entity, ...]]] = {
    "where is my order": ("order_status", ()),
    "four five one two": ("inform", (Entity("digits", "4512", "four five one two"),)),
    "four five": ("inform", (Entity("digits", "45", "four five"),)),
    "do not call me again": ("stop_contact", ()),
    "send it on whatsapp": ("switch_to_whatsapp", ()),
    "a person please": ("human_agent", ()),
    "haan": ("affirm", ()),
    "cancel my order": ("cancel_order", ()),
    "it took too long": ("inform", ()),
    "four three two one": ("inform", (Entity("digits", "4321", "four three two one"),)),
    "nine nine nine nine": ("inform", (Entity("digits", "9999", "nine nine nine nine"),)),
    "bye": ("goodbye", ()),
    "": ("silence", ()),
}


class ScriptedThinker(Thinker):
    """Understands what the script says; everything else is real."""

    async def understand(
        self, transcript: Transcript, state: DialogueState, listening: Listening, *_: object
    ) -> Understanding:
        intent, entities = MEANINGS[transcript.text]
        return Understanding(transcript.text, intent, 0.95, LanguageGuess("en-IN", 0.9), entities)


class FakeMouth:
    def __init__(self) -> None:
        self.broken = False
        self.failures: dict[str, int] = {}

    async def prepare(self, phrases: Any, *, pinned: bool = False) -> None:
        if self.broken:
            raise SpeechWorkerLost("gone")

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes]:
        """Fails `failures[text]` times, each time after half of the sentence."""
        audio = text.encode()[:1].ljust(len(text) * 400, b"x")
        if self.failures.get(text, 0) > 0:
            self.failures[text] -= 1
            yield audio[: len(audio) // 2]
            raise SpeechWorkerLost("gone")
        yield audio


class FakeEar:
    def __init__(self, ears: "FakeEars", listener: Any) -> None:
        self.ears = ears
        self.listener = listener
        self.text = ""
        self.open = False
        self.closed = False
        self.pushed = 0
        self.broken = False
        self.seconds = 0.02
        self.biases: list[Bias | None] = []
        self.alternatives: tuple[Alternative, ...] = ()

    def push(self, mulaw: bytes) -> None:
        self.pushed += 1

    def begin(self, from_ms: int, bias: Bias | None = None) -> None:
        self.open = True
        self.biases.append(bias)

    async def finish(self) -> Transcript:
        assert self.open
        if self.broken:
            raise SpeechWorkerLost("gone")
        await asyncio.sleep(self.seconds)
        return Transcript(self.text, 0.9, (), True, alternatives=self.alternatives)

    def end(self) -> None:
        self.open = False

    def close(self) -> None:
        self.closed = True


class FakeEars:
    def __init__(self) -> None:
        self.ears: list[FakeEar] = []

    def open(self, listener: Any) -> FakeEar:
        self.ears.append(FakeEar(self, listener))
        return self.ears[-1]


class FakeActions:
    def __init__(self) -> None:
        self.performed: list[Action] = []
        self.broken = False
        self.seconds = 0.01

    async def perform(self, call: CallSoFar, action: Action) -> Mapping[str, Any]:
        await asyncio.sleep(self.seconds)
        if self.broken:
            raise MessagingError("Graph is down")
        self.performed.append(action)
        return {}

    async def remember(self, call: CallSoFar, end_reason: str) -> None: ...


class FakeTools:
    def __init__(self) -> None:
        self.calls: list[Mapping[str, str]] = []
        self.seconds = 0.05
        self.writes: list[str] = []
        self.tried: list[str] = []

    async def verify(self, factor: Factor, value: str) -> FactorCheck:
        self.tried.append(value)
        await asyncio.sleep(self.seconds)
        return FactorCheck.MATCHED if value == "4321" else FactorCheck.MISMATCHED

    async def call(self, name: str, arguments: Mapping[str, str], *, key: str | None = None) -> ToolResult:
        self.calls.append(arguments)
        if key is not None:
            self.writes.append(key)
        await asyncio.sleep(self.seconds)
        if name == "cancel_order":
            return ToolResult(True, {"order_id": arguments["order_id"], "status": "cancelled"})
        return ToolResult(True, {"order_id": "4512", "status": "shipped"}, arguments["order_id"] == "4512")

    def offers(self, name: str) -> bool:
        return name in ("order_status", "cancel_order")


class Sink:
    def __init__(self) -> None:
        self.events: list[CallEvent] = []
        self.recording = True
        self.caller = bytearray()

    def emit(self, event: CallEvent) -> None:
        self.events.append(event)

    def caller_audio(self, mulaw: bytes) -> None:
        self.caller += mulaw

    def agent_audio(self, mulaw: bytes) -> None: ...
    def agent_cleared(self) -> None: ...

    def stop_recording(self) -> None:
        self.recording = False

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        return [event.data for event in self.events if event.kind == kind]


class LineCarrier(FakeCarrier):
    """A carrier with the rest of the port."""

    def __init__(self) -> None:
        super().__init__()
        self.hung_up = False
        self.closed = False
        self.transferred: list[str] = []
        self.line: CallSession | None = None

    def send_dtmf(self, digits: str) -> None: ...

    async def hang_up(self) -> None:
        self.hung_up = True
        if self.line is not None:
            self.line.on_disconnected("stopped")
            await asyncio.sleep(0)

    async def transfer(self, number: str) -> None:
        self.transferred.append(number)

    async def close(self) -> None:
        self.closed = True


class Line:
    """One call under test."""

    def __init__(self, profile: AgentProfile = PROFILE) -> None:
        self.ears, self.actions, self.tools, self.sink = FakeEars(), FakeActions(), FakeTools(), Sink()
        self.mouth = FakeMouth()
        thinker = ScriptedThinker(PACKS, None, DialogueEngine(PACKS), self.mouth)  # type: ignore[arg-type]
        context = CallContext("call_1", "uuid-1", profile, "+919800000001", "en-IN", 600)
        self.session = CallSession(context, self.ears, thinker, self.tools, self.actions, self.sink)  # type: ignore[arg-type]
        self.ear = self.ears.ears[0]
        self.carrier = LineCarrier()
        self.running = asyncio.create_task(self.session.run())

    async def answer(self) -> None:
        self.carrier.playback = self.session  # type: ignore[assignment]
        self.session.on_started(self.carrier, "stream-1")  # type: ignore[arg-type]

    async def opened(self) -> None:
        """Answers and lets the opening be heard."""
        await self.answer()
        await self.quiet(40)

    async def hear(self, probability: float, seconds: float) -> None:
        for _ in range(round(seconds / WINDOW)):
            self.session.on_voice([probability])
            await asyncio.sleep(WINDOW)

    async def say(self, text: str, seconds: float = 1.2, then: float = 1.5) -> None:
        self.ear.text = text
        await self.hear(0.95, seconds)
        await self.hear(0.02, then)

    async def quiet(self, seconds: float) -> None:
        """Waits until the agent has said what it has to say."""
        still = 0
        for _ in range(int(seconds * 10)):
            await asyncio.sleep(0.1)
            still = 0 if self.session._playback.speaking else still + 1
            if still == 5:
                return
        raise AssertionError("the agent does not stop speaking")

    def heard(self) -> list[str]:
        return [data["text"] for data in self.sink.of("agent_turn")]

    async def over(self) -> None:
        self.session.end("test")
        await self.running


def test_the_opening_discloses_everything_in_order() -> None:
    async def call() -> None:
        line = Line()
        await line.opened()
        disclosed = [data.get("disclosure") for data in line.sink.of("agent_turn")]
        assert disclosed[:5] == ["entity", "ai", "recording", "how_to_stop", "person_available"]
        assert all(data["complete"] for data in line.sink.of("agent_turn"))
        await line.over()

    run(call())


def test_an_order_is_looked_up_and_answered() -> None:
    async def call() -> None:
        line = Line()
        await line.opened()
        await line.say("where is my order")
        await line.quiet(20)
        await line.say("four five one two")
        await line.quiet(20)
        assert line.tools.calls[-1]["order_id"] == "4512"
        assert "four five one two" in " ".join(line.heard()[-3:]).lower()
        turns = line.sink.of("caller_turn")
        assert [turn["intent"] for turn in turns] == ["order_status", "inform"]
        assert all(turn["stages_ms"]["endpoint"] < 700 for turn in turns)
        await line.over()

    run(call())


def test_the_recogniser_is_told_what_to_expect() -> None:
    async def call() -> None:
        line = Line(replace(PROFILE, vocabulary=("Zenfone", "AB-####")))
        await line.opened()
        await line.say("where is my order")
        await line.quiet(20)
        await line.say("four five one two")
        first, second = [bias for bias in line.ear.biases if bias is not None][:2]
        assert {"Zenfone", "AB-####"} <= set(first.phrases) & set(second.phrases)
        assert first.digits is None
        assert second.digits is not None and second.digits[0] <= 4 <= second.digits[1]
        assert ("four", 1) in second.numerals
        await line.over()

    run(call())


def test_a_number_read_with_a_pause_is_one_turn() -> None:
    async def call() -> None:
        line = Line()
        await line.opened()
        await line.say("where is my order")
        await line.quiet(20)
        await line.say("four five", seconds=0.7, then=0.6)
        await line.say("four five one two", seconds=0.7)
        await line.quiet(20)
        assert [turn["text"] for turn in line.sink.of("caller_turn")] == ["where is my order", "four five one two"]
        await line.over()

    run(call())


def test_an_interruption_silences_at_once_and_keeps_what_was_heard() -> None:
    async def call() -> None:
        line = Line()
        await line.opened()
        await line.say("where is my order")
        assert line.session._playback.speaking
        cleared = line.carrier.cleared
        await line.hear(0.95, 0.1)
        assert line.carrier.cleared == cleared + 1
        await line.say("send it on whatsapp")
        await line.quiet(20)
        cut = [data for data in line.sink.of("agent_turn") if not data["complete"]]
        assert len(cut) == 1 and len(cut[0]["heard_text"]) < len(cut[0]["text"])
        assert [action.kind for action in line.actions.performed] == ["handoff_whatsapp"]
        await line.over()

    run(call())


def test_a_back_channel_does_not_end_the_answer() -> None:
    async def call() -> None:
        line = Line()
        await line.opened()
        await line.say("where is my order")
        before = len(line.heard())
        await line.say("haan", seconds=0.3)
        await line.quiet(20)
        assert line.sink.of("backchannel")
        assert len(line.sink.of("caller_turn")) == 1
        assert all(data["complete"] for data in line.sink.of("agent_turn"))
        assert len(line.heard()) > before
        await line.over()

    run(call())


def test_an_opt_out_during_the_disclosures_acts_at_once() -> None:
    async def call() -> None:
        line = Line()
        await line.answer()
        await asyncio.sleep(0.5)
        await line.say("do not call me again")
        await line.quiet(20)
        assert [action.kind for action in line.actions.performed] == ["opt_out"]
        await asyncio.sleep(1)
        assert line.carrier.hung_up
        await line.running
        assert line.ear.closed

    run(call())


def test_words_during_the_disclosures_are_answered_after_them() -> None:
    async def call() -> None:
        line = Line()
        await line.answer()
        await asyncio.sleep(0.5)
        await line.say("where is my order")
        await line.quiet(40)
        disclosed = [data for data in line.sink.of("agent_turn") if data.get("disclosure")]
        assert len(disclosed) == 5 and all(data["complete"] for data in disclosed)
        assert [turn["intent"] for turn in line.sink.of("caller_turn")] == ["order_status"]
        await line.over()

    run(call())


def test_a_slow_tool_is_bridged_by_a_sentence() -> None:
    async def call() -> None:
        line = Line()
        line.tools.seconds = 2.5
        await line.opened()
        await line.say("where is my order")
        await line.quiet(20)
        await line.say("four five one two", then=4.0)
        await line.quiet(20)
        texts = line.heard()
        checking = next(i for i, text in enumerate(texts) if text in PACKS.get("en-IN").responses["checking"])
        (bridge,) = [data for data in line.sink.of("agent_turn") if data["text"] == texts[checking]]
        assert bridge["complete"], "the answer waits for the end of the sentence"
        assert any("four five one two" in text.lower() for text in texts[checking + 1 :])
        await line.over()

    run(call())


def test_a_tool_that_exceeds_its_patience_is_bridged_before_the_turn_is_late() -> None:
    async def call() -> None:
        line = Line(replace(PROFILE, tool_patience_ms={"order_status": 200}))
        line.tools.seconds = 1.2
        await line.opened()
        await line.say("where is my order")
        await line.quiet(20)
        await line.say("four five one two", then=2.0)
        await line.quiet(20)
        texts = line.heard()
        checking = next(i for i, text in enumerate(texts) if text in PACKS.get("en-IN").responses["checking"])
        assert any("four five one two" in text.lower() for text in texts[checking + 1 :])
        (tool,) = line.sink.of("tool")
        assert tool["tool"] == "order_status" and tool["ok"] and not tool["write"] and "4512" not in str(tool)
        await line.over()

    run(call())


def test_a_thought_that_is_thrown_away_has_not_written_and_a_yes_writes_once() -> None:
    async def call() -> None:
        line = Line(replace(PROFILE, tools=("order_status", "cancel_order")))
        await line.opened()
        await line.say("cancel my order")
        await line.quiet(20)
        await line.say("four five one two")
        await line.quiet(20)
        await line.say("it took too long")
        await line.quiet(20)
        assert line.tools.writes == [], "not before the caller confirmed"
        line.ear.text = "haan"
        await line.hear(0.95, 0.6)
        await line.hear(0.02, 0.3)
        assert line.tools.writes == [], "a pause is not the end of a turn"
        await line.hear(0.95, 0.5)
        line.tools.seconds = 0.9
        await line.hear(0.02, 0.9)
        assert len(line.tools.writes) == 1
        await line.hear(0.95, 0.4)
        await line.hear(0.02, 2.0)
        await line.quiet(30)
        assert len(line.tools.writes) == 1, "speech during a write undoes and repeats nothing"
        assert any("cancelled" in text for text in line.heard())
        (tool,) = [data for data in line.sink.of("tool") if data["write"]]
        assert tool["tool"] == "cancel_order" and tool["ok"]
        await line.over()

    run(call())


@pytest.mark.parametrize("keypad", [False, True])
def test_what_proves_who_calls_is_heard_and_kept_nowhere(keypad: bool) -> None:
    async def call() -> None:
        line = Line(replace(PROFILE, verification=VerificationPolicy(tools=("order_status",))))
        await line.opened()
        await line.say("where is my order")
        await line.quiet(20)
        await line.say("four five one two")
        await line.quiet(20)
        assert line.tools.calls == [], "no account data before the caller is verified"
        line.session.on_audio(b"\x10" * 160)
        assert line.sink.caller == b"\xff" * 160, "the recording is silent while it is asked for"
        for secret, words in (("9999", "nine nine nine nine"), ("4321", "four three two one")):
            if keypad:
                for key in f"{secret}#":
                    line.session.on_dtmf(key)
                await asyncio.sleep(1.0)
            else:
                await line.say(words)
            await line.quiet(30)
        assert line.tools.tried == ["9999", "4321"], "each try counts once, whatever was thought before"
        assert line.tools.calls == [{"order_id": "4512"}]
        assert any("four five one two" in text.lower() for text in line.heard()[-3:])
        line.session.on_audio(b"\x10" * 160)
        assert line.sink.caller.count(0x10) == 160, "and not silent any more"
        so_far = line.session.so_far()
        assert so_far is not None
        everything = repr((line.sink.events, so_far.transcript, so_far.request_text, so_far.state.to_json()))
        for secret in ("9999", "4321", "nine nine", "four three two"):
            assert secret not in everything
        assert [data["text"] for data in line.sink.of("caller_turn")][-2:] == ["***", "***"]
        await line.over()

    run(call())


def test_a_lost_speech_worker_is_apologised_for_and_the_call_goes_on() -> None:
    async def call() -> None:
        line = Line()
        await line.opened()
        line.session.on_hearing_lost()
        await asyncio.sleep(0.5)
        assert line.session._playback.speaking
        line.session.on_hearing_restored()
        await line.quiet(20)
        assert any(text in PACKS.get("en-IN").responses["technical_problem"] for text in line.heard())
        await line.say("where is my order")
        await line.quiet(20)
        assert line.sink.of("caller_turn")[-1]["intent"] == "order_status"
        await line.over()

    run(call())


def test_a_failed_handoff_is_said() -> None:
    async def call() -> None:
        line = Line()
        line.actions.broken = True
        await line.opened()
        await line.say("send it on whatsapp")
        await line.quiet(20)
        assert any(text in PACKS.get("en-IN").responses["handoff_whatsapp_failed"] for text in line.heard())
        await line.over()

    run(call())


def test_a_handoff_that_fails_late_is_said_after_the_newer_answer() -> None:
    async def call() -> None:
        line = Line()
        line.actions.broken, line.actions.seconds = True, 4.0
        await line.opened()
        await line.say("send it on whatsapp")
        await line.say("where is my order")
        await asyncio.sleep(4)
        await line.quiet(30)
        heard = line.heard()
        failed = [i for i, text in enumerate(heard) if text in PACKS.get("en-IN").responses["handoff_whatsapp_failed"]]
        asked = [i for i, text in enumerate(heard) if text in PACKS.get("en-IN").responses["ask_order_id"]]
        assert failed and asked and asked[0] < failed[0]
        await line.over()

    run(call())


PHONE = replace(PROFILE, handoff="phone", transfer_number="+918000000009")


def test_a_key_pressed_while_being_connected_does_not_lose_the_transfer() -> None:
    async def call() -> None:
        line = Line(PHONE)
        await line.opened()
        await line.say("a person please", then=1.0)
        assert line.session._playback.speaking
        line.session.on_dtmf("1")
        async with asyncio.timeout(20):
            await line.running
        assert line.carrier.transferred == ["+918000000009"]
        assert line.session.end_reason == "transferred"

    run(call())


def test_a_transfer_without_a_carrier_is_not_called_a_transfer() -> None:
    async def call() -> None:
        line = Line(PHONE)
        await line.opened()
        await line.session._speaker.carry_out(Reply((), (Action(ActionKind.TRANSFER, "human_agent"),)))
        line.session.on_disconnected("lost")
        await asyncio.sleep(0.1)
        assert line.sink.of("stage_failed")[-1] == {"stage": "action:transfer", "code": "no_media_stream"}
        assert line.session.end_reason is None
        await line.over()

    run(call())


def test_keys_answer_a_question_about_a_number() -> None:
    async def call() -> None:
        line = Line()
        await line.opened()
        await line.say("where is my order")
        await line.quiet(20)
        for key in "4512#":
            line.session.on_dtmf(key)
            await asyncio.sleep(0.2)
        await asyncio.sleep(0.5)
        await line.quiet(20)
        assert line.tools.calls[-1]["order_id"] == "4512"
        assert line.sink.of("caller_turn")[-1]["by"] == "keypad"
        await line.over()

    run(call())


def test_a_silent_caller_is_asked_twice_and_left_politely() -> None:
    async def call() -> None:
        line = Line()
        await line.opened()
        async with asyncio.timeout(90):
            await line.running
        assert len(line.sink.of("silence")) == 3
        assert line.carrier.hung_up
        assert line.sink.of("ended")[0]["reason"] == "silence"

    run(call())


def test_a_task_that_does_not_end_keeps_no_speech_slot() -> None:
    async def lingering() -> None:
        try:
            await asyncio.sleep(1_000)
        finally:
            await asyncio.sleep(5)

    async def call() -> None:
        line = Line()
        await line.answer()
        line.session._life.spawn(lingering())
        await asyncio.sleep(0.5)
        line.session.on_disconnected("stopped")
        await asyncio.sleep(0.1)
        assert line.ear.closed and not line.running.done()
        line.running.cancel()
        await asyncio.gather(line.running, return_exceptions=True)
        assert line.sink.of("ended")[0]["reason"] == "stream_stopped"

    run(call())


@pytest.mark.parametrize("after", [0.0, 0.3, 2.0, 12.0, 12.3, 13.5])
def test_a_hang_up_at_any_moment_releases_everything(after: float) -> None:
    async def call() -> None:
        before = len(asyncio.all_tasks())
        line = Line()
        await line.answer()
        talking = asyncio.create_task(line.say("where is my order", seconds=20.0))
        await asyncio.sleep(after)
        line.session.on_disconnected("stopped")
        async with asyncio.timeout(1.0):
            await line.running
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
        assert line.ear.closed
        assert line.session._life.task_count == 0
        assert len(asyncio.all_tasks()) == before
        assert line.sink.of("ended")[0]["reason"] == "stream_stopped"

    run(call())


def test_a_lost_socket_may_come_back() -> None:
    async def call() -> None:
        line = Line()
        await line.opened()
        line.session.on_disconnected("lost")
        await asyncio.sleep(2.0)
        line.session.on_started(line.carrier, "stream-2")  # type: ignore[arg-type]
        await line.say("where is my order")
        await line.quiet(20)
        assert line.sink.of("reconnected") and line.sink.of("caller_turn")
        line.session.on_disconnected("lost")
        async with asyncio.timeout(6.0):
            await line.running
        assert line.sink.of("ended")[0]["reason"] == "stream_lost"

    run(call())


def test_a_caller_who_speaks_into_a_handoff_neither_cancels_nor_doubles_it() -> None:
    async def call() -> None:
        line = Line()
        line.actions.seconds = 1.0
        await line.opened()
        await line.say("send it on whatsapp", then=0.8)
        await line.say("where is my order", seconds=0.8, then=3.0)
        await line.quiet(20)
        assert [action.kind for action in line.actions.performed] == ["handoff_whatsapp"]
        assert [turn["intent"] for turn in line.sink.of("caller_turn")] == ["switch_to_whatsapp", "order_status"]
        assert line.heard()[-1] in PACKS.get("en-IN").responses["ask_order_id"]
        await line.over()

    run(call())


def test_words_into_the_goodbye_do_not_keep_the_line_open() -> None:
    async def call() -> None:
        line = Line()
        await line.opened()
        await line.say("do not call me again", then=0.8)
        await line.say("where is my order")
        async with asyncio.timeout(20):
            await line.running
        assert line.carrier.hung_up
        assert [action.kind for action in line.actions.performed] == ["opt_out"]

    run(call())


def test_speech_before_the_first_byte_of_an_answer_keeps_it_unheard() -> None:
    async def call() -> None:
        line = Line()
        await line.opened()
        line.tools.seconds = 0.4
        await line.say("where is my order")
        await line.quiet(20)
        await line.say("four five", seconds=0.7, then=1.1)
        before = len(line.carrier.sent)
        await line.hear(0.95, 0.3)
        assert len(line.carrier.sent) - before <= 8_000 * 0.4
        line.ear.text = "send it on whatsapp"
        await line.hear(0.02, 1.5)
        await line.quiet(20)
        assert line.sink.of("caller_turn")[-1]["intent"] == "switch_to_whatsapp"
        await line.over()

    run(call())


def test_a_worker_lost_while_the_goodbye_is_interrupted_does_not_leave_the_line_open() -> None:
    async def call() -> None:
        line = Line()
        await line.opened()
        await line.say("bye", then=0.6)
        await line.hear(0.95, 0.1)
        assert line.session._playback.paused
        line.session.on_hearing_lost()
        async with asyncio.timeout(20):
            await line.running
        assert line.carrier.hung_up

    run(call())


def test_keys_pressed_during_the_disclosures_are_not_lost_to_a_cough() -> None:
    async def call() -> None:
        line = Line()
        await line.answer()
        await asyncio.sleep(0.5)
        for key in "4512#":
            line.session.on_dtmf(key)
        line.ear.text = ""
        await line.hear(0.95, 0.3)
        await line.hear(0.02, 0.3)
        await line.hear(0.95, 0.1)
        await line.hear(0.02, 2.0)
        await line.quiet(60)
        assert line.tools.calls and line.tools.calls[-1]["order_id"] == "4512"
        await line.over()

    run(call())


@pytest.mark.parametrize("worker_dies", [False, True])
def test_a_failing_ear_does_not_cut_the_disclosures_short(worker_dies: bool) -> None:
    async def call() -> None:
        line = Line()
        await line.answer()
        await asyncio.sleep(0.5)
        if worker_dies:
            line.session.on_hearing_lost()
            line.session.on_hearing_restored()
        else:
            line.ear.broken = True
            await line.say("where is my order")
            line.ear.broken = False
        await line.quiet(40)
        disclosed = [data for data in line.sink.of("agent_turn") if data.get("disclosure")]
        assert len(disclosed) == 5 and all(data["complete"] for data in disclosed)
        await line.over()

    run(call())


def _third_disclosure() -> str:
    return PACKS.get("en-IN").disclosures["recording"].text


def test_a_voice_that_fails_in_the_opening_says_what_is_owed_again() -> None:
    async def call() -> None:
        line = Line()
        line.mouth.failures[_third_disclosure()] = 1
        await line.answer()
        await asyncio.sleep(3)
        await line.say("where is my order", then=0.5)
        await asyncio.sleep(5)
        line.session.on_dtmf("1")
        await line.quiet(60)
        disclosed = [data["disclosure"] for data in line.sink.of("agent_turn") if data.get("disclosure")]
        complete = {
            data["disclosure"] for data in line.sink.of("agent_turn") if data.get("disclosure") and data["complete"]
        }
        assert complete == set(PACKS.get("en-IN").opening)
        assert disclosed.count("recording") == 2
        texts = line.heard()
        turn = next(i for i, event in enumerate(line.sink.events) if event.kind == "caller_turn")
        last = max(i for i, event in enumerate(line.sink.events) if event.data.get("disclosure"))
        assert last < turn, "words were answered before the disclosures were heard"
        assert any(text in PACKS.get("en-IN").responses["technical_problem"] for text in texts)
        assert line.sink.recording
        await line.over()

    run(call())


def test_a_voice_that_keeps_failing_in_the_opening_ends_in_a_handoff_and_keeps_no_recording() -> None:
    async def call() -> None:
        line = Line()
        line.mouth.failures[_third_disclosure()] = 99
        await line.answer()
        await line.say("where is my order", then=0.5)
        async with asyncio.timeout(60):
            await line.running
        assert [action.kind for action in line.actions.performed] == ["handoff_whatsapp"]
        assert line.carrier.hung_up
        assert not line.sink.recording
        assert not line.sink.of("caller_turn"), "a caller who was told nothing must not be served"
        assert not line.tools.calls
        half = [data for data in line.sink.of("agent_turn") if data.get("disclosure") == "recording"]
        assert half and not any(data["complete"] for data in half)

    run(call())


@pytest.mark.parametrize("key", ["#", "*"])
def test_a_key_that_says_nothing_does_not_leave_the_line_silent(key: str) -> None:
    async def call() -> None:
        line = Line()
        await line.opened()
        await line.say("where is my order")
        assert line.session._playback.speaking
        line.session.on_dtmf(key)
        await asyncio.sleep(12)
        assert line.sink.of("silence")
        await line.over()

    run(call())


def test_a_turn_longer_than_any_is_taken_once() -> None:
    async def call() -> None:
        line = Line()
        await line.opened()
        line.ear.text, line.ear.seconds = "send it on whatsapp", 0.3
        await line.hear(0.95, 30.2)
        await line.hear(0.02, 1.0)
        await line.quiet(20)
        assert [action.kind for action in line.actions.performed] == ["handoff_whatsapp"]
        assert [turn["intent"] for turn in line.sink.of("caller_turn")] == ["switch_to_whatsapp"]
        await line.over()

    run(call())


def test_a_number_still_looked_up_does_not_undo_a_newer_turn() -> None:
    async def call() -> None:
        line = Line()
        await line.opened()
        await line.say("where is my order")
        await line.quiet(20)
        line.tools.seconds = 4.0
        for key in "4512#":
            line.session.on_dtmf(key)
        await asyncio.sleep(0.2)
        await line.say("send it on whatsapp", seconds=0.7, then=5.0)
        await line.quiet(20)
        assert line.sink.of("caller_turn")[-1]["intent"] == "switch_to_whatsapp"
        assert not any("four five one two" in text.lower() for text in line.heard())
        await line.over()

    run(call())


def test_a_call_that_the_agent_ends_says_so_even_if_the_carrier_is_quicker() -> None:
    async def call() -> None:
        line = Line()
        await line.opened()
        line.carrier.line = line.session
        async with asyncio.timeout(90):
            await line.running
        assert line.sink.of("ended")[0]["reason"] == "silence"

    run(call())


def test_a_call_hung_up_from_outside_closes_its_socket_and_takes_no_more_audio() -> None:
    async def call() -> None:
        line = Line()
        await line.opened()
        await line.session.hang_up("api")
        await line.running
        assert line.carrier.hung_up and line.carrier.closed
        line.session.on_audio(b"x" * 160)
        assert line.ear.pushed == 0

    run(call())
