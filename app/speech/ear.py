"""Listening from the media process: one `Ear` per call, all of them served by one batched speech worker."""

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from app.errors import AsrError, SpeechWorkerLost, Unavailable
from app.speech import wire
from app.speech.asr.engine import Transcript
from app.speech.process import WorkerProcess

_FLUSH_SECONDS: Final = 0.012
_WINDOW_BYTES: Final = 256
_FINISH_SECONDS: Final = 1.5


class VoiceListener(Protocol):
    """What a call does with what its ear hears; called on the event loop, must be cheap."""

    def on_voice(self, probabilities: Sequence[float]) -> None:
        """Takes the speech probability of each further 32 ms window."""
        ...

    def on_partial(self, transcript: Transcript) -> None:
        """Takes the words recognised so far in the open utterance."""
        ...

    def on_hearing_lost(self) -> None:
        """Learns that the speech worker died; an open utterance is gone."""
        ...

    def on_hearing_restored(self) -> None:
        """Learns that a new worker listens, from here on."""
        ...


class Ears:
    """The ears of a media process. `capacity` is the admission limit: one slot per admitted call."""

    def __init__(self, *, model: Path | None, threads: int, capacity: int) -> None:
        arguments = ["--threads", str(threads), *(["--model", str(model)] if model else [])]
        self._worker = WorkerProcess(
            "listen", arguments, on_message=self._take, on_ready=self._reopen, on_lost=self._lose
        )
        self._capacity = capacity
        self._free = list(range(capacity - 1, -1, -1))
        self._ears: dict[int, Ear] = {}
        self._requests: dict[int, asyncio.Future[Transcript]] = {}
        self._numbers = itertools.count(1)
        self._outbox: list[list[Any]] = []
        self._flush: asyncio.TimerHandle | None = None

    @property
    def worker(self) -> WorkerProcess:
        """The process behind the ears."""
        return self._worker

    @property
    def open_count(self) -> int:
        """How many slots are taken."""
        return len(self._ears)

    async def start(self) -> None:
        """Starts the worker and waits until its models are loaded."""
        await self._worker.start()

    async def close(self) -> None:
        """Ends the worker."""
        if self._flush is not None:
            self._flush.cancel()
        await self._worker.close()

    def open(self, listener: VoiceListener) -> "Ear":
        """Takes a slot.

        Raises:
            Unavailable: All slots are taken (`code` is `no_speech_slot`).
        """
        if not self._free:
            raise Unavailable(f"all {self._capacity} speech slots are in use", code="no_speech_slot")
        ear = Ear(self, self._free.pop(), listener)
        self._ears[ear.slot] = ear
        self.post([wire.OPEN, ear.slot])
        return ear

    def release(self, ear: "Ear") -> None:
        """Gives a slot back."""
        if self._ears.get(ear.slot) is ear:
            del self._ears[ear.slot]
            self.post([wire.CLOSE, ear.slot])
            self._free.append(ear.slot)

    def post(self, command: list[Any], *, now: bool = False) -> None:
        """Queues a command; everything queued within 12 ms travels in one message."""
        if not self._worker.is_ready:
            return
        self._outbox.append(command)
        if now:
            self._send()
        elif self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self._send)

    async def ask(self, command: int, slot: int) -> Transcript:
        """Sends a request about a slot and waits for its transcript.

        Raises:
            SpeechWorkerLost: The worker died or is restarting.
            AsrError: The worker refused or did not answer in time.
        """
        if not self._worker.is_ready:
            raise SpeechWorkerLost("the listen worker is restarting")
        number = next(self._numbers)
        future: asyncio.Future[Transcript] = asyncio.get_running_loop().create_future()
        self._requests[number] = future
        self.post([command, slot, number], now=True)
        try:
            async with asyncio.timeout(_FINISH_SECONDS):
                return await future
        except TimeoutError as error:
            raise AsrError(f"no transcript within {_FINISH_SECONDS} s") from error
        finally:
            self._requests.pop(number, None)

    def _send(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        if self._outbox and self._worker.is_ready:
            self._worker.send(self._outbox)
        self._outbox = []

    def _take(self, message: list[Any]) -> None:
        match message:
            case [wire.VOICE, voices]:
                for slot, probabilities in voices:
                    if ear := self._ears.get(slot):
                        ear.listener.on_voice(probabilities)
            case [wire.PARTIAL, slot, value]:
                if ear := self._ears.get(slot):
                    ear.listener.on_partial(wire.unpack_transcript(value, is_final=False))
            case [wire.FINAL, request, value]:
                if (future := self._requests.get(request)) and not future.done():
                    future.set_result(wire.unpack_transcript(value, is_final=True))
            case [wire.FAILED, request, detail]:
                if (future := self._requests.get(request)) and not future.done():
                    future.set_exception(AsrError(detail))

    def _reopen(self) -> None:
        self._outbox = []
        for ear in self._ears.values():
            self.post([wire.OPEN, ear.slot])
            ear.listener.on_hearing_restored()

    def _lose(self) -> None:
        for future in self._requests.values():
            if not future.done():
                future.set_exception(SpeechWorkerLost("the listen worker died"))
        for ear in list(self._ears.values()):
            ear.listener.on_hearing_lost()


class Ear:
    """One call's slot in the speech worker."""

    __slots__ = ("_closed", "_ears", "_pending", "listener", "slot")

    def __init__(self, ears: Ears, slot: int, listener: VoiceListener) -> None:
        self._ears = ears
        self.slot = slot
        self.listener = listener
        self._pending = bytearray()
        self._closed = False

    def push(self, mulaw: bytes) -> None:
        """Takes 8 kHz mu-law audio of the caller; the hot path. It travels once it fills a window of the VAD."""
        if self._closed:
            return
        self._pending += mulaw
        if len(self._pending) >= _WINDOW_BYTES:
            whole = len(self._pending) - len(self._pending) % _WINDOW_BYTES
            self._ears.post([wire.AUDIO, self.slot, bytes(self._pending[:whole])])
            del self._pending[:whole]

    def begin(self, from_ms: int) -> None:
        """Opens an utterance that starts at a position of this ear's audio (at most 2 s back)."""
        if not self._closed:
            self._ears.post([wire.BEGIN, self.slot, max(0, from_ms)], now=True)

    async def finish(self) -> Transcript:
        """Returns the open utterance as it stands, as if it ended here; more audio may follow.

        Raises:
            SpeechWorkerLost: The worker died.
            AsrError: No utterance is open, or no answer in time.
        """
        if self._closed:
            raise AsrError("the ear is closed")
        return await self._ears.ask(wire.FINISH, self.slot)

    def end(self) -> None:
        """Closes the open utterance."""
        if not self._closed:
            self._ears.post([wire.END, self.slot])

    def close(self) -> None:
        """Gives the slot back, which may be another call's at once; safe to call twice."""
        self._closed = True
        self._ears.release(self)
