"""Messages between the media process and a speech worker: msgpack, each preceded by its length, over a socket pair.

To the ear (`listen` role), a list of commands at a time:
    [OPEN, slot]  [AUDIO, slot, mulaw]  [BEGIN, slot, from_ms, bias]  [FINISH, slot, request]
    [END, slot]  [CLOSE, slot]
To either worker, alone: [PING], answered with [PONG, figures] (what was measured since the last one)
From the ear:
    [READY, info]  [VOICE, [[slot, probabilities], ...]]  [PARTIAL, slot, transcript]  [FINAL, request, transcript]
    [FAILED, request, detail]
From either worker that cannot start as configured, instead of READY: [REFUSED, detail]
To the mouth (`speak` role): [SPEAK, request, text, voice name, rate, pitch]
From the mouth: [READY, info]  [SPEECH, request, mulaw, last]  [FAILED, request, detail]

A transcript travels as [text, confidence, words, scripts, alternatives] with words [[word, start_ms, end_ms,
confidence], ...], scripts [[script, share, confidence], ...] and alternatives [[text, confidence, words], ...]; a bias
as None or [phrases, digits, expected, numerals].
"""

import select
import socket
import struct
from typing import Any, Final

import msgpack

from app.speech.asr.engine import Alternative, Bias, ScriptShare, Transcript, Word

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
PING: Final = 13
PONG: Final = 14
REFUSED: Final = 15

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

    def receive_all(self, timeout_seconds: float | None = None) -> list[Any]:
        """Returns all whole messages that have come: at least one, unless none comes in time.

        Args:
            timeout_seconds: how long to wait at most; None waits for ever.

        Raises:
            EOFError: The media process is gone.
        """
        messages: list[Any] = []
        while not messages:
            if timeout_seconds is not None and not select.select([self._socket], [], [], timeout_seconds)[0]:
                break
            data = self._socket.recv(1 << 18)
            if not data:
                raise EOFError
            messages = self._unpacker.feed(data)
        return messages


def pack_transcript(transcript: Transcript) -> list[Any]:
    """Returns the transcript as it travels."""
    return [
        transcript.text,
        transcript.confidence,
        _pack_words(transcript.words),
        [[share.script, share.share, share.confidence] for share in transcript.scripts],
        [[other.text, other.confidence, _pack_words(other.words)] for other in transcript.alternatives],
    ]


def unpack_transcript(value: Any, *, is_final: bool) -> Transcript:
    """Returns the transcript that `pack_transcript` packed."""
    text, confidence, words, scripts, others = value
    return Transcript(
        text,
        confidence,
        _unpack_words(words),
        is_final,
        tuple(ScriptShare(*share) for share in scripts),
        tuple(Alternative(text, confidence, _unpack_words(words)) for text, confidence, words in others),
    )


def pack_bias(bias: Bias | None) -> list[Any] | None:
    """Returns the bias as it travels."""
    return None if bias is None else [bias.phrases, bias.digits, bias.expected, bias.numerals]


def unpack_bias(value: Any) -> Bias | None:
    """Returns the bias that `pack_bias` packed."""
    if value is None:
        return None
    phrases, digits, expected, numerals = value
    return Bias(
        tuple(phrases),
        None if digits is None else (digits[0], digits[1]),
        tuple(expected),
        tuple((word, count) for word, count in numerals),
    )


def _pack_words(words: tuple[Word, ...]) -> list[Any]:
    return [[word.text, word.start_ms, word.end_ms, word.confidence] for word in words]


def _unpack_words(values: Any) -> tuple[Word, ...]:
    return tuple(Word(*value) for value in values)
