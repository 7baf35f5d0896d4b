"""Listening from the media process: one `Ear` per call, each at one of the batched speech workers and sticky to it."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import structlog

from app.errors import AsrError, SpeechWorkerLost, Unavailable
from app.speech import wire
from app.speech.asr.engine import Bias, Transcript
from app.speech.metrics import SpeechMetrics
from app.speech.process import WorkerProcess
from app.speech.seat import HearingOptions, Seat

_WINDOW_BYTES: Final = 256
_FINISH_SECONDS: Final = 1.5
_MOST_FAULTS: Final = 3
_log = structlog.get_logger("speech")


class VoiceListener(Protocol):
    """What a call does with what its ear hears; called on the event loop, must be cheap."""

    def on_voice(self, probabilities: Sequence[float]) -> None:
        """Takes the speech probability of each further 32 ms window."""
        ...

    def on_partial(self, transcript: Transcript) -> None:
        """Takes the words recognised so far in the open utterance."""
        ...

    def on_hearing_lost(self) -> None:
        """Learns that it is not heard: its worker was lost, or it failed itself; an open utterance is gone."""
        ...

    def on_hearing_restored(self) -> None:
        """Learns that a worker listens, from here on."""
        ...


class Ears:
    """The ears of a media process."""

    def __init__(self, options: HearingOptions, metrics: SpeechMetrics | None = None) -> None:
        self._capacity = options.capacity
        self._metrics = metrics
        self._numbers = itertools.count(1)
        self._ears: dict[int, Ear] = {}
        self._requests: dict[int, tuple[Seat, asyncio.Future[Transcript]]] = {}
        self._seats = [Seat(options, self._take, self._seat_homeless, self._lose) for _ in range(options.workers)]

    @property
    def workers(self) -> tuple[WorkerProcess, ...]:
        """The processes behind the ears."""
        return tuple(seat.worker for seat in self._seats)

    @property
    def is_ready(self) -> bool:
        """Whether at least one worker listens."""
        return any(seat.worker.is_ready for seat in self._seats)

    @property
    def open_count(self) -> int:
        """How many slots are taken."""
        return len(self._ears)

    async def start(self) -> None:
        """Starts the workers and waits until their models are loaded.

        Raises:
            ConfigError: The recogniser cannot be used as configured; the detail names the cure.
            SpeechWorkerLost: A worker did not become ready in time.
        """
        await asyncio.gather(*(seat.worker.start() for seat in self._seats))

    async def close(self) -> None:
        """Ends the workers."""
        for seat in self._seats:
            seat.stop_flushing()
        await asyncio.gather(*(seat.worker.close() for seat in self._seats))

    def open(self, listener: VoiceListener) -> "Ear":
        """Takes a slot, at the worker with the fewest calls.

        Raises:
            Unavailable: All slots are taken (`code` is `no_speech_slot`), or no worker can load its model
                (`no_recogniser`).
        """
        if len(self._ears) >= self._capacity:
            raise Unavailable(f"all {self._capacity} speech slots are in use", code="no_speech_slot")
        refusal = next((seat.worker.refusal for seat in self._seats if seat.worker.refusal), None)
        if refusal is not None and not self.is_ready:
            raise Unavailable(f"speech cannot be recognised: {refusal}", code="no_recogniser")
        ear = Ear(self, listener)
        self._seat(ear)
        return ear

    def release(self, ear: "Ear") -> None:
        """Gives a slot back."""
        if self._ears.get(ear.slot) is ear:
            del self._ears[ear.slot]
            self._unseat(ear)

    async def ask(self, command: int, ear: "Ear") -> Transcript:
        """Sends a request about an ear and waits for its transcript.

        Raises:
            SpeechWorkerLost: The worker was lost or is restarting.
            AsrError: The worker refused or did not answer in time.
        """
        seat = ear.seat
        if seat is None or not seat.worker.is_ready:
            raise SpeechWorkerLost("the listen worker is restarting")
        number = next(self._numbers)
        future: asyncio.Future[Transcript] = asyncio.get_running_loop().create_future()
        self._requests[number] = seat, future
        seat.post([command, ear.slot, number], now=True)
        try:
            async with asyncio.timeout(_FINISH_SECONDS):
                return await future
        except TimeoutError as error:
            raise AsrError(f"no transcript within {_FINISH_SECONDS} s") from error
        finally:
            self._requests.pop(number, None)

    def _seat(self, ear: "Ear") -> None:
        """Gives the ear a fresh slot; numbers are never used again, so what is under way for an old one is nobody's."""
        self._ears.pop(ear.slot, None)
        ear.slot = next(self._numbers)
        self._ears[ear.slot] = ear
        ready = [seat for seat in self._seats if seat.worker.is_ready]
        ear.seat = min(ready, key=lambda seat: len(seat.ears)) if ready else None
        if ear.seat is not None:
            ear.seat.ears.add(ear)
            ear.seat.post([wire.OPEN, ear.slot])

    def _unseat(self, ear: "Ear") -> None:
        if ear.seat is not None:
            ear.seat.ears.discard(ear)
            ear.seat.post([wire.CLOSE, ear.slot])
            ear.seat = None

    def _take(self, message: list[Any]) -> None:
        match message:
            case [wire.VOICE, voices]:
                for slot, probabilities in voices:
                    if ear := self._ears.get(slot):
                        self._tell(ear, ear.listener.on_voice, probabilities)
            case [wire.PARTIAL, slot, value]:
                if ear := self._ears.get(slot):
                    self._tell(ear, ear.listener.on_partial, wire.unpack_transcript(value, is_final=False))
            case [wire.FINAL, request, value]:
                if (future := self._future(request)) is not None:
                    future.set_result(wire.unpack_transcript(value, is_final=True))
            case [wire.FAILED, request, detail]:
                if (future := self._future(request)) is not None:
                    future.set_exception(AsrError(detail))
            case [wire.PONG, figures] if self._metrics is not None:
                self._metrics.take(figures)

    def _future(self, request: int) -> asyncio.Future[Transcript] | None:
        _, future = self._requests.get(request, (None, None))
        return None if future is None or future.done() else future

    def _tell(self, ear: "Ear", news: Callable[[Any], None], what: Any) -> None:
        """Tells one call something; a failure there is that call's own, which is then told that it is not heard."""
        try:
            news(what)
        except Exception:
            ear.faults += 1
            _log.exception("speech.listener_failed", slot=ear.slot, faults=ear.faults)
            if self._metrics is not None:
                self._metrics.listener_faults.inc()
            if self._ears.get(ear.slot) is ear:
                self._deafen(ear)

    def _deafen(self, ear: "Ear") -> None:
        """Ends what an ear hears; it begins afresh unless its call has failed too often."""
        self._unseat(ear)
        hears_again = ear.faults < _MOST_FAULTS
        self._inform(ear, ear.listener.on_hearing_lost)
        if hears_again and self._ears.get(ear.slot) is ear:
            self._seat(ear)
            if ear.seat is not None:
                self._inform(ear, ear.listener.on_hearing_restored)

    def _inform(self, ear: "Ear", news: Callable[[], None]) -> None:
        try:
            news()
        except Exception:
            ear.faults += 1
            _log.exception("speech.listener_failed", slot=ear.slot, faults=ear.faults)

    def _seat_homeless(self) -> None:
        for ear in list(self._ears.values()):
            if ear.seat is None and ear.faults < _MOST_FAULTS:
                self._seat(ear)
                self._inform(ear, ear.listener.on_hearing_restored)

    def _lose(self, lost: "Seat") -> None:
        """The worker of a seat is gone: its calls are heard by another at once, or by the next one that is ready."""
        if self._metrics is not None:
            self._metrics.restarts.labels("listen").inc()
        for seat, future in self._requests.values():
            if seat is lost and not future.done():
                future.set_exception(SpeechWorkerLost("the listen worker was lost"))
        ears, lost.ears = lost.ears, set()
        for ear in ears:
            ear.seat = None
            self._inform(ear, ear.listener.on_hearing_lost)
        if self.is_ready:
            self._seat_homeless()


class Ear:
    """One call's slot in a speech worker."""

    __slots__ = ("_closed", "_ears", "_pending", "faults", "listener", "seat", "slot")

    def __init__(self, ears: Ears, listener: VoiceListener) -> None:
        self._ears = ears
        self._pending = bytearray()
        self._closed = False
        self.slot = 0
        self.seat: Seat | None = None
        self.listener = listener
        self.faults = 0

    def push(self, mulaw: bytes) -> None:
        """Takes 8 kHz mu-law audio of the caller; the hot path. It travels once it fills a window of the VAD."""
        if self._closed:
            return
        self._pending += mulaw
        if len(self._pending) >= _WINDOW_BYTES:
            whole = len(self._pending) - len(self._pending) % _WINDOW_BYTES
            if self.seat is not None:
                self.seat.post([wire.AUDIO, self.slot, bytes(self._pending[:whole])])
            del self._pending[:whole]

    def begin(self, from_ms: int, bias: Bias | None = None) -> None:
        """Opens an utterance that starts at a position of this ear's audio (at most 2 s back).

        Args:
            from_ms: where it starts, in milliseconds of the audio since the ear was opened or its hearing restored.
            bias: what is likely to be said in it.
        """
        if not self._closed and self.seat is not None:
            self.seat.post([wire.BEGIN, self.slot, max(0, from_ms), wire.pack_bias(bias)], now=True)

    async def finish(self) -> Transcript:
        """Returns the open utterance as it stands, as if it ended here; more audio may follow.

        Raises:
            SpeechWorkerLost: The worker was lost.
            AsrError: No utterance is open, or no answer in time.
        """
        if self._closed:
            raise AsrError("the ear is closed")
        return await self._ears.ask(wire.FINISH, self)

    def end(self) -> None:
        """Closes the open utterance."""
        if not self._closed and self.seat is not None:
            self.seat.post([wire.END, self.slot])

    def close(self) -> None:
        """Gives the slot back; safe to call twice."""
        self._closed = True
        self._ears.release(self)
