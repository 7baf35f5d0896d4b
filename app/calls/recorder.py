"""Writes one call down, beside the flow: every event to the store, both voices to an encrypted stereo recording."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import numpy as np
import structlog

from app.calls.events import CallEvent
from app.errors import AppError
from app.kit.retry import until_done
from app.speech.audio import SILENCE, wav_header

_QUEUE_EVENTS: Final = 2_000
_log = structlog.get_logger("calls")

WriteEvent = Callable[[int, CallEvent], Awaitable[None]]


class CallRecorder:
    """Implements `EventSink`. Events wait in order until the store takes them; the call never waits for the store."""

    def __init__(
        self, write_event: WriteEvent, *, keep_audio: bool, watch: Callable[[CallEvent], None] = lambda _: None
    ) -> None:
        self._write_event = write_event
        self._watch = watch
        self._events: asyncio.Queue[CallEvent | None] = asyncio.Queue(_QUEUE_EVENTS)
        self._keep_audio = keep_audio
        self._caller = bytearray()
        self._agent = bytearray()
        self._limit: asyncio.Timeout | None = None
        self._finish_by: float | None = None
        self.lost_events = 0
        self.unwritten: list[tuple[int, CallEvent]] = []

    def emit(self, event: CallEvent) -> None:
        """Takes an event; a full queue drops it and counts."""
        self._watch(event)
        try:
            self._events.put_nowait(event)
        except asyncio.QueueFull:
            self.lost_events += 1

    def caller_audio(self, mulaw: bytes) -> None:
        """Takes 20 ms of the caller; the recording's clock."""
        if self._keep_audio:
            self._caller += mulaw

    def agent_audio(self, mulaw: bytes) -> None:
        """Takes a piece of the agent, which plays after what was sent before or, if that is over, now."""
        if self._keep_audio:
            gap = len(self._caller) - len(self._agent)
            if gap > 0:
                self._agent += bytes([SILENCE]) * gap
            self._agent += mulaw

    def agent_cleared(self) -> None:
        """Forgets the agent's audio that the caller never heard."""
        if self._keep_audio:
            del self._agent[len(self._caller) :]

    def stop_recording(self) -> None:
        """Keeps no audio from here on and discards what was kept."""
        self._keep_audio = False
        self._caller.clear()
        self._agent.clear()

    def finish(self, by: float) -> None:
        """No further event comes; `run` ends when all are written, or at `by` (loop time), the rest in `unwritten`."""
        if self._events.full():
            self._events.get_nowait()
            self.lost_events += 1
        self._events.put_nowait(None)
        self._finish_by = by
        if self._limit is not None:
            self._limit.reschedule(by)

    async def run(self) -> None:
        """Writes events in order until `finish`; while the store is away they wait."""
        number, event = 0, None
        try:
            async with asyncio.timeout_at(self._finish_by) as self._limit:
                while (event := await self._events.get()) is not None:
                    number += 1
                    await self._write(number, event)
        except TimeoutError:
            self.unwritten = list(enumerate(self._left(event), start=max(1, number)))

    def _left(self, event: CallEvent | None) -> list[CallEvent]:
        left = [] if event is None else [event]
        while not self._events.empty():
            if (waiting := self._events.get_nowait()) is not None:
                left.append(waiting)
        return left

    def recording(self) -> bytes | None:
        """Returns the call as a stereo WAV (8 kHz mu-law; left the caller, right the agent), or None if not kept."""
        if not self._keep_audio or not self._caller:
            return None
        caller, agent = bytes(self._caller), bytes(self._agent)
        length = max(len(caller), len(agent))
        stereo = np.full((length, 2), SILENCE, dtype=np.uint8)
        stereo[: len(caller), 0] = np.frombuffer(caller, dtype=np.uint8)
        stereo[: len(agent), 1] = np.frombuffer(agent, dtype=np.uint8)
        return wav_header(2, stereo.size) + stereo.tobytes()

    async def _write(self, number: int, event: CallEvent) -> None:
        try:
            await until_done(lambda: self._write_event(number, event), by=None)
        except AppError as error:
            self.lost_events += 1
            _log.error("calls.event_lost", kind=event.kind, code=error.code)
