"""The speech worker, a process of one thread: listens (VAD and ASR) or speaks (TTS) for all calls of a media process.

Started by `speech.process` with one end of a socket pair; it ends when the other end closes.
"""

import argparse
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.errors import AppError
from app.speech import wire
from app.speech.asr.choice import load_engine
from app.speech.asr.engine import AsrEngine
from app.speech.asr.routing import Opener, engine_for, load_routed, opener_of
from app.speech.audio import BYTES_PER_MS
from app.speech.scheduler import Scheduler
from app.speech.vad import SileroVad, VadStream

_HISTORY_MS: Final = 2_000
_EX_CONFIG: Final = 78  # Source: BSD sysexits.h


class _Slot:
    """One call as the worker sees it: recent audio, voice state, and what opens its recognition streams."""

    __slots__ = ("history", "opener", "received_bytes", "vad")

    def __init__(self, opener: Opener) -> None:
        self.opener = opener
        self.vad = VadStream()
        self.history = bytearray()
        self.received_bytes = 0

    def since(self, from_ms: int) -> bytes:
        """Returns the audio from a position of the call on, as far back as it is kept."""
        wanted = self.received_bytes - from_ms * BYTES_PER_MS
        return bytes(self.history[-wanted:]) if wanted > 0 else b""


class Listener:
    """Applies commands as they come, then answers with probabilities, partials and finals."""

    def __init__(self, pipe: wire.BlockingPipe, vad: SileroVad, asr: AsrEngine, scheduler: Scheduler) -> None:
        self._pipe = pipe
        self._vad = vad
        self._asr = asr
        self._scheduler = scheduler
        self._slots: dict[int, _Slot] = {}
        self._busy_seconds = 0.0
        self._audio_bytes = 0

    def run(self) -> None:
        """Serves until the media process closes the pipe."""
        self._pipe.send([wire.READY, {"chunk_ms": self._asr.chunk_ms}])
        while True:
            messages = self._pipe.receive_all(self._scheduler.seconds_to_wait())
            started = time.perf_counter()
            self._answer(messages)
            self._busy_seconds += time.perf_counter() - started

    def _answer(self, messages: list[Any]) -> None:
        finishes: list[tuple[int, int]] = []
        for message in messages:
            if message == [wire.PING]:
                self._pipe.send([wire.PONG, self._take_figures()])
                continue
            for command in message:
                if command[0] == wire.FINISH:
                    finishes.append((command[1], command[2]))
                else:
                    self._apply(command)
        self._hear_voice()
        self._finish(finishes)
        for number, partial in self._scheduler.step():
            self._pipe.send([wire.PARTIAL, number, wire.pack_transcript(partial)])

    def _apply(self, command: list[Any]) -> None:
        kind, number = command[0], command[1]
        if kind == wire.OPEN:
            self._slots[number] = _Slot(opener_of(self._asr))
            return
        slot = self._slots.get(number)
        if slot is None:
            return
        match kind:
            case wire.AUDIO:
                self._take(number, slot, command[2])
            case wire.BEGIN:
                self._scheduler.open(number, wire.unpack_bias(command[3]), slot.opener)
                self._scheduler.push(number, slot.since(command[2]))
            case wire.END:
                self._scheduler.close(number)
            case wire.CLOSE:
                self._scheduler.close(number)
                del self._slots[number]

    def _take(self, number: int, slot: _Slot, mulaw: bytes) -> None:
        slot.vad.pending += mulaw
        slot.history += mulaw
        slot.received_bytes += len(mulaw)
        self._audio_bytes += len(mulaw)
        excess = len(slot.history) - _HISTORY_MS * BYTES_PER_MS
        if excess > 0:
            del slot.history[:excess]
        self._scheduler.push(number, mulaw)

    def _hear_voice(self) -> None:
        numbers = list(self._slots)
        heard = self._vad.probabilities([self._slots[number].vad for number in numbers])
        voices = [[number, values] for number, values in zip(numbers, heard, strict=True) if values]
        if voices:
            self._pipe.send([wire.VOICE, voices])

    def _finish(self, requests: list[tuple[int, int]]) -> None:
        finals = self._scheduler.finish([number for number, _ in requests])
        for (_, request), final in zip(requests, finals, strict=True):
            if final is None:
                self._pipe.send([wire.FAILED, request, "no utterance is open"])
            else:
                self._pipe.send([wire.FINAL, request, wire.pack_transcript(final)])

    def _take_figures(self) -> dict[str, Any]:
        figures: dict[str, Any] = {
            **self._scheduler.take_figures(),
            "busy_ms": round(self._busy_seconds * 1_000, 2),
            "audio_ms": self._audio_bytes // BYTES_PER_MS,
        }
        self._busy_seconds, self._audio_bytes = 0.0, 0
        return figures


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """How a listening worker recognises."""

    engine: str
    model: Path | None
    device: str
    threads: int
    max_batch: int
    max_wait_ms: float
    route: list[str]

    def load(self) -> AsrEngine:
        """Loads the model, or every model of the language map, each in the engine that it was made for."""
        if not self.route:
            return load_engine(self.engine, self.model, device=self.device, threads=self.threads)
        models = {language: Path(path) for language, _, path in (item.partition("=") for item in self.route)}

        def load(path: Path) -> AsrEngine:
            return load_engine(engine_for(path), path, device=self.device, threads=self.threads)

        return load_routed(models, load)


def listen(pipe: wire.BlockingPipe, options: ListenOptions) -> None:
    """Loads the models and listens until the pipe closes."""
    asr = options.load()
    scheduler = Scheduler(asr, max_batch=options.max_batch, max_wait_ms=options.max_wait_ms)
    Listener(pipe, SileroVad(options.threads), asr, scheduler).run()


def speak(pipe: wire.BlockingPipe) -> None:
    """Loads the voices and speaks until the pipe closes."""
    from app.errors import TtsError
    from app.speech.tts.engine import Voice
    from app.speech.tts.espeak import EspeakTts

    engine = EspeakTts()
    pipe.send([wire.READY, {}])
    while True:
        for message in pipe.receive_all():
            if message == [wire.PING]:
                pipe.send([wire.PONG, {}])
                continue
            _, request, text, name, rate, pitch = message
            try:
                for mulaw in engine.synthesise(text, Voice(name, rate, pitch)):
                    pipe.send([wire.SPEECH, request, mulaw, False])
                pipe.send([wire.SPEECH, request, b"", True])
            except TtsError as error:
                pipe.send([wire.FAILED, request, error.detail])


def main() -> None:
    """Runs one role on the socket whose file descriptor is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=["listen", "speak"])
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--engine", default="onnx")
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--route", action="append", default=[], metavar="LANGUAGE=MODEL")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--max-batch", type=int, default=16)
    parser.add_argument("--max-wait-ms", type=float, default=20.0)
    arguments = vars(parser.parse_args())
    role, fd = arguments.pop("role"), arguments.pop("fd")
    pipe = wire.BlockingPipe(socket.socket(fileno=fd))
    try:
        if role == "listen":
            listen(pipe, ListenOptions(**arguments))
        else:
            speak(pipe)
    except AppError as error:
        pipe.send([wire.REFUSED, error.detail])
        sys.exit(_EX_CONFIG)
    except (EOFError, ConnectionError, KeyboardInterrupt):
        return


if __name__ == "__main__":
    main()
