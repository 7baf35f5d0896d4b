"""Hostile and well-behaved sockets against the real endpoint on a real server."""

import asyncio
import base64
import json
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.telephony import media as media_room
from app.telephony import stream as stream_room
from tests.telephony.edge import Edge, until

pytestmark = pytest.mark.integration

FRAME = b"\x10\x90" * 80


def start(call_id: str = "carrier-call", encoding: str = "audio/x-mulaw", rate: int = 8000) -> str:
    held = {"callId": call_id, "streamId": "s1", "mediaFormat": {"encoding": encoding, "sampleRate": rate}}
    return json.dumps({"event": "start", "start": held})


def audio(mulaw: bytes = FRAME) -> str:
    return json.dumps({"event": "media", "media": {"payload": base64.b64encode(mulaw).decode()}})


async def dial(edge: Edge, token: str | None = None, **options: Any) -> ClientConnection:
    url = edge.socket_url(token or await edge.token())
    return await connect(url, proxy=None, compression=None, **options)


async def started(edge: Edge, token: str | None = None) -> ClientConnection:
    socket = await dial(edge, token)
    before = sum(len(call.carriers) for call in edge.live.calls.values())
    await socket.send(start())
    await until(lambda: sum(len(call.carriers) for call in edge.live.calls.values()) > before)
    return socket


async def close_code(socket: ClientConnection, seconds: float = 20.0) -> int | None:
    async with asyncio.timeout(seconds):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed:
            return socket.close_code


async def test_a_call_both_ways(edge: Edge) -> None:
    socket = await started(edge)
    assert edge.live.claims[0].tenant_id == "ten_1" and not edge.live.claims[0].resumed
    assert edge.call.stream_ids == ["s1"] and edge.media.open_streams == 1
    await socket.send(audio())
    await socket.send('{"event":"dtmf","dtmf":{"digit":"7"}}')
    await socket.send('{"event":"playedStream","name":"p"}')
    await socket.send('{"event":"clearedAudio"}')
    await until(lambda: edge.call.cleared)
    assert (bytes(edge.call.audio), edge.call.digits, edge.call.played) == (FRAME, ["7"], ["p"])
    carrier = edge.call.carrier
    carrier.play(b"\x55" * 30_000)
    carrier.checkpoint("c")
    carrier.send_dtmf("1")
    heard = [json.loads(await socket.recv()) for _ in range(5)]
    assert [m["event"] for m in heard] == ["playAudio"] * 3 + ["checkpoint", "sendDTMF"]
    assert b"".join(base64.b64decode(m["media"]["payload"]) for m in heard[:3]) == b"\x55" * 30_000
    await asyncio.gather(carrier.close(), close_code(socket))
    assert socket.close_code == 1000 and edge.call.gone == ["released"] and edge.media.open_streams == 0


async def test_clear_overtakes_what_was_not_sent(edge: Edge) -> None:
    socket = await started(edge)
    carrier = edge.call.carrier
    carrier.play(FRAME)
    carrier.checkpoint("stale")
    carrier.clear()
    carrier.play(FRAME)
    heard = [json.loads(await socket.recv())["event"] for _ in range(2)]
    assert heard == ["clearAudio", "playAudio"]
    await socket.close()
    await until(lambda: edge.call.gone)
    assert edge.call.gone == ["closed"]
    carrier.play(FRAME)


async def test_an_unknown_token_is_turned_away_at_the_door(edge: Edge) -> None:
    with pytest.raises(InvalidStatus) as caught:
        await dial(edge, "guess")
    assert caught.value.response.status_code == 403
    assert edge.count("vaanisetu_stream_refusals_total", reason="token") == 1


async def test_a_token_does_not_open_another_call_and_is_not_used_up_by_trying(edge: Edge) -> None:
    token = await edge.token()
    thief = await dial(edge, token)
    await thief.send(start("another-call"))
    assert await close_code(thief) == 1008
    assert edge.live.claims == []
    await started(edge, token)
    assert not edge.live.claims[0].resumed


async def test_a_reconnect_resumes_and_replaces_the_older_socket(edge: Edge) -> None:
    token = await edge.token()
    old = await started(edge, token)
    new = await started(edge, token)
    assert await close_code(old) == 1001
    assert [claim.resumed for claim in edge.live.claims] == [False, True]
    assert edge.call.gone == [] and len(edge.call.carriers) == 2
    edge.call.carrier.play(FRAME)
    assert json.loads(await new.recv())["event"] == "playAudio"
    new.transport.abort()
    await until(lambda: edge.call.gone)
    assert edge.call.gone == ["lost"]
    again = await started(edge, token)
    await again.close()


async def test_a_used_token_without_a_session_opens_nothing(edge: Edge) -> None:
    token = await edge.token()
    socket = await started(edge, token)
    await socket.close()
    await until(lambda: edge.call.gone)
    edge.live.calls.clear()
    late = await dial(edge, token)
    await late.send(start())
    assert await close_code(late) == 1008
    assert edge.live.calls == {}


async def test_after_our_own_close_the_token_is_dead(edge: Edge) -> None:
    token = await edge.token()
    socket = await started(edge, token)
    await asyncio.gather(edge.call.carrier.close(), close_code(socket))
    await asyncio.sleep(0.1)
    assert not await edge.tokens.known(token)


async def test_a_full_house_asks_to_come_back(edge: Edge) -> None:
    edge.live.full = True
    socket = await dial(edge)
    await socket.send(start())
    assert await close_code(socket) == 1013


@pytest.mark.parametrize(("encoding", "rate"), [("audio/x-l16", 8000), ("audio/x-mulaw", 16000)])
async def test_a_format_that_was_not_asked_for(edge: Edge, encoding: str, rate: int) -> None:
    socket = await dial(edge)
    await socket.send(start(encoding=encoding, rate=rate))
    assert await close_code(socket) == 1003


@pytest.mark.parametrize(
    ("frame", "kind", "code"),
    [
        ("{", "bad_json", 1007),
        ("[1]", "bad_shape", 1007),
        (b"\x00\x01", "binary", 1003),
        ('{"event":"media","media":{"payload":"*"}}', "bad_base64", 1007),
        ('{"event":"media","media":{"payload":5}}', "bad_shape", 1007),
        ('{"event":"teleport"}', "unknown_event", 1003),
    ],
)
async def test_bad_frames_are_forgiven_counted_and_bounded(
    edge: Edge, frame: str | bytes, kind: str, code: int
) -> None:
    socket = await started(edge)
    for _ in range(stream_room.MAX_VIOLATIONS - 1):
        await socket.send(frame)
    await socket.send(audio())
    await until(lambda: edge.call.audio)
    assert edge.call.gone == []
    await socket.send(frame)
    assert await close_code(socket) == code
    await until(lambda: edge.call.gone)
    assert edge.call.gone == ["violations"]
    assert edge.count("vaanisetu_stream_violations_total", kind=kind) == stream_room.MAX_VIOLATIONS


@pytest.mark.parametrize("after_start", [True, False])
async def test_a_megabyte_ends_the_socket_at_once(edge: Edge, after_start: bool) -> None:
    socket = await (started(edge) if after_start else dial(edge))
    await socket.send(audio(b"\x00" * 786_432))
    assert await close_code(socket) == 1009
    other = await started(edge, await edge.token("carrier-call", "call_9"))
    await other.close()


async def test_frames_before_start_are_bounded(edge: Edge) -> None:
    socket = await dial(edge)
    for _ in range(stream_room.MAX_VIOLATIONS):
        await socket.send(audio())
    assert await close_code(socket) == 1008
    assert edge.live.claims == []
    assert edge.count("vaanisetu_stream_violations_total", kind="before_start") == stream_room.MAX_VIOLATIONS


async def test_a_socket_that_never_starts_is_closed(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_room, "START_SECONDS", 0.1)
    assert await close_code(await dial(edge)) == 1008


async def test_a_silent_socket_is_given_up(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_room, "IDLE_SECONDS", 0.2)
    socket = await started(edge)
    assert await close_code(socket) == 1008
    assert edge.call.gone == ["idle"]


async def test_a_half_dead_socket_does_not_hold_the_call(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_room, "SEND_SECONDS", 0.3)
    monkeypatch.setattr(stream_room, "CLOSE_SECONDS", 0.2)
    monkeypatch.setattr(stream_room, "MAX_QUEUED_CHARS", 10**9)
    socket = await started(edge)
    socket.transport.pause_reading()
    edge.call.carrier.play(b"\x55" * 8_000_000)
    await until(lambda: edge.call.gone)
    assert edge.call.gone == ["blocked"]
    await until(lambda: edge.media.open_streams == 0)
    socket.transport.abort()


async def test_a_flood_of_our_own_audio_is_bounded(edge: Edge) -> None:
    await started(edge)
    edge.call.carrier.play(b"\x55" * 2_000_000)
    await until(lambda: edge.call.gone)
    assert edge.call.gone == ["blocked"]


async def test_a_second_start_of_the_same_call_is_harmless_and_of_another_is_fatal(edge: Edge) -> None:
    socket = await started(edge)
    await socket.send(start())
    await socket.send(audio())
    await until(lambda: edge.call.audio)
    await socket.send(start("another-call"))
    assert await close_code(socket) == 1008


async def test_a_failing_session_ends_its_own_socket_only(edge: Edge) -> None:
    bystander = await started(edge, await edge.token("carrier-call", "call_8"))
    victim = await started(edge, await edge.token("carrier-call", "call_9"))
    edge.live.calls["call_9"].explode = True
    await victim.send(audio())
    assert await close_code(victim) == 1011
    assert edge.live.calls["call_9"].gone == ["failed"]
    await bystander.send(audio())
    await until(lambda: edge.live.calls["call_8"].audio)


async def test_stop_and_carrier_faults(edge: Edge) -> None:
    socket = await started(edge)
    await socket.send('{"event":"playFailed","reason":"codec"}')
    await socket.send('{"event":"stop"}')
    assert await close_code(socket) == 1000
    assert edge.call.gone == ["stopped"]
    assert edge.count("vaanisetu_carrier_faults_total") == 1


async def test_shutting_down_tells_every_call(edge: Edge) -> None:
    socket = await started(edge)
    edge.media.shut_down()
    assert await close_code(socket) == 1012
    assert edge.call.gone == ["shutdown"]


async def test_nothing_is_left_of_many_sockets(edge: Edge) -> None:
    before = len(asyncio.all_tasks())
    sockets = [await started(edge, await edge.token("carrier-call", f"call_{n}")) for n in range(20)]
    for socket in sockets:
        socket.transport.abort()
    await until(lambda: edge.media.open_streams == 0)
    await until(lambda: len(asyncio.all_tasks()) <= before)
