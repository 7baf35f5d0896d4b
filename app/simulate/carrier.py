"""A simulated telephone call at real time, as Plivo would carry it: webhooks, answer XML, media socket, hang-up."""

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake

from app.simulate.media import MediaLeg, Mouth, Network, Utterance
from app.simulate.playout import HeardFrame
from app.simulate.wire import CarrierRefusal, Element, StreamOrder, check_stream, post_webhook, read_answer

RECONNECT_SECONDS: Final = 0.5
IN_ORDER_CODES: Final = frozenset({1000, 1001})


@dataclass(frozen=True, slots=True)
class Parties:
    """Who rings whom, and where the carrier reports it. Numbers as Plivo writes them: digits without a plus."""

    from_number: str
    to_number: str
    answer_url: str
    hangup_url: str | None = None
    ring_url: str | None = None
    machine_url: str | None = None
    direction: str = "inbound"
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class CallEvent:
    """Something that happened on the call, at `time.monotonic()` `at`."""

    at: float
    kind: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended, in Plivo's words."""

    source: str
    cause: str
    code: int
    status: str = "completed"


CALLER_HUNG_UP: Final = Ending("Caller", "NORMAL_CLEARING", 4000)
API_HUNG_UP: Final = Ending("API Request", "NORMAL_CLEARING", 4000)
END_OF_XML: Final = Ending("Plivo", "NORMAL_CLEARING", 4010)
XML_HUNG_UP: Final = Ending("Callee", "NORMAL_CLEARING", 4000)
REJECTED: Final = Ending("Callee", "CALL_REJECTED", 3010, "failed")
BAD_ANSWER: Final = Ending("Error", "INVALID_ANSWER_XML", 8011, "failed")


class SimulatedCall:
    """One call. `dial` rings, `speak` and `send_digit` are the caller's side, `heard` and `events` what happened.

    A `fault` event means that the server broke a rule of Plivo's; a clean run has none.
    """

    def __init__(
        self,
        parties: Parties,
        *,
        auth_id: str,
        auth_token: str,
        http: httpx.AsyncClient,
        network: Network | None = None,
        reconnects: int = 2,
        on_heard: Callable[[HeardFrame], None] | None = None,
        on_event: Callable[[CallEvent], None] | None = None,
    ) -> None:
        self.call_id = str(uuid.uuid4())
        self.parties = parties
        self.mouth = Mouth()
        self.heard: list[HeardFrame] = []
        self.events: list[CallEvent] = []
        self.ending: Ending | None = None
        self.transferred_to: str | None = None
        self._auth_id = auth_id
        self._auth_token = auth_token
        self._http = http
        self._network = network or Network()
        self._reconnects = reconnects
        self._listener = on_heard
        self._watcher = on_event
        self._leg: MediaLeg | None = None
        self._answered_at: datetime | None = None
        self._next: tuple[Element, ...] | None = None
        self._connected = asyncio.Event()
        self._over = asyncio.Event()
        self._ended = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._posts: set[asyncio.Task[None]] = set()

    @property
    def live(self) -> bool:
        """Whether the call is up."""
        return self._running is not None and self.ending is None

    @property
    def faults(self) -> list[str]:
        """Every rule of Plivo's that the server broke."""
        return [str(event.data["reason"]) for event in self.events if event.kind == "fault"]

    @property
    def queued_seconds(self) -> float:
        """How much of the agent's audio waits at the carrier."""
        return self._leg.playout.queued_seconds if self._leg else 0.0

    async def dial(self) -> None:
        """Rings; returns when the media socket is open, or when the call ended without one.

        Raises:
            CarrierRefusal: The answer webhook failed or gave XML that Plivo would not accept.
        """
        status = "ringing" if self.parties.direction == "inbound" else "in-progress"
        try:
            elements = await self._ask(self.parties.answer_url, {"CallStatus": status, "Event": "StartApp"})
        except CarrierRefusal as refusal:
            self._note("fault", reason=str(refusal))
            await self._finish(BAD_ANSWER)
            raise
        self._answered_at = datetime.now(UTC)
        self._running = asyncio.create_task(self._live(elements))
        waits = [asyncio.create_task(event.wait()) for event in (self._connected, self._ended)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    def speak(self, mulaw: bytes) -> Utterance:
        """Queues what the caller says.

        Args:
            mulaw: mu-law, mono, 8 kHz.
        """
        return self.mouth.say(mulaw)

    def send_digit(self, digit: str) -> None:
        """Presses a key; lost if no stream is open, as on a real line."""
        if self._leg is not None:
            self._leg.send_digit(digit)

    async def hang_up(self, ending: Ending = CALLER_HUNG_UP) -> None:
        """Ends the call and waits until the server was told."""
        if self._running is None:
            await self._finish(ending)
            return
        if self.ending is None:
            self.ending = ending
        self._over.set()
        if self._leg is not None:
            await self._leg.close()
        await self._ended.wait()

    async def wait_ended(self) -> Ending:
        """Waits until the call is over and the server was told."""
        await self._ended.wait()
        return self.ending or CALLER_HUNG_UP

    def drop_socket(self) -> None:
        """Cuts the media connection without a word; the carrier then reconnects, as Plivo does."""
        if self._leg is not None:
            self._leg.drop()

    async def transfer(self, url: str) -> None:
        """Replaces what the call does by the XML at `url`; a failure is a `fault` event, and the call goes on."""
        try:
            self._next = await self._ask(url, {"CallStatus": "in-progress", "Event": "Redirect"})
        except CarrierRefusal as refusal:
            self._note("fault", reason=str(refusal))
            return
        if self._leg is not None:
            await self._leg.close()

    def first_heard_after(self, at: float) -> HeardFrame | None:
        """Returns the first loud frame that began at or after `at` (`time.monotonic()`)."""
        return next((frame for frame in self.heard if frame.at >= at and frame.loud), None)

    async def post(self, url: str, fields: Mapping[str, str]) -> None:
        """Posts a webhook with the call's own fields; a failure is a `fault` event."""
        try:
            await post_webhook(self._http, url, {**self._fields(), **fields}, self._auth_token)
        except CarrierRefusal as refusal:
            self._note("fault", reason=str(refusal))

    async def _ask(self, url: str, fields: Mapping[str, str]) -> tuple[Element, ...]:
        response = await post_webhook(self._http, url, {**self._fields(), **fields}, self._auth_token)
        return read_answer(response.content)

    def _fields(self) -> dict[str, str]:
        fields = {
            "CallUUID": self.call_id,
            "ALegUUID": self.call_id,
            "From": self.parties.from_number,
            "To": self.parties.to_number,
            "Direction": self.parties.direction,
            "ParentAuthID": self._auth_id,
            "BillRate": "0.0085",
            "RouteType": "sip_trunk",
        }
        if self.parties.request_id:
            fields |= {"RequestUUID": self.parties.request_id, "ALegRequestUUID": self.parties.request_id}
        return fields

    def _note(self, kind: str, **data: Any) -> None:
        event = CallEvent(time.monotonic(), kind, data)
        self.events.append(event)
        if self._watcher is not None:
            self._watcher(event)

    def _hear(self, frame: HeardFrame) -> None:
        self.heard.append(frame)
        if self._listener is not None:
            self._listener(frame)

    async def _live(self, elements: tuple[Element, ...]) -> None:
        ending = END_OF_XML
        try:
            while elements and self.ending is None:
                done = await self._obey(elements[0])
                elements, self._next = (self._next, None) if self._next is not None else (elements[1:], None)
                if done is not None:
                    ending = done
                    break
        except CarrierRefusal as refusal:
            self._note("fault", reason=str(refusal))
            ending = BAD_ANSWER
        finally:
            await self._finish(ending)

    async def _obey(self, element: Element) -> Ending | None:
        match element.name:
            case "Stream":
                await self._stream(check_stream(element))
            case "Dial":
                await self._dial(element)
            case "Hangup":
                return REJECTED if element.attributes.get("reason") in ("rejected", "busy") else XML_HUNG_UP
            case "Wait":
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._over.wait(), float(element.attributes.get("length", "1")))
            case _:
                raise CarrierRefusal(f"the simulated carrier does not know <{element.name}>")
        return None

    async def _dial(self, element: Element) -> None:
        if not element.numbers or not all(number.lstrip("+").isdigit() for number in element.numbers):
            raise CarrierRefusal("Dial: no Number, or one that is not a telephone number")
        self.transferred_to = element.numbers[0]
        self._note("transferred", number=element.numbers[0])
        await self._over.wait()
        if action := element.attributes.get("action"):
            await self.post(action, {"Event": "Dial", "DialStatus": "completed", "DialRingStatus": "true"})

    async def _stream(self, order: StreamOrder) -> None:
        left = self._reconnects
        while self.ending is None:
            code = await self._connect(order, str(uuid.uuid4()))
            in_order = code in IN_ORDER_CODES or self._next is not None or self.ending is not None
            self._report(order, "StopStream" if in_order else "DroppedStream")
            if in_order or left == 0:
                return
            left -= 1
            self._note("reconnecting", code=code)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _connect(self, order: StreamOrder, stream_id: str) -> int:
        try:
            socket = await connect(order.url, compression=None, open_timeout=10, max_size=2**20, proxy=None)
        except (OSError, InvalidHandshake, TimeoutError) as error:
            self._note("fault", reason=f"the media socket did not open: {error!r}")
            return 1006
        self._leg = MediaLeg(
            socket,
            order,
            call_id=self.call_id,
            stream_id=stream_id,
            account_id=self._auth_id,
            mouth=self.mouth,
            network=self._network,
            on_heard=self._hear,
            on_event=lambda kind, data: self._note(kind, **data),
        )
        self._note("stream_started", stream_id=stream_id)
        self._report(order, "StartStream", stream_id)
        self._connected.set()
        try:
            async with asyncio.timeout(order.timeout_seconds):
                code = await self._leg.run()
        except TimeoutError:
            await socket.close()
            code = 1000
        finally:
            self._leg = None
        self._note("stream_ended", code=code)
        return code

    def _report(self, order: StreamOrder, event: str, stream_id: str = "") -> None:
        if order.status_url is None:
            return
        post = asyncio.create_task(self.post(order.status_url, {"Event": event, "StreamID": stream_id}))
        self._posts.add(post)
        post.add_done_callback(self._posts.discard)

    async def _finish(self, ending: Ending) -> None:
        ending = self.ending = self.ending or ending
        self._over.set()
        self.mouth.hush()
        await asyncio.gather(*self._posts)
        self._note("ended", source=ending.source, cause=ending.cause, code=ending.code)
        answered, now = self._answered_at, datetime.now(UTC)
        seconds = str(round((now - answered).total_seconds())) if answered else "0"
        if self.parties.hangup_url:
            fields = {
                "Event": "Hangup",
                "CallStatus": ending.status,
                "HangupCause": ending.cause,
                "HangupCauseCode": str(ending.code),
                "HangupSource": ending.source,
                "Duration": seconds,
                "BillDuration": seconds,
                "EndTime": f"{now:%Y-%m-%d %H:%M:%S}",
            }
            await self.post(self.parties.hangup_url, fields)
        self._ended.set()
