"""The simulated carrier's media socket: the caller's frames out, the server's in, on one drift-free 20 ms clock."""

import asyncio
import base64
import binascii
import json
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from app.simulate.playout import FRAME_BYTES, FRAME_SECONDS, SILENCE, HeardFrame, Playout
from app.simulate.wire import StreamOrder

MAX_MESSAGE_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Network:
    """How bad the caller's line is.

    Attributes:
        loss: Share of the caller's frames that never arrive, 0 to 1.
        jitter_ms: Up to how much later a frame arrives; the order holds.
        seed: Makes the losses repeatable.
    """

    loss: float = 0.0
    jitter_ms: float = 0.0
    seed: int = 0


@dataclass(slots=True)
class Utterance:
    """Something the caller says; times are `time.monotonic()`, set as it goes out.

    Attributes:
        started_at: When its first frame was sent.
        ended_at: When its last frame had been spoken in full.
    """

    mulaw: bytes
    started_at: float | None = None
    ended_at: float | None = None
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    async def finished(self) -> None:
        """Waits until it was spoken, or hushed."""
        await self._over.wait()

    def end(self, at: float | None) -> None:
        """Marks it as over at `at`, or as never finished."""
        self.ended_at = at
        self._over.set()


class Mouth:
    """What the caller is about to say, frame by frame; silence when idle."""

    def __init__(self) -> None:
        self._waiting: deque[Utterance] = deque()
        self._position = 0

    @property
    def speaking(self) -> bool:
        """Whether anything is left to say."""
        return bool(self._waiting)

    def say(self, mulaw: bytes) -> Utterance:
        """Queues an utterance."""
        utterance = Utterance(mulaw)
        self._waiting.append(utterance)
        return utterance

    def hush(self) -> None:
        """Falls silent at once."""
        while self._waiting:
            self._waiting.popleft().end(None)
        self._position = 0

    def frame(self, now: float) -> bytes:
        """Returns the next 160 bytes."""
        if not self._waiting:
            return SILENCE
        utterance = self._waiting[0]
        if utterance.started_at is None:
            utterance.started_at = now
        frame = utterance.mulaw[self._position : self._position + FRAME_BYTES]
        self._position += FRAME_BYTES
        if self._position >= len(utterance.mulaw):
            self._waiting.popleft()
            self._position = 0
            utterance.end(now + len(frame) / 8000)
        return frame + SILENCE[len(frame) :]


class MediaLeg:
    """One connection of one stream."""

    def __init__(
        self,
        socket: ClientConnection,
        order: StreamOrder,
        *,
        call_id: str,
        stream_id: str,
        account_id: str,
        mouth: Mouth,
        network: Network,
        on_heard: Callable[[HeardFrame], None],
        on_event: Callable[[str, dict[str, Any]], None],
    ) -> None:
        self._socket = socket
        self._order = order
        self._call_id = call_id
        self._stream_id = stream_id
        self._account_id = account_id
        self._mouth = mouth
        self._network = network
        self._random = random.Random(network.seed)
        self._on_heard = on_heard
        self._on_event = on_event
        self._sequence = 0
        self._chunk = 0
        self._outbox: deque[dict[str, Any]] = deque()
        self._in_flight: deque[tuple[float, str]] = deque()
        self.playout = Playout(lambda name: self._acknowledge("playedStream", name=name))

    async def run(self) -> int:
        """Carries both directions until the socket closes; returns the close code the server gave (1006 if none)."""
        media_format = {"encoding": self._order.content_type, "sampleRate": self._order.sample_rate_hz}
        start = {
            "callId": self._call_id,
            "streamId": self._stream_id,
            "accountId": self._account_id,
            "tracks": ["inbound"],
            "mediaFormat": media_format,
        }
        ticking = asyncio.create_task(self._tick())
        try:
            await self._send({"event": "start", "start": start, "extra_headers": self._order.extra_headers})
            async for message in self._socket:
                self._take(message)
        except ConnectionClosed:
            pass
        finally:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)
        return self._socket.close_code or 1006

    def send_digit(self, digit: str) -> None:
        """Presses a key."""
        dtmf = {"track": "inbound", "digit": digit, "timestamp": str(int(time.time() * 1000))}
        self._outbox.append({"event": "dtmf", "streamId": self._stream_id, "dtmf": dtmf})

    async def close(self) -> None:
        """Closes the socket in order, as when the caller hangs up."""
        await self._socket.close()

    def drop(self) -> None:
        """Cuts the connection without a word."""
        self._socket.transport.abort()

    def _acknowledge(self, event: str, **fields: str) -> None:
        self._outbox.append({"event": event, "streamId": self._stream_id, **fields})
        self._on_event(event, dict(fields))

    async def _send(self, message: dict[str, Any]) -> None:
        self._sequence += 1
        await self._socket.send(json.dumps({"sequenceNumber": self._sequence, **message}))

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        count = 0
        try:
            while True:
                await asyncio.sleep(begun + count * FRAME_SECONDS - loop.time())
                count += 1
                now = time.monotonic()
                heard = self.playout.tick(now)
                if heard is not None:
                    self._on_heard(heard)
                while self._outbox:
                    await self._send(self._outbox.popleft())
                await self._send_speech(now)
        except ConnectionClosed:
            return

    async def _send_speech(self, now: float) -> None:
        self._chunk += 1
        payload = base64.b64encode(self._mouth.frame(now)).decode()
        if self._random.random() >= self._network.loss:
            late = self._random.random() * self._network.jitter_ms / 1000
            due = max(now + late, self._in_flight[-1][0] if self._in_flight else 0.0)
            self._in_flight.append((due, payload))
        while self._in_flight and self._in_flight[0][0] <= now:
            media = {
                "track": "inbound",
                "timestamp": str(int(time.time() * 1000)),
                "chunk": self._chunk,
                "payload": self._in_flight.popleft()[1],
            }
            await self._send({"event": "media", "streamId": self._stream_id, "media": media})

    def _take(self, message: str | bytes) -> None:
        try:
            if isinstance(message, bytes) or len(message) > MAX_MESSAGE_BYTES:
                raise ValueError("a binary message, or one over 64 KB")
            fields = json.loads(message)
            self._obey(fields["event"], fields)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._fault("error", f"{error!r} in {message[:120]!r}")

    def _obey(self, event: str, fields: dict[str, Any]) -> None:
        match event:
            case "playAudio":
                self._play(fields["media"])
            case "checkpoint":
                self._check_stream_id(fields)
                self.playout.checkpoint(str(fields["name"]))
            case "clearAudio":
                self._check_stream_id(fields)
                dropped = self.playout.clear()
                self._on_event("clearAudio", {"dropped_seconds": dropped})
                self._acknowledge("clearedAudio")
            case "sendDTMF":
                if not set(fields["dtmf"]) <= set("0123456789*#ABCDwW"):
                    raise ValueError("sendDTMF with other than keypad digits")
                self._on_event("sendDTMF", {"digits": fields["dtmf"]})
            case _:
                raise ValueError(f"unknown event {event!r}")

    def _check_stream_id(self, fields: dict[str, Any]) -> None:
        if fields["streamId"] != self._stream_id:
            raise ValueError("another stream's id")

    def _play(self, media: dict[str, Any]) -> None:
        if (media["contentType"], media["sampleRate"]) != (self._order.content_type, self._order.sample_rate_hz):
            self._fault("playFailed", f"{media['contentType']} at {media['sampleRate']} was not negotiated")
            return
        try:
            mulaw = base64.b64decode(media["payload"], validate=True)
        except binascii.Error:
            self._fault("playFailed", "the payload is not base64")
            return
        if mulaw.startswith(b"RIFF"):
            self._fault("playFailed", "the payload has a WAV header")
        elif not self.playout.play(mulaw):
            self._fault("playFailed", "more than 60 s of audio is queued")

    def _fault(self, event: str, reason: str) -> None:
        self._outbox.append({"event": event, "streamId": self._stream_id, "reason": reason[:200]})
        self._on_event("fault", {"reason": reason})
