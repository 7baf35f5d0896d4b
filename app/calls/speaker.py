"""Carries out one reply at a time: acts, then speaks, then leaves the call if the reply says so."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import structlog

from app.calls.actions import Actions, CallSoFar
from app.calls.events import CallEventKind, EventSink
from app.calls.journal import Journal
from app.calls.lifetime import Lifetime
from app.calls.playback import Playback
from app.calls.ports import Carrier
from app.calls.thinking import Thinker
from app.dialogue.turn import Action, ActionKind, Reply, Say
from app.errors import AppError, CarrierError

_AFTER_SPEECH: Final = (ActionKind.TRANSFER, ActionKind.END)
_log = structlog.get_logger("calls")


class Turns(Protocol):
    """What the speaker tells the session that owns it. `end_reason` is set before the carrier can end the call."""

    end_reason: str | None

    def so_far(self) -> CallSoFar | None:
        """Returns the call as it stands."""
        ...

    def listen_for(self, reply: Reply) -> None:
        """The reply is about to be heard: its question may be answered from now on."""
        ...

    def has_held_words(self) -> bool:
        """Returns whether the caller said something during a disclosure that waits for an answer."""
        ...

    async def on_spoken(self) -> None:
        """The caller has heard the reply, or as much of it as was due before held words."""
        ...

    async def on_action_failed(self, action: Action, code: str) -> None:
        """An action did not work: the caller must hear so."""
        ...

    def end(self, reason: str) -> None:
        """The call is over."""
        ...


class Speaker:
    """The agent's side of the conversation. A newer reply replaces an older one, whatever it was doing."""

    def __init__(
        self,
        turns: Turns,
        *,
        playback: Playback,
        thinker: Thinker,
        actions: Actions,
        journal: Journal,
        sink: EventSink,
        life: Lifetime,
        carrier: Callable[[], Carrier | None],
        transfer_number: str | None,
    ) -> None:
        self._turns = turns
        self._playback = playback
        self._thinker = thinker
        self._actions = actions
        self._journal = journal
        self._sink = sink
        self._life = life
        self._carrier = carrier
        self._transfer_number = transfer_number
        self._delivery: asyncio.Task[None] | None = None
        self._failed_late: tuple[Action, str] | None = None
        self._saying: Say | None = None
        self._generation = 0
        self.pace = 1.0

    @property
    def current(self) -> Say | None:
        """The sentence that the caller hears, or is about to hear."""
        return self._playback.current or self._saying

    def yield_floor(self) -> None:
        """Falls silent for the caller at once, or does not begin; a commit makes it final, a false alarm undoes it."""
        current = self.current
        if current is not None and current.interruptible and not self._playback.paused:
            self._playback.pause()
            self._journal.emit(CallEventKind.INTERRUPTION, of=current.text)

    def stop(self) -> None:
        """Drops the reply; what was not heard never will be."""
        self._generation += 1
        self._saying = None
        if self._delivery is not None and self._delivery is not asyncio.current_task():
            self._delivery.cancel()
        self._playback.drop()

    async def carry_out(self, reply: Reply) -> None:
        """Acts, then speaks: an opt-out holds from the moment it is understood, not from the end of a sentence."""
        self.stop()
        mine = self._generation
        for action in reply.actions:
            if action.kind is ActionKind.TRANSFER:
                await self._prepare_transfer(action)
            if action.kind in _AFTER_SPEECH:
                continue
            if (code := await self._act(action)) is not None:
                await self._tell_failed(action, code, mine)
                return
        if mine == self._generation:
            self._saying = reply.says[0] if reply.says else None
            self._delivery = self._life.spawn(self._deliver(reply))

    async def say(self, say: Say) -> None:
        """Speaks one sentence after what is being said."""
        voice = self._thinker.voice(say.language, self.pace)
        await self._playback.speak(say, self._thinker.mouth.speak(say.text, voice))

    async def leave(self, action: Action) -> None:
        """Transfers or hangs up."""
        self._journal.emit(CallEventKind.ACTION, action=action.kind, reason=action.reason, **_decided(action))
        reason = "transferred" if action.kind is ActionKind.TRANSFER else action.reason or "agent_hung_up"
        self._turns.end_reason = self._turns.end_reason or reason
        carrier = self._carrier()
        if carrier is None and action.kind is ActionKind.TRANSFER:
            self._turns.end_reason = None
            await self._turns.on_action_failed(action, "no_media_stream")
            return
        if carrier is not None:
            transfer = action.kind is ActionKind.TRANSFER and self._transfer_number is not None
            leaving = carrier.transfer(self._transfer_number or "") if transfer else carrier.hang_up()
            if not await self._left(leaving, action):
                return
            if not transfer:
                await carrier.close()
        self._turns.end(reason)

    async def _left(self, leaving: Awaitable[None], action: Action) -> bool:
        try:
            await leaving
        except CarrierError as error:
            _log.warning("calls.leave_failed", action=action.kind, code=error.code)
            if action.kind is ActionKind.TRANSFER:
                self._turns.end_reason = None
                await self._turns.on_action_failed(action, error.code)
                return False
        return True

    async def _prepare_transfer(self, action: Action) -> None:
        """Lays everything out for the person before they are joined; the caller is joined even if that fails."""
        call = self._turns.so_far()
        try:
            if call is not None:
                await self._actions.perform(call, action)
        except AppError as error:
            _log.warning("calls.transfer_not_prepared", code=error.code)

    async def _tell_failed(self, action: Action, code: str, generation: int) -> None:
        """The caller hears of the failure at once, or after a newer reply that meanwhile began."""
        if generation == self._generation:
            await self._turns.on_action_failed(action, code)
        else:
            self._failed_late = (action, code)

    async def _act(self, action: Action) -> str | None:
        """Carries an action out; returns the code of what went wrong, if anything did."""
        call = self._turns.so_far()
        if call is None:
            return None
        if action.kind is ActionKind.STOP_RECORDING:
            self._sink.stop_recording()
        try:
            outcome = await self._actions.perform(call, action)
        except AppError as error:
            _log.warning("calls.action_failed", action=action.kind, code=error.code)
            return error.code
        done = {**outcome, **_decided(action)}
        self._journal.emit(CallEventKind.ACTION, action=action.kind, reason=action.reason, **done)
        return None

    async def _deliver(self, reply: Reply) -> None:
        self._playback.first_audio_at = None
        self._turns.listen_for(reply)
        disclosing = False
        for say in reply.says:
            if disclosing and say.interruptible:
                await self._playback.drained()
                if self._turns.has_held_words():
                    break
            disclosing = not say.interruptible
            self._saying = say
            await self.say(say)
        await self._playback.drained()
        self._saying = None
        leaving = next((action for action in reply.actions if action.kind in _AFTER_SPEECH), None)
        if self._failed_late is not None:
            failed, self._failed_late = self._failed_late, None
            await self._turns.on_action_failed(*failed)
        elif leaving is not None:
            await self.leave(leaving)
        else:
            await self._turns.on_spoken()


def _decided(action: Action) -> dict[str, Any]:
    """Returns which rule brought a person in, and on what evidence, for the call's events."""
    escalation = action.data.get("escalation")
    return {"escalation": escalation} if escalation else {}
