"""The simulated call against a small server written here, which shares no code with the service."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import parse_qs

import httpx
import pytest
from plivo.utils import validate_v3_signature
from websockets.asyncio.server import ServerConnection, serve

from app.simulate.carrier import Parties
from app.simulate.exchange import SimulatedPlivo
from app.simulate.media import Network
from app.simulate.wire import CarrierRefusal, check_stream, read_answer

pytestmark = pytest.mark.integration

AUTH_ID, AUTH_TOKEN = "MA" + "X" * 18, "token-of-the-simulated-account"
LOUD = b"\x10\x90" * 80
Handler = Callable[[ServerConnection], Awaitable[None]]


class Server:
    """Answers webhooks over raw HTTP and hands media sockets to `handler`."""

    def __init__(self) -> None:
        self.hooks: list[tuple[str, dict[str, str]]] = []
        self.bad_signatures = 0
        self.xml = ""
        self.handler: Handler = self.listen
        self.messages: list[dict[str, object]] = []
        self.url = self.ws_url = ""

    async def listen(self, socket: ServerConnection) -> None:
        async for message in socket:
            self.messages.append(json.loads(message))

    async def media(self, socket: ServerConnection) -> None:
        await self.handler(socket)

    async def http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        headers = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in lines[1:] if ":" in line}
        body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
        path = lines[0].split(" ")[1]
        fields = {key: held[0] for key, held in parse_qs(body).items()}
        if not validate_v3_signature(
            "POST",
            self.url + path,
            headers["x-plivo-signature-v3-nonce"],
            AUTH_TOKEN,
            headers["x-plivo-signature-v3"],
            dict(fields),
        ):
            self.bad_signatures += 1
        self.hooks.append((path, fields))
        xml = self.xml.replace("WS_URL", self.ws_url).encode() if path != "/status" else b""
        if path == "/transfer":
            xml = b"<Response><Dial><Number>919800000001</Number></Dial></Response>"
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(xml) + xml)
        await writer.drain()
        writer.close()

    def hook(self, path: str) -> dict[str, str]:
        return next(fields for held, fields in self.hooks if held == path)


STREAM = (
    '<Response><Stream bidirectional="true" keepCallAlive="true" contentType="audio/x-mulaw;rate=8000" '
    'audioTrack="inbound" extraHeaders="a=1">WS_URL</Stream></Response>'
)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    async with serve(server.media, "127.0.0.1", 0, compression=None) as sockets:
        http = await asyncio.start_server(server.http, "127.0.0.1", 0)
        server.ws_url = f"ws://127.0.0.1:{next(iter(sockets.sockets)).getsockname()[1]}/media"
        server.url = f"http://127.0.0.1:{http.sockets[0].getsockname()[1]}"
        server.xml = STREAM
        yield server
        http.close()


@pytest.fixture
async def plivo() -> AsyncIterator[SimulatedPlivo]:
    async with SimulatedPlivo({AUTH_ID: AUTH_TOKEN}) as plivo:
        yield plivo


def parties(server: Server) -> Parties:
    return Parties("919876543210", "918012345678", server.url + "/answer", hangup_url=server.url + "/hangup")


def play(mulaw: bytes, **fields: object) -> str:
    media = {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": base64.b64encode(mulaw).decode()}
    return json.dumps({"event": "playAudio", "media": {**media, **fields}})


async def test_the_caller_is_heard_at_real_time_and_every_webhook_is_signed(
    server: Server, plivo: SimulatedPlivo
) -> None:
    call = plivo.call(parties(server), auth_id=AUTH_ID)
    await call.dial()
    utterance = call.speak(LOUD * 20)
    await utterance.finished()
    call.send_digit("5")
    await asyncio.sleep(0.1)
    await call.hang_up()
    assert utterance.started_at is not None and utterance.ended_at is not None
    assert 0.35 < utterance.ended_at - utterance.started_at < 0.6
    start, *rest = server.messages
    assert start["event"] == "start" and start["start"]["callId"] == call.call_id  # type: ignore[index]
    audio = b"".join(base64.b64decode(m["media"]["payload"]) for m in rest if m["event"] == "media")  # type: ignore
    assert LOUD * 20 in audio
    assert [m["dtmf"]["digit"] for m in rest if m["event"] == "dtmf"] == ["5"]  # type: ignore[index]
    assert [m["sequenceNumber"] for m in server.messages] == list(range(1, len(server.messages) + 1))
    assert server.bad_signatures == 0 and call.faults == []
    assert server.hook("/hangup")["HangupCause"] == "NORMAL_CLEARING"
    assert server.hook("/hangup")["CallUUID"] == call.call_id


async def test_clear_stops_what_was_sent_and_checkpoints_tell_what_was_heard(
    server: Server, plivo: SimulatedPlivo
) -> None:
    async def agent(socket: ServerConnection) -> None:
        stream_id = json.loads(await socket.recv())["start"]["streamId"]
        await socket.send(play(LOUD * 10))
        await socket.send(json.dumps({"event": "checkpoint", "streamId": stream_id, "name": "first"}))
        for _ in range(10):
            await socket.send(play(LOUD * 50))
        await socket.send(json.dumps({"event": "checkpoint", "streamId": stream_id, "name": "second"}))
        async for message in socket:
            fields = json.loads(message)
            server.messages.append(fields)
            if fields["event"] == "playedStream":
                await socket.send(json.dumps({"event": "clearAudio", "streamId": stream_id}))

    server.handler = agent
    call = plivo.call(parties(server), auth_id=AUTH_ID)
    await call.dial()
    await asyncio.sleep(0.6)
    await call.hang_up()
    events = [m["event"] for m in server.messages if m["event"] != "media"]
    assert events == ["playedStream", "clearedAudio"]
    assert 10 <= len(call.heard) <= 16
    steps = [later.at - earlier.at for earlier, later in zip(call.heard, call.heard[1:], strict=False)]
    assert 0.015 < sum(steps) / len(steps) < 0.03
    assert all(frame.loud for frame in call.heard)
    cleared = next(event for event in call.events if event.kind == "clearAudio")
    assert cleared.data["dropped_seconds"] > 9


async def test_breaking_the_protocol_is_reported_both_ways(server: Server, plivo: SimulatedPlivo) -> None:
    async def agent(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(play(b"\x00" * 160, sampleRate=16000))
        await socket.send(play(b"", payload="not base64!"))
        await socket.send(play(b"RIFF" + b"\x00" * 200))
        await socket.send("{")
        await socket.send('{"event":"mark"}')
        await socket.send('{"event":"clearAudio","streamId":"another"}')
        async for message in socket:
            server.messages.append(json.loads(message))

    server.handler = agent
    call = plivo.call(parties(server), auth_id=AUTH_ID)
    await call.dial()
    await asyncio.sleep(0.2)
    await call.hang_up()
    assert len(call.faults) == 6
    assert [m["event"] for m in server.messages if m["event"] != "media"] == ["playFailed"] * 3 + ["error"] * 3
    assert call.heard == []


async def test_a_dropped_socket_is_reconnected_with_the_same_call(server: Server, plivo: SimulatedPlivo) -> None:
    call = plivo.call(parties(server), auth_id=AUTH_ID)
    await call.dial()
    await asyncio.sleep(0.1)
    call.drop_socket()
    await asyncio.sleep(1.0)
    await call.hang_up()
    starts = [m["start"] for m in server.messages if m["event"] == "start"]
    assert [start["callId"] for start in starts] == [call.call_id] * 2  # type: ignore[index]


async def test_the_rest_face_hangs_up_transfers_and_records(server: Server, plivo: SimulatedPlivo) -> None:
    base = f"{plivo.url}/v1/Account/{AUTH_ID}"
    call = plivo.call(parties(server), auth_id=AUTH_ID)
    await call.dial()
    async with httpx.AsyncClient(auth=(AUTH_ID, AUTH_TOKEN), trust_env=False) as http:
        assert (await http.delete(f"{base}/Call/{call.call_id}/", auth=(AUTH_ID, "wrong"))).status_code == 401
        started = await http.post(f"{base}/Call/{call.call_id}/Record/", json={"callback_url": server.url + "/record"})
        await http.delete(f"{base}/Call/{call.call_id}/Record/")
        wav = await http.get(started.json()["url"])
        moved = await http.post(
            f"{base}/Call/{call.call_id}/", json={"legs": "aleg", "aleg_url": server.url + "/transfer"}
        )
        await asyncio.sleep(0.2)
        assert call.live
        gone = await http.delete(f"{base}/Call/{call.call_id}/")
        await asyncio.wait_for(call.wait_ended(), 20)
        again = await http.delete(f"{base}/Call/{call.call_id}/")
    assert wav.content.startswith(b"RIFF") and server.hook("/record")["RecordUrl"] == started.json()["url"]
    assert moved.status_code == 202 and call.transferred_to == "919800000001"
    assert (gone.status_code, again.status_code) == (204, 404)
    assert server.hook("/hangup")["HangupSource"] == "API Request"


async def test_an_outbound_call_rings_is_answered_and_may_be_busy(server: Server, plivo: SimulatedPlivo) -> None:
    order = {
        "from": "918012345678",
        "to": "919876543210",
        "answer_url": server.url + "/answer",
        "hangup_url": server.url + "/hangup",
        "ring_url": server.url + "/ring",
    }
    base = f"{plivo.url}/v1/Account/{AUTH_ID}"
    async with httpx.AsyncClient(auth=(AUTH_ID, AUTH_TOKEN), trust_env=False) as http:
        assert (await http.post(f"{base}/Call/", json={"from": "1"})).status_code == 400
        placed = await http.post(f"{base}/Call/", json=order)
        await asyncio.sleep(0.3)
        (call,) = plivo.calls.values()
        assert call.live and placed.status_code == 201
        assert server.hook("/answer")["RequestUUID"] == placed.json()["request_uuid"] != call.call_id
        assert server.hook("/answer")["Direction"] == "outbound"
        await call.hang_up()
        server.hooks.clear()

        async def busy(_: object) -> str:
            return "busy"

        plivo.pickup = busy
        await http.post(f"{base}/Call/", json=order)
        await asyncio.sleep(0.3)
    assert server.hook("/hangup")["HangupCause"] == "USER_BUSY"
    assert [path for path, _ in server.hooks] == ["/ring", "/hangup"]


async def test_the_end_of_the_xml_ends_the_call(server: Server, plivo: SimulatedPlivo) -> None:
    async def agent(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.close()

    server.handler = agent
    call = plivo.call(parties(server), auth_id=AUTH_ID)
    await call.dial()
    ending = await asyncio.wait_for(call.wait_ended(), 20)
    assert ending.code == 4010


async def test_a_stream_lasts_no_longer_than_asked(server: Server, plivo: SimulatedPlivo) -> None:
    server.xml = STREAM.replace("extraHeaders", 'streamTimeout="1" extraHeaders')
    call = plivo.call(parties(server), auth_id=AUTH_ID)
    await call.dial()
    ending = await asyncio.wait_for(call.wait_ended(), 20)
    assert ending.code == 4010 and call.faults == []


async def test_loss_and_jitter_keep_the_order(server: Server, plivo: SimulatedPlivo) -> None:
    call = plivo.call(parties(server), auth_id=AUTH_ID, network=Network(loss=0.2, jitter_ms=60, seed=3))
    await call.dial()
    spoken = b"".join(bytes([number]) * 160 for number in range(40))
    await call.speak(spoken).finished()
    await asyncio.sleep(0.1)
    await call.hang_up()
    media = [base64.b64decode(m["media"]["payload"]) for m in server.messages if m["event"] == "media"]  # type: ignore
    numbers = [frame[0] for frame in media if frame[0] < 40]
    assert numbers == sorted(numbers) and 20 <= len(numbers) < 40


@pytest.mark.parametrize(
    "xml",
    [
        "nonsense",
        "<Answer/>",
        "<Response>" + " " * 100_000 + "</Response>",
        STREAM.replace('bidirectional="true"', ""),
        STREAM.replace("rate=8000", "rate=44100"),
        STREAM.replace("WS_URL", "http://example.org"),
        STREAM.replace('audioTrack="inbound"', 'audioTrack="both"'),
    ],
)
def test_xml_that_plivo_would_refuse(xml: str) -> None:
    with pytest.raises(CarrierRefusal):
        check_stream(read_answer(xml)[0])


async def test_a_server_that_does_not_answer_is_a_fault_not_a_hang(plivo: SimulatedPlivo) -> None:
    call = plivo.call(Parties("1", "2", "http://127.0.0.1:9/answer"), auth_id=AUTH_ID)
    begun = time.monotonic()
    with pytest.raises(CarrierRefusal):
        await call.dial()
    assert time.monotonic() - begun < 5 and call.ending is not None
