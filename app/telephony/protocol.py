"""The words of Plivo's media socket: text frames to small values and back; pure, between `stream` and the wire.

Source: Plivo, "Audio streaming", messages from and to Plivo; older pages spell some events differently, and both
spellings are read.
"""

import binascii
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from app.errors import BadRequest

MAX_MESSAGE_CHARS: Final = 65_536
"""Source: Plivo, stream limits: a message is at most 64 KB."""

MAX_PLAY_BYTES: Final = 12_288
"""mu-law bytes per playAudio. Source: Plivo recommends at most 16 KB of base64 per message."""

MAX_NAME_CHARS: Final = 256
DIGITS: Final = frozenset("0123456789*#ABCD")
SENDABLE_DIGITS: Final = DIGITS | frozenset("wW")
ENCODING: Final = "audio/x-mulaw"
SAMPLE_RATE_HZ: Final = 8000


class ProtocolViolation(BadRequest):
    """A frame that Plivo would not send.

    Attributes:
        code: What is wrong, from a small fixed set: it becomes a metric's label.
        close_code: The WebSocket close code that says so.
        fatal: Whether the socket ends at once instead of after a number of them.
    """

    def __init__(self, code: str, detail: str, *, close_code: int = 1007, fatal: bool = False) -> None:
        super().__init__(detail, code=code)
        self.close_code = close_code
        self.fatal = fatal


class Started:
    """The stream begins; `extra_headers` are the caller-visible ones of the answer XML, never trusted."""

    __slots__ = ("call_id", "encoding", "extra_headers", "sample_rate_hz", "stream_id")

    def __init__(
        self, call_id: str, stream_id: str, encoding: str, sample_rate_hz: int, extra_headers: Mapping[str, str]
    ) -> None:
        self.call_id = call_id
        self.stream_id = stream_id
        self.encoding = encoding
        self.sample_rate_hz = sample_rate_hz
        self.extra_headers = extra_headers


class Media:
    """What the caller said: about 20 ms of mu-law, mono, 8 kHz."""

    __slots__ = ("mulaw",)

    def __init__(self, mulaw: bytes) -> None:
        self.mulaw = mulaw


class Dtmf:
    """One key of the caller's keypad."""

    __slots__ = ("digit",)

    def __init__(self, digit: str) -> None:
        self.digit = digit


class Played:
    """Everything queued before checkpoint `name` was played."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Cleared:
    """The carrier dropped its queue."""

    __slots__ = ()


class Stopped:
    """The carrier says that the stream ends; the socket's close follows."""

    __slots__ = ()


class CarrierFault:
    """The carrier could not play or hit an error of its own."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


Frame = Started | Media | Dtmf | Played | Cleared | Stopped | CarrierFault

_CLEARED: Final = Cleared()
_STOPPED: Final = Stopped()


def parse(text: str | bytes) -> Frame:
    """Reads one text frame of the carrier.

    Args:
        text: The frame's JSON.

    Raises:
        ProtocolViolation: It is too large (`oversize`, fatal), not JSON (`bad_json`), of the wrong shape
            (`bad_shape`), of an unknown kind (`unknown_event`), or carries bad audio (`bad_base64`, `wrong_track`).
    """
    if len(text) > MAX_MESSAGE_CHARS:
        raise ProtocolViolation("oversize", f"a frame of {len(text)} characters", close_code=1009, fatal=True)
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ProtocolViolation("bad_json", "the frame is not JSON") from error
    try:
        event = message["event"]
        if event == "media":
            media = message["media"]
            if media.get("track", "inbound") != "inbound":
                raise ProtocolViolation("wrong_track", "only the inbound track was asked for", close_code=1008)
            return Media(_audio(media["payload"]))
        read = _READERS.get(event)
        if read is None:
            raise ProtocolViolation("unknown_event", "an event of an unknown name", close_code=1003)
        return read(message)
    except (KeyError, TypeError, AttributeError) as error:
        raise ProtocolViolation("bad_shape", "a field is missing or of the wrong type") from error


def _audio(payload: Any) -> bytes:
    if type(payload) is not str:
        raise TypeError("payload")
    try:
        return binascii.a2b_base64(payload, strict_mode=True)
    except ValueError as error:
        raise ProtocolViolation("bad_base64", "the payload is not base64") from error


def _either(fields: Mapping[str, Any], camel: str, snake: str) -> Any:
    return fields[camel] if camel in fields else fields[snake]


def _name(value: Any) -> str:
    if type(value) is not str or not 0 < len(value) <= MAX_NAME_CHARS:
        raise TypeError("name")
    return value


def _started(message: Mapping[str, Any]) -> Started:
    start = message["start"]
    media_format = _either(start, "mediaFormat", "media_format")
    rate = _either(media_format, "sampleRate", "sample_rate")
    if type(rate) is str and rate.isascii() and rate.isdigit() and len(rate) <= 6:
        rate = int(rate)
    if type(rate) is not int:
        raise TypeError("sampleRate")
    headers: Any = None
    for place in (message, start):
        for spelling in ("extra_headers", "extraHeaders"):
            headers = headers or place.get(spelling)
    return Started(
        call_id=_name(_either(start, "callId", "call_id")),
        stream_id=_name(_either(start, "streamId", "stream_id")),
        encoding=_name(media_format["encoding"]).partition(";")[0].strip().lower(),
        sample_rate_hz=rate,
        extra_headers=read_extra_headers(headers),
    )


def read_extra_headers(value: Any) -> dict[str, str]:
    """Reads the answer XML's extra headers as they come back: `k=v` by comma or semicolon, JSON text, or an object.

    Args:
        value: The field as received. What cannot be read is left out: these headers decide nothing.
    """
    if isinstance(value, str):
        text = value.strip()
        if not text.startswith("{"):
            pairs = (part.partition("=") for part in text.replace(";", ",").split(","))
            return {key.strip(): held.strip() for key, equals, held in pairs if equals and key.strip()}
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            return {}
    if not isinstance(value, dict):
        return {}
    return {key: str(held) for key, held in value.items() if isinstance(held, str | int | float)}


def _dtmf(message: Mapping[str, Any]) -> Dtmf:
    digit = message["dtmf"]["digit"]
    digit = str(digit).upper() if type(digit) in (str, int) else ""
    if digit not in DIGITS:
        raise TypeError("digit")
    return Dtmf(digit)


def _played(message: Mapping[str, Any]) -> Played:
    return Played(_name(message["name"]))


def _fault(message: Mapping[str, Any]) -> CarrierFault:
    reason = message.get("reason") or message.get("message") or "unnamed"
    return CarrierFault(f"{message['event']}: {str(reason)[:MAX_NAME_CHARS]}")


_READERS: Final[Mapping[Any, Callable[[Mapping[str, Any]], Frame]]] = {
    "start": _started,
    "dtmf": _dtmf,
    "playedStream": _played,
    "played_stream": _played,
    "played": _played,
    "clearedAudio": lambda _: _CLEARED,
    "cleared_audio": lambda _: _CLEARED,
    "cleared": lambda _: _CLEARED,
    "stop": lambda _: _STOPPED,
    "stopped": lambda _: _STOPPED,
    "playFailed": _fault,
    "play_failed": _fault,
    "error": _fault,
}

_PLAY_HEAD: Final = (
    f'{{"event":"playAudio","media":{{"contentType":"{ENCODING}","sampleRate":{SAMPLE_RATE_HZ},"payload":"'
)


def play_audio(mulaw: bytes) -> str:
    """Returns the frame that queues audio at the carrier.

    Args:
        mulaw: mu-law, mono, 8 kHz, without a header; at most `MAX_PLAY_BYTES`.
    """
    return _PLAY_HEAD + binascii.b2a_base64(mulaw, newline=False).decode("ascii") + '"}}'


def checkpoint(stream_id: str, name: str) -> str:
    """Returns the frame that asks for `playedStream` once everything before it was played."""
    return orjson.dumps({"event": "checkpoint", "streamId": stream_id, "name": name}).decode()


def clear_audio(stream_id: str) -> str:
    """Returns the frame that drops the carrier's queue."""
    return orjson.dumps({"event": "clearAudio", "streamId": stream_id}).decode()


def send_dtmf(digits: str) -> str:
    """Returns the frame that plays keypad tones to the other party.

    Raises:
        BadRequest: A character is not on a keypad.
    """
    if not digits or not SENDABLE_DIGITS.issuperset(digits):
        raise BadRequest("keypad tones are 0-9 * # A-D, with w and W for pauses", code="bad_digits")
    return orjson.dumps({"event": "sendDTMF", "dtmf": digits}).decode()
