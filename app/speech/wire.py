"""Messages between the media process and a speech worker: msgpack, each preceded by its length, over a socket pair.

To the ear (`listen` role), a list of commands at a time:
    [OPEN, slot]  [AUDIO, slot, mulaw]  [BEGIN, slot, from_ms]  [FINISH, slot, request]  [END, slot]  [CLOSE, slot]
From the ear:
    [READY, info]  [VOICE, [[slot, probabilities], ...]]  [PARTIAL, slot, transcript]  [FINAL, request, transcript]
    [FAILED, request, detail]
To the mouth (`speak` role): [SPEAK, request, text, voice name, rate, pitch]
From the mouth: [READY, info]  [SPEECH, request, mulaw, last]  [FAILED, request, detail]

A transcript travels as [text, confidence, [[word, start_ms, end_ms, confidence], ...]].
"""

import socket
import struct
from typing import Any, Final

import msgpack

from app.speech.asr.engine import Transcript, Word

OPEN: Final = 0
AUDIO: Final = 1
BEGIN: Final = 2
FINISH: Final = 3
END: Final = 4
CLOSE: Final = 5
READY: Final = 6
VOICE: Final = 7
PARTIAL: Final = 8
FINAL: Final = 9
FAILED: Final = 10
SPEAK: Final = 11
SPEECH: Final = 12

_LENGTH: Final = struct.Struct(">I")


def encode(message: Any) -> bytes:
    """Returns the message with its length before it."""
    body: bytes = msgpack.packb(message)
    return _LENGTH.pack(len(body)) + body


class Unpacker:
    """Cuts a byte stream into messages."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Any]:
        """Returns the messages that `data` completes."""
        self._buffer += data
        messages = []
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                break
            messages.append(msgpack.unpackb(bytes(self._buffer[_LENGTH.size : end])))
            del self._buffer[:end]
        return messages


class BlockingPipe:
    """The worker's end: reads everything that has arrived, waits only when nothing has."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._unpacker = Unpacker()

    def send(self, message: Any) -> None:
        """Sends one message."""
        self._socket.sendall(encode(message))

    def receive_all(self) -> list[Any]:
        """Returns all whole messages that have come, at least one.

        Raises:
            EOFError: The media process is gone.
        """
        messages: list[Any] = []
        while not messages:
            data = self._socket.recv(1 << 18)
            if not data:
                raise EOFError
            messages = self._unpacker.feed(data)
        return messages


def pack_transcript(transcript: Transcript) -> list[Any]:
    """Returns the transcript as it travels."""
    words = [[word.text, word.start_ms, word.end_ms, word.confidence] for word in transcript.words]
    return [transcript.text, transcript.confidence, words]


def unpack_transcript(value: Any, *, is_final: bool) -> Transcript:
    """Returns the transcript that `pack_transcript` packed."""
    text, confidence, words = value
    return Transcript(text, confidence, tuple(Word(*word) for word in words), is_final)
