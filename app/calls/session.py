"""One live call: audio in, turns out, replies spoken. It owns the order of things; each stage owns its own state.

The carrier's socket and the speech worker call in (`LiveCall`, `VoiceListener`); both are cheap. A caller's turn is
thought about at each short pause and committed only when it is over, so nothing of an abandoned turn is ever heard.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog

from app.calls.actions import Actions, CallSoFar
from app.calls.deliberation import Deliberation
from app.calls.events import CallEventKind, EventSink
from app.calls.journal import HIDDEN, Journal
from app.calls.keypad import Keypad
from app.calls.lifetime import Lifetime
from app.calls.machine import MachineGreeting
from app.calls.opening import Opening
from app.calls.playback import Heard, Playback
from app.calls.ports import Carrier
from app.calls.speaker import Speaker
from app.calls.thinking import Listening, Thinker, Thought
from app.calls.turns import TurnEvent, TurnEventKind, TurnTaker, patience
from app.compliance.killswitch import KillMode
from app.dialogue.speculation import CommitNeeded
from app.dialogue.turn import Action, ActionKind, AgentProfile, DialogueState, Expectation, Reply, Tools
from app.dialogue.verification import awaited_factor
from app.errors import StageError
from app.language.normalise import normalise
from app.nlu.insight import SHARED, Insight
from app.speech.asr.engine import Transcript
from app.speech.audio import SILENCE
from app.speech.ear import Ear, Ears

PRE_ROLL_MS: Final = 400
SILENCE_SECONDS: Final = 7.0
RECONNECT_SECONDS: Final = 5.0
SLOW_PACE: Final = 0.8
MOST_FAILURES: Final = 3
ANY_NUMBER: Final = (1, 16)
OPT_OUT: Final = "stop_contact"
_NOT_WORTH_HOLDING: Final = frozenset({"silence", "out_of_scope", "greet", "affirm", "thank", "inform", "wait"})
_RECONNECTABLE: Final = frozenset({"lost", "idle", "blocked"})
_log = structlog.get_logger("calls")


@dataclass(frozen=True, slots=True)
class CallContext:
    """Whose call this is."""

    call_id: str
    carrier_call_id: str
    profile: AgentProfile
    caller_number: str
    language: str
    max_seconds: int
    insight: Insight = SHARED


class CallSession:
    """Implements `LiveCall` and `VoiceListener` for one call."""

    def __init__(
        self,
        context: CallContext,
        ears: Ears,
        thinker: Thinker,
        tools: Tools,
        actions: Actions,
        sink: EventSink,
        switched: Callable[[], KillMode] = lambda: KillMode.OFF,
    ) -> None:
        """Takes a speech slot.

        Args:
            context: Whose call this is.
            ears: Where the slot is.
            thinker: The mind.
            tools: The tenant's systems.
            actions: What the call does outside itself.
            sink: Takes its events and audio.
            switched: What the agent may still do, asked before each turn; cheap.

        Raises:
            Unavailable: No speech slot is free.
        """
        self.context = context
        self._thinker = thinker
        self._sink = sink
        self._switched = switched
        self._loop = asyncio.get_running_loop()
        self._journal = Journal(sink, self._loop.time)
        self._taker = TurnTaker()
        self._opening = Opening()
        self._carrier: Carrier | None = None
        self._playback = Playback(
            lambda: self._carrier, self._loop.time, sink.agent_audio, sink.agent_cleared, self._on_heard
        )
        self._state: DialogueState | None = None
        self._listening = Listening(Expectation.NOTHING)
        self._life = Lifetime(self._last_resort)
        self._speaker = Speaker(
            self,
            playback=self._playback,
            thinker=thinker,
            actions=actions,
            journal=self._journal,
            sink=sink,
            life=self._life,
            carrier=lambda: self._carrier,
            transfer_number=context.profile.transfer_number,
        )
        self._mind = Deliberation(
            thinker=thinker,
            tools=tools,
            profile=context.profile,
            insight=context.insight,
            playback=self._playback,
            say=self._speaker.say,
            on_thought=self._on_thought,
        )
        self._keypad = Keypad(self._life, self._enter_keys)
        self._commit: asyncio.Task[None] | None = None
        self._held: Thought | None = None
        self._greeting = MachineGreeting(self._life, self._leave_message)
        self._silences = 0
        self._failures = 0
        self._over = asyncio.Event()
        self.end_reason: str | None = None
        self._ear: Ear = ears.open(self)

    async def run(self) -> None:
        """Lives as long as the call; when it returns, every task, timer and slot of the call is released."""
        self._life.inherit()
        try:
            self._life.spawn(self._playback.pump())
            self._life.after(
                "max_duration", self.context.max_seconds, lambda: self._life.spawn(self._reach_max_duration())
            )
            await self._over.wait()
        finally:
            self._mind.close()
            self._ear.close()
            try:
                await self._life.close()
            finally:
                self._playback.drop()
                self._journal.emit(CallEventKind.ENDED, reason=self.end_reason or "shutdown")

    def end(self, reason: str) -> None:
        """Ends the call's session; the first reason given stays."""
        self.end_reason = self.end_reason or reason
        self._over.set()

    @property
    def is_over(self) -> bool:
        """Whether the session has ended, even if its record is still being written."""
        return self._over.is_set()

    def so_far(self) -> CallSoFar | None:
        """Returns the call as it stands, or None before the dialogue began."""
        if self._state is None:
            return None
        journal = self._journal
        return CallSoFar(
            call_id=self.context.call_id,
            caller_number=self.context.caller_number,
            language=self._state.language,
            profile=self.context.profile,
            transcript=tuple(journal.lines),
            request_text=journal.last_words,
            request_at_ms=journal.last_words_at_ms,
            state=self._state,
        )

    async def hang_up(self, reason: str) -> None:
        """Ends the call at the carrier and here; closes the socket even if the carrier refuses."""
        self.end_reason = self.end_reason or reason
        carrier = self._carrier
        try:
            if carrier is not None:
                await carrier.hang_up()
        finally:
            self.end(reason)
            if carrier is not None:
                await carrier.close()

    def leave_message(self, number: str) -> bool:
        """A machine answered: leaves the pack's message once its greeting is over, then ends.

        Args:
            number: Where to call back, E.164.

        Returns:
            False: the call is ending already.
        """
        if self._state is not None and self._state.ended and not self._greeting.noticed:
            return False
        if not self._greeting.noticed:
            self._held = None
            self._opening.close()
            self._speaker.stop()
            self._close_turn()
            self._life.cancel("silence")
            self._sink.stop_recording()
            self._greeting.begin(number, lambda: self._taker)
        return True

    async def _leave_message(self, number: str) -> None:
        if self._state is None:
            await self.hang_up("answering_machine")
            return
        reply, self._state = self._thinker.dialogue.on_machine(self._state, self.context.profile, number)
        await self._speaker.carry_out(reply)

    def discard(self) -> None:
        """Gives the speech slot of a session back that never ran."""
        self._ear.close()

    # what the carrier's socket calls

    def on_started(self, carrier: Carrier, stream_id: str) -> None:
        """Audio begins, or begins again after a reconnect."""
        reconnected = self._carrier is not None or self._state is not None
        self._carrier = carrier
        self._life.cancel("reconnect")
        if reconnected:
            self._journal.emit(CallEventKind.RECONNECTED, stream_id=stream_id)
            return
        self._journal.start()
        self._journal.emit(CallEventKind.STARTED, stream_id=stream_id, language=self.context.language)
        self._life.spawn(self._open())

    def on_audio(self, mulaw: bytes) -> None:
        """Takes 20 ms of the caller."""
        if self._over.is_set():
            return
        self._ear.push(mulaw)
        self._mind.last_audio.push(mulaw)
        self._sink.caller_audio(bytes([SILENCE]) * len(mulaw) if self._listening.secret else mulaw)

    def on_dtmf(self, digit: str) -> None:
        """Collects keys; `#`, enough digits or a pause ends the entry."""
        self._journal.emit(CallEventKind.DTMF, digit=HIDDEN if self._listening.secret else digit)
        if self._greeting.is_running or (self._state is not None and self._state.ended):
            return
        self._life.cancel("silence")
        self._interrupt_for_keys()
        awaited = self._listening.digits or ANY_NUMBER
        self._keypad.press(digit, awaited[1] if self._listening.expectation is Expectation.DIGITS else None)

    def on_played(self, name: str) -> None:
        """The carrier has played a sentence to its end."""
        self._playback.on_played(name)

    def on_cleared(self) -> None:
        """The carrier has dropped its queue; the playback reckoned with it when it asked."""

    def on_disconnected(self, reason: str) -> None:
        """The socket is gone: the call is over, unless the carrier may come back."""
        self._carrier = None
        if reason in _RECONNECTABLE:
            self._life.after("reconnect", RECONNECT_SECONDS, lambda: self.end(f"stream_{reason}"))
        else:
            self.end(f"stream_{reason}")

    # what the speech worker calls

    def on_voice(self, probabilities: Sequence[float]) -> None:
        """Takes the speech probability of each further 32 ms."""
        for probability in probabilities:
            if (event := self._taker.hear(probability)) is not None:
                self._on_turn_event(event)

    def on_partial(self, transcript: Transcript) -> None:
        """Takes the words so far; they are not acted on before a pause."""

    def on_hearing_lost(self) -> None:
        """The speech worker died: say so, and listen again as soon as there is another."""
        self._abandon()
        self._taker.reset()
        if self._greeting.is_running:
            return
        ending = self._state is None or self._listening.expectation is Expectation.NOTHING
        if ending or self._must_be_heard():
            self._playback.resume()
        else:
            self._life.spawn(self._apologise("asr", "speech_worker_lost"))

    def on_hearing_restored(self) -> None:
        """A new worker listens from here on; its clock starts again."""
        self._taker = TurnTaker()

    # turns

    def _on_turn_event(self, event: TurnEvent) -> None:
        if self._state is None:
            return
        if self._greeting.is_running:
            self._greeting.hear(event, self._taker)
            return
        match event.kind:
            case TurnEventKind.ONSET:
                self._life.cancel("silence")
                bias = self._thinker.bias(self._listening, self.context.profile)
                self._ear.begin(event.at_ms - PRE_ROLL_MS, bias)
                self._speaker.yield_floor()
            case TurnEventKind.PAUSE | TurnEventKind.ENDED if self._is_certain():
                return
            case TurnEventKind.PAUSE:
                self._begin_thinking(self._state)
            case TurnEventKind.RESUMED:
                self._abandon()
            case TurnEventKind.ENDED:
                if not self._mind.has_thought:
                    self._begin_thinking(self._state)
                speech_end = self._loop.time() - (self._taker.position_ms - event.at_ms) / 1_000
                self._commit = self._life.spawn(self._commit_turn(speech_end))
            case TurnEventKind.FALSE_ALARM:
                self._ear.end()
                self._go_on(CallEventKind.FALSE_ALARM)

    def _is_certain(self) -> bool:
        """Returns whether a turn is being committed: what is said meanwhile begins no other."""
        return self._mind.is_deciding or (self._commit is not None and not self._commit.done())

    def _go_on(self, kind: CallEventKind, **data: Any) -> None:
        if self._playback.paused:
            self._playback.resume()
            self._journal.emit(kind, **data)
        elif not self._playback.speaking:
            self._await_caller()

    def _abandon(self) -> None:
        """Drops what was thought of a turn that is not over or will not be answered."""
        if self._mind.is_deciding:
            return
        self._mind.drop()
        if self._commit is not None and self._commit is not asyncio.current_task():
            self._commit.cancel()
        self._commit = None

    def _begin_thinking(self, state: DialogueState) -> None:
        self._mind.begin(self._ear.finish, state, self._listening)

    def _on_thought(self, thought: Thought) -> None:
        listening = self._listening
        self._taker.patience_ms = patience(
            thought.understanding, listening.expectation, listening.digits, resolved=thought.resolved
        )

    async def _commit_turn(self, speech_end: float) -> None:
        thought = await self._thought_in_time()
        if thought is None:
            return
        if self._must_be_heard() and thought.understanding.intent != OPT_OUT:
            self._hold(thought)
            return
        if self._playback.paused and self._is_backchannel(thought):
            self._close_turn()
            self._go_on(CallEventKind.BACKCHANNEL, text=thought.transcript.text)
            return
        await self._take_turn(thought, speech_end)

    def _must_be_heard(self) -> bool:
        current = self._speaker.current
        return self._opening.is_open or (current is not None and not current.interruptible)

    def _hold(self, thought: Thought) -> None:
        """Keeps what was said during a disclosure for after it; an objection to the recording holds at once."""
        self._close_turn()
        intent = thought.understanding.intent
        if intent == "no_recording":
            self._sink.stop_recording()
        if intent not in _NOT_WORTH_HOLDING:
            self._held = thought

    async def _thought_in_time(self) -> Thought | None:
        try:
            return await self._mind.outcome(self._require_state())
        except StageError as error:
            await self._fail_turn(error.code)
        except TimeoutError:
            await self._fail_turn("timeout")
        return None

    async def _fail_turn(self, code: str) -> None:
        """Apologises for a turn that was not understood, but never cuts a disclosure short to say so."""
        if self._must_be_heard():
            self._journal.emit(CallEventKind.STAGE_FAILED, stage="understanding", code=code)
            self._close_turn()
        else:
            await self._apologise("understanding", code)

    def _is_backchannel(self, thought: Thought) -> bool:
        text = normalise(thought.transcript.text).strip()
        if not text:
            return True
        if self._listening.expectation is Expectation.YES_NO:
            return False
        return any(
            text in self._thinker.packs.get(language).lexicon.backchannels
            for language in self.context.profile.languages
        )

    def _close_turn(self) -> None:
        self._ear.end()
        self._taker.reset()
        self._abandon()

    async def _take_turn(self, thought: Thought, speech_end: float) -> None:
        """The point of no return: the turn is over, the state moves on, the old reply is gone."""
        self._close_turn()
        self._opening.close()
        secret = self._listening.secret
        if thought.understanding.intent != OPT_OUT and (mode := self._switched()) is not KillMode.OFF:
            self._journal.caller_turn(thought, speech_end, secret=secret)
            await self._leave_switched_off(mode)
            return
        if thought.waits_for is not None:
            decided = await self._decide(thought)
            if decided is None:
                return
            thought = decided
        self._state = thought.state
        self._silences = self._failures = 0
        self._journal.caller_turn(thought, speech_end, secret=secret)
        self._journal.tools_called(self._mind.watch.calls)
        if thought.understanding.intent == "slower":
            self._speaker.pace = SLOW_PACE
        await self._mind.finish_bridge()
        await self._speaker.carry_out(thought.reply)

    async def _decide(self, thought: Thought) -> Thought | None:
        """Answers a turn again that writes; None if that failed, or the conversation has moved on meanwhile."""
        state = self._require_state()
        self._speaker.stop()
        try:
            decided = await self._mind.decide(thought, state, self._listening)
        except (StageError, TimeoutError) as error:
            self._close_turn()
            await self._apologise("tool", error.code if isinstance(error, StageError) else "timeout")
            return None
        self._close_turn()
        if self._state is not state:
            self._journal.tools_called(self._mind.watch.calls)
            return None
        return decided

    async def _answer_held(self) -> None:
        """Answers what the caller said while a disclosure was read."""
        held, self._held = self._held, None
        if held is not None:
            thought = await self._mind.answer_again(held, self._require_state(), self._listening)
            await self._take_turn(thought, self._loop.time())

    # what the speaker calls

    def listen_for(self, reply: Reply) -> None:
        """The reply is about to be heard: its question may be answered from now on."""
        self._life.cancel("silence")
        secret = awaited_factor(self._require_state().awaiting) is not None
        self._listening = Listening(reply.expectation, reply.expected_digits, secret)

    def has_held_words(self) -> bool:
        """Returns whether words said during a disclosure wait for an answer."""
        return self._held is not None

    async def on_spoken(self) -> None:
        """The caller has heard the reply: answer held words, leave an ended conversation, or wait for the caller."""
        if self._opening.is_open:
            await self._finish_opening()
        elif (mode := self._switched()) is not KillMode.OFF and not self._require_state().ended:
            await self._leave_switched_off(mode)
        elif self._held is not None:
            await self._answer_held()
        elif self._require_state().ended:
            await self._speaker.leave(Action(ActionKind.END, "ended"))
        else:
            self._await_caller()

    async def on_action_failed(self, action: Action, code: str) -> None:
        """A handoff did not work: the caller hears so, and the other way is tried."""
        self._journal.emit(CallEventKind.STAGE_FAILED, stage=f"action:{action.kind}", code=code)
        state = self._require_state()
        reply, self._state = self._thinker.dialogue.on_action_failed(state, self.context.profile, action)
        await self._speaker.carry_out(reply)

    # beginning, failing, ending

    async def _open(self) -> None:
        context = self.context
        reply, self._state = await self._thinker.dialogue.open(context.profile, context.language, context.call_id)
        if self._greeting.noticed:
            return
        self._opening.begin(reply)
        await self._speaker.carry_out(reply)

    async def _finish_opening(self) -> None:
        """Says what is still owed after an interruption by a failure, once."""
        if (owed := self._opening.once_more()) is not None:
            await self._speaker.carry_out(owed)
        else:
            await self._give_up_opening()

    async def _apologise(self, stage: str, code: str) -> None:
        """A failed stage is heard as a sentence, never as silence."""
        self._journal.emit(CallEventKind.STAGE_FAILED, stage=stage, code=code)
        self._failures += 1
        if self._failures > MOST_FAILURES:
            await self._speaker.leave(Action(ActionKind.END, "failed"))
            return
        self._close_turn()
        dialogue, state = self._thinker.dialogue, self._require_state()
        reply, after = dialogue.on_stage_failed(state, self.context.profile)
        if self._opening.is_open:
            if self._opening.was_repeated:
                await self._give_up_opening()
                return
            reply = replace(reply, says=tuple(replace(say, interruptible=False) for say in reply.says))
        self._state = after
        await self._speaker.carry_out(reply)

    async def _leave_switched_off(self, mode: KillMode) -> None:
        """The kill switch is set: says so and hands over by the way that is left, if one is."""
        self._held = None
        channel = {KillMode.TRANSFER_ONLY: "phone", KillMode.WHATSAPP_ONLY: "whatsapp"}.get(mode)
        reply, self._state = self._thinker.dialogue.on_switched_off(
            self._require_state(), self.context.profile, channel
        )
        await self._speaker.carry_out(reply)

    async def _give_up_opening(self) -> None:
        """The disclosures cannot be heard: nothing is kept or served, a person takes over."""
        self._opening.close()
        self._held = None
        self._sink.stop_recording()
        reply, self._state = self._thinker.dialogue.on_stage_failed(
            self._require_state(), self.context.profile, for_good=True
        )
        await self._speaker.carry_out(reply)

    async def _reach_max_duration(self) -> None:
        self._abandon()
        self._opening.close()
        if self._state is None:
            await self.hang_up("max_duration")
            return
        reply, self._state = self._thinker.dialogue.on_max_duration(self._state, self.context.profile)
        await self._speaker.carry_out(reply)

    # waiting for the caller

    def _await_caller(self) -> None:
        if not (self._taker.in_turn or self._keypad.in_use or self._opening.is_open):
            self._life.after("silence", SILENCE_SECONDS, lambda: self._life.spawn(self._break_silence()))

    async def _break_silence(self) -> None:
        self._silences += 1
        self._journal.emit(CallEventKind.SILENCE, count=self._silences)
        state = self._require_state()
        reply, self._state = self._thinker.dialogue.on_silence(state, self.context.profile, self._silences)
        await self._speaker.carry_out(reply)

    def _interrupt_for_keys(self) -> None:
        current = self._speaker.current
        if current is not None and current.interruptible:
            self._journal.emit(CallEventKind.INTERRUPTION, of=current.text)
            self._speaker.stop()

    def _enter_keys(self, keys: str) -> None:
        if self._greeting.is_running:
            return
        if keys and self._state is not None:
            self._abandon()
            self._life.spawn(self._commit_keys(keys))
        elif self._state is not None and self._speaker.current is None:
            self._await_caller()

    async def _commit_keys(self, keys: str) -> None:
        await self._opening.closed()
        await self._playback.drained()
        secret, state = self._listening.secret, self._require_state()
        self._close_turn()
        if (mode := self._switched()) is not KillMode.OFF:
            await self._leave_switched_off(mode)
            return
        try:
            reply, after = await self._mind.digits(state, keys, certain=False)
        except CommitNeeded:
            if self._state is not state or self._is_certain():
                return
            self._close_turn()
            reply, after = await self._mind.digits(state, keys, certain=True)
        if self._state is not state:
            return
        self._close_turn()
        self._state = after
        self._silences = 0
        self._journal.key_turn(keys, self._state.language, secret=secret)
        self._journal.tools_called(self._mind.watch.calls)
        await self._mind.finish_bridge()
        await self._speaker.carry_out(reply)

    # bookkeeping

    def _on_heard(self, heard: Heard) -> None:
        self._opening.on_heard(heard)
        self._journal.agent_turn(heard, self._playback.first_audio_at)

    def _require_state(self) -> DialogueState:
        if self._state is None:
            raise StageError("the dialogue has not begun")
        return self._state

    async def _last_resort(self, code: str) -> None:
        try:
            await self._apologise("reply", code)
        except Exception:
            _log.exception("calls.apology_failed", call_id=self.context.call_id)
            self.end("failed")
