"""One media socket of the carrier: between the wire's frames and the live call, in both directions."""

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import Final, NoReturn, Protocol

import structlog
from starlette.types import Receive
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.calls.ports import LiveCall, StreamClaim
from app.telephony import protocol
from app.telephony.metrics import TelephonyMetrics
from app.telephony.protocol import ProtocolViolation
from app.telephony.sockets import MediaSocketProtocol

log = structlog.get_logger()

MAX_VIOLATIONS: Final = 20
MAX_QUEUED_CHARS: Final = 700_000
"""About 60 s of audio as frames. Source: Plivo holds at most about 60 s of queued playback."""

SEND_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 15.0
CLOSE_SECONDS: Final = 2.0

CLOSE_CODES: Final = {"blocked": 1011, "failed": 1011, "idle": 1008, "replaced": 1001, "shutdown": 1012}


class CallControl(Protocol):
    """What can be done to a call beside its media socket; `rest.PlivoCallControl` does it."""

    async def hang_up(self, claim: StreamClaim) -> None:
        """Ends the call; fine if it is gone. Raises: CarrierError."""
        ...

    async def transfer(self, claim: StreamClaim, number: str) -> None:
        """Lets the carrier dial `number` (E.164) for the caller. Raises: CarrierError."""
        ...

    async def start_recording(self, claim: StreamClaim) -> None:
        """Starts the carrier's recording. Raises: CarrierError."""
        ...

    async def stop_recording(self, claim: StreamClaim) -> None:
        """Stops the carrier's recording. Raises: CarrierError."""
        ...


class StreamEnded(Exception):
    """A socket's end, from whichever of its tasks saw it first."""

    def __init__(self, reason: str, close_code: int = 1000) -> None:
        super().__init__(reason)
        self.reason = reason
        self.close_code = CLOSE_CODES.get(reason, close_code)


class Receiver:
    """Reads frames from one socket and bounds what it forgives."""

    def __init__(self, receive: Receive, metrics: TelephonyMetrics, socket: MediaSocketProtocol | None = None) -> None:
        self._receive = receive
        self._metrics = metrics
        self.socket = socket
        self.violations = 0
        self.received = 0

    async def next(self) -> protocol.Frame:
        """Returns the next good frame.

        Raises:
            StreamEnded: The socket closed, or it broke the protocol too often or too badly.
        """
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                raise _ended_by_peer(message.get("code", 1006))
            text = message.get("text")
            if text is None:
                self.received += 1
                self.forgive(ProtocolViolation("binary", "a binary message", close_code=1003))
            elif (frame := self.parse(text)) is not None:
                return frame

    def parse(self, text: str | bytes) -> protocol.Frame | None:
        """Returns the frame, or None where it broke the protocol and is forgiven.

        Raises:
            StreamEnded: It broke the protocol too often or too badly.
        """
        self.received += 1
        try:
            return protocol.parse(text)
        except ProtocolViolation as violation:
            self.forgive(violation)
            return None

    def forgive(self, violation: ProtocolViolation) -> None:
        """Counts a violation.

        Raises:
            StreamEnded: It was fatal, or one too many.
        """
        self.violations += 1
        self._metrics.violations.labels(violation.code).inc()
        if self.violations == 1:
            log.warning("stream.violation", kind=violation.code, detail=violation.detail)
        if violation.fatal or self.violations >= MAX_VIOLATIONS:
            raise StreamEnded("violations", violation.close_code) from violation


def _ended_by_peer(code: int) -> StreamEnded:
    if code == 1012:
        return StreamEnded("shutdown")
    return StreamEnded("lost" if code in (1005, 1006, 1011) else "closed")


class PlivoStream:
    """A started media socket; the `Carrier` of one live call.

    One task writes, in order, what the sync methods queue; `clear` overtakes and drops what was not yet sent.
    """

    def __init__(
        self,
        websocket: WebSocket,
        receiver: Receiver,
        *,
        claim: StreamClaim,
        stream_id: str,
        control: CallControl,
        metrics: TelephonyMetrics,
    ) -> None:
        self._websocket = websocket
        self._receiver = receiver
        self._claim = claim
        self._stream_id = stream_id
        self._control = control
        self._metrics = metrics
        self._queue: deque[str] = deque()
        self._queued_chars = 0
        self._wake = asyncio.Event()
        self._dismissed = asyncio.Event()
        self._dismissal = "replaced"
        self._end: StreamEnded | None = None
        self._releasing = False
        self._done = asyncio.Event()

    @property
    def replaced(self) -> bool:
        """Whether a newer socket of the same call took over."""
        return self._dismissed.is_set() and self._dismissal == "replaced"

    def play(self, mulaw: bytes) -> None:
        """Queues audio; see `Carrier.play`."""
        for start in range(0, len(mulaw), protocol.MAX_PLAY_BYTES):
            self._put(protocol.play_audio(mulaw[start : start + protocol.MAX_PLAY_BYTES]))

    def checkpoint(self, name: str) -> None:
        """Queues a checkpoint; see `Carrier.checkpoint`."""
        self._put(protocol.checkpoint(self._stream_id, name))

    def clear(self) -> None:
        """Drops what is queued and tells the carrier to do the same; see `Carrier.clear`."""
        self._queue.clear()
        self._queued_chars = 0
        self._put(protocol.clear_audio(self._stream_id))

    def send_dtmf(self, digits: str) -> None:
        """Queues keypad tones; see `Carrier.send_dtmf`."""
        self._put(protocol.send_dtmf(digits))

    async def hang_up(self) -> None:
        """Ends the call; see `Carrier.hang_up`."""
        await self._control.hang_up(self._claim)

    async def transfer(self, number: str) -> None:
        """Hands the caller over; see `Carrier.transfer`."""
        await self._control.transfer(self._claim, number)

    async def start_recording(self) -> None:
        """Starts the carrier's recording; see `Carrier.start_recording`."""
        await self._control.start_recording(self._claim)

    async def stop_recording(self) -> None:
        """Stops the carrier's recording; see `Carrier.stop_recording`."""
        await self._control.stop_recording(self._claim)

    async def close(self) -> None:
        """Closes after what is queued; see `Carrier.close`."""
        self._releasing = True
        self._wake.set()
        try:
            async with asyncio.timeout(SEND_SECONDS + CLOSE_SECONDS):
                await self._done.wait()
        except TimeoutError:
            self.dismiss("blocked")

    def dismiss(self, reason: str) -> None:
        """Ends this socket from outside: `replaced`, `shutdown` or `blocked`. No frame reaches the call after it."""
        if not self._dismissed.is_set():
            self._dismissal = reason
            self._dismissed.set()

    async def run(self, live: LiveCall) -> StreamEnded:
        """Carries frames both ways until the socket ends; returns how it ended."""
        ended = StreamEnded("lost")
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write())
                tasks.create_task(self._watch())
                await self._read(live)
        except* StreamEnded as group:
            ended = _first(group)
        except* Exception:
            log.exception("stream.failed", call_id=self._claim.call_id, tenant_id=self._claim.tenant_id)
            ended = StreamEnded("failed")
        finally:
            self._done.set()
        return ended

    def _put(self, frame: str) -> None:
        if self._done.is_set() or self._releasing:
            return
        if self._queued_chars + len(frame) > MAX_QUEUED_CHARS:
            self.dismiss("blocked")
            return
        self._queue.append(frame)
        self._queued_chars += len(frame)
        self._wake.set()

    async def _read(self, live: LiveCall) -> NoReturn:
        receive, socket = self._receiver.next, self._receiver.socket
        while True:
            if socket is not None and socket.queue.empty():
                socket.divert(lambda text: self._take(live, text))
                socket = None
            frame = await receive()
            if self._dismissed.is_set():
                raise self._end or StreamEnded(self._dismissal)
            self._deliver(live, frame)

    def _take(self, live: LiveCall, text: bytes) -> None:
        """Takes a message straight from the socket: the hot path, without a task or a queue in between."""
        if self._dismissed.is_set():
            return
        try:
            frame = self._receiver.parse(text)
            if type(frame) is protocol.Media:
                live.on_audio(frame.mulaw)
            elif frame is not None:
                self._deliver(live, frame)
        except StreamEnded as ended:
            self._end = ended
        except Exception:
            log.exception("stream.failed", call_id=self._claim.call_id, tenant_id=self._claim.tenant_id)
            self._end = StreamEnded("failed")
        if self._end is not None:
            self.dismiss(self._end.reason)

    def _deliver(self, live: LiveCall, frame: protocol.Frame) -> None:
        match frame:
            case protocol.Media():
                live.on_audio(frame.mulaw)
            case protocol.Dtmf():
                live.on_dtmf(frame.digit)
            case protocol.Played():
                live.on_played(frame.name)
            case protocol.Cleared():
                live.on_cleared()
            case protocol.Stopped():
                raise StreamEnded("stopped")
            case protocol.CarrierFault():
                self._metrics.carrier_faults.inc()
                log.warning("stream.carrier_fault", call_id=self._claim.call_id, reason=frame.reason)
            case protocol.Started() if frame.call_id != self._claim.carrier_call_id:
                self._receiver.forgive(ProtocolViolation("wrong_call", "another call", close_code=1008, fatal=True))
            case _:
                pass

    async def _write(self) -> NoReturn:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                frame = self._queue.popleft()
                self._queued_chars -= len(frame)
                await _within_send_time(self._websocket.send({"type": "websocket.send", "text": frame}))
            if self._releasing:
                raise StreamEnded("released")

    async def _watch(self) -> NoReturn:
        while True:
            before = self._receiver.received
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._dismissed.wait()
            except TimeoutError:
                if self._receiver.received == before:
                    raise StreamEnded("idle") from None
            else:
                raise self._end or StreamEnded(self._dismissal)


async def _within_send_time(sending: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await sending
    except TimeoutError as error:
        raise StreamEnded("blocked") from error
    except (WebSocketDisconnect, OSError, RuntimeError) as error:
        raise StreamEnded("lost") from error


def _first(group: BaseExceptionGroup[StreamEnded]) -> StreamEnded:
    for error in group.exceptions:
        return error if isinstance(error, StreamEnded) else _first(error)
    raise AssertionError("an exception group holds at least one exception")


async def close_socket(websocket: WebSocket, code: int, reason: str) -> None:
    """Closes a socket in bounded time, whatever state it is in."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await websocket.close(code, reason)
    except (TimeoutError, WebSocketDisconnect, OSError, RuntimeError):
        return
