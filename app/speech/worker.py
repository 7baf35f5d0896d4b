"""The speech worker, a process of one thread: listens (VAD and ASR) or speaks (TTS) for all calls of a media process.

Started by `speech.process` with one end of a socket pair; it ends when the other end closes.
"""

import argparse
import socket
from pathlib import Path
from typing import Any, Final

from app.speech import wire
from app.speech.asr.engine import AsrEngine, AsrStream
from app.speech.audio import BYTES_PER_MS
from app.speech.vad import SileroVad, VadStream

_HISTORY_MS: Final = 2_000


class _Slot:
    """One call as the worker sees it: recent audio, voice state and, during an utterance, a recognition stream."""

    __slots__ = ("asr", "history", "received_bytes", "vad")

    def __init__(self) -> None:
        self.vad = VadStream()
        self.history = bytearray()
        self.received_bytes = 0
        self.asr: AsrStream | None = None

    def since(self, from_ms: int) -> bytes:
        """Returns the audio from a position of the call on, as far back as it is kept."""
        wanted = self.received_bytes - from_ms * BYTES_PER_MS
        return bytes(self.history[-wanted:]) if wanted > 0 else b""


class Listener:
    """Applies a batch of commands, then answers with probabilities, partials and finals."""

    def __init__(self, pipe: wire.BlockingPipe, vad: SileroVad, asr: AsrEngine) -> None:
        self._pipe = pipe
        self._vad = vad
        self._asr = asr
        self._slots: dict[int, _Slot] = {}

    def run(self) -> None:
        """Serves until the media process closes the pipe."""
        self._pipe.send([wire.READY, {"chunk_ms": self._asr.chunk_ms}])
        while True:
            finishes: list[tuple[int, int]] = []
            for batch in self._pipe.receive_all():
                for command in batch:
                    if command[0] == wire.FINISH:
                        finishes.append((command[1], command[2]))
                    else:
                        self._apply(command)
            self._hear_voice()
            self._recognise()
            self._finish(finishes)

    def _apply(self, command: list[Any]) -> None:
        kind, number = command[0], command[1]
        if kind == wire.OPEN:
            self._slots[number] = _Slot()
            return
        slot = self._slots.get(number)
        if slot is None:
            return
        match kind:
            case wire.AUDIO:
                self._take(slot, command[2])
            case wire.BEGIN:
                slot.asr = self._asr.open_stream()
                self._asr.push(slot.asr, slot.since(command[2]))
            case wire.END:
                slot.asr = None
            case wire.CLOSE:
                del self._slots[number]

    def _take(self, slot: _Slot, mulaw: bytes) -> None:
        slot.vad.pending += mulaw
        slot.history += mulaw
        slot.received_bytes += len(mulaw)
        excess = len(slot.history) - _HISTORY_MS * BYTES_PER_MS
        if excess > 0:
            del slot.history[:excess]
        if slot.asr is not None:
            self._asr.push(slot.asr, mulaw)

    def _hear_voice(self) -> None:
        numbers = list(self._slots)
        heard = self._vad.probabilities([self._slots[number].vad for number in numbers])
        voices = [[number, values] for number, values in zip(numbers, heard, strict=True) if values]
        if voices:
            self._pipe.send([wire.VOICE, voices])

    def _recognise(self) -> None:
        active = [(number, slot.asr) for number, slot in self._slots.items() if slot.asr is not None]
        if not active:
            return
        for (number, _), partial in zip(active, self._asr.step([stream for _, stream in active]), strict=True):
            if partial is not None:
                self._pipe.send([wire.PARTIAL, number, wire.pack_transcript(partial)])

    def _finish(self, requests: list[tuple[int, int]]) -> None:
        ready: list[tuple[int, AsrStream]] = []
        for number, request in requests:
            slot = self._slots.get(number)
            if slot is None or slot.asr is None:
                self._pipe.send([wire.FAILED, request, "no utterance is open"])
            else:
                ready.append((request, slot.asr))
        if ready:
            finals = self._asr.finish([stream for _, stream in ready])
            for (request, _), final in zip(ready, finals, strict=True):
                self._pipe.send([wire.FINAL, request, wire.pack_transcript(final)])


def listen(pipe: wire.BlockingPipe, model: Path | None, threads: int) -> None:
    """Loads the models and listens until the pipe closes."""
    from app.speech.asr.onnx_engine import STARTER_MODEL_DIR, OnnxAsrEngine

    Listener(pipe, SileroVad(threads), OnnxAsrEngine(model or STARTER_MODEL_DIR, threads)).run()


def speak(pipe: wire.BlockingPipe) -> None:
    """Loads the voices and speaks until the pipe closes."""
    from app.errors import TtsError
    from app.speech.tts.engine import Voice
    from app.speech.tts.espeak import EspeakTts

    engine = EspeakTts()
    pipe.send([wire.READY, {}])
    while True:
        for _, request, text, name, rate, pitch in pipe.receive_all():
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
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    pipe = wire.BlockingPipe(socket.socket(fileno=arguments.fd))
    try:
        if arguments.role == "listen":
            listen(pipe, arguments.model, arguments.threads)
        else:
            speak(pipe)
    except (EOFError, ConnectionError, KeyboardInterrupt):
        return


if __name__ == "__main__":
    main()
