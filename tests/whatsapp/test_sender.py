"""The sender's outcomes: refused, certainly not sent, or unknown; and that the token goes to Meta's place only."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
import pytest_asyncio

from app.errors import ConfigError
from app.tenants.models import WhatsAppCredentials
from whatsapp.failures import Remedy, failure_of
from whatsapp.sender import Accepted, GraphSender, NotSent, OutcomeUnknown, RebasedTransport

pytestmark = pytest.mark.integration
CREDENTIALS = WhatsAppCredentials("111", "token-1", "secret", "verify")
Answer = Callable[[bytes], Awaitable[bytes]]
TAKEN = b'{"messaging_product":"whatsapp","contacts":[{"input":"9","wa_id":"9"}],"messages":[{"id":"wamid.1"}]}'


def response(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class RawServer:
    """Answers with exactly the bytes it is told to, and keeps what it was sent."""

    def __init__(self) -> None:
        self.answer = response("200 OK", TAKEN)
        self.pause_seconds = 0.0
        self.seen: list[str] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.seen.append(head)
        await asyncio.sleep(self.pause_seconds)
        writer.write(self.answer)
        writer.close()


@pytest_asyncio.fixture
async def server() -> AsyncIterator[RawServer]:
    raw = RawServer()
    listening = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    raw.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with listening:
        yield raw


async def send(url: str, credentials: WhatsAppCredentials = CREDENTIALS) -> Accepted:
    sender = GraphSender(url, timeout_seconds=0.3)
    try:
        return await sender.send_text(credentials, to="919812345678", text="hi", tracker="out_1")
    finally:
        await sender.aclose()


async def test_a_taken_message_has_its_id_and_went_where_it_should(server: RawServer) -> None:
    assert await send(server.url + "/gateway") == Accepted("wamid.1", "9")
    [head] = server.seen
    line, *headers = head.lower().split("\r\n")
    assert line.startswith("post /gateway/v") and line.split()[1].endswith("/111/messages")
    assert "authorization: bearer token-1" in headers
    assert f"host: {server.url.removeprefix('http://')}" in headers


async def test_each_token_has_its_own_client(server: RawServer) -> None:
    sender = GraphSender(server.url)
    other = WhatsAppCredentials("222", "token-2", "secret", "verify")
    for credentials in (CREDENTIALS, other, CREDENTIALS):
        await sender.send_text(credentials, to="9198", text="hi", tracker="out_1")
    await sender.aclose()
    tokens = [line for head in server.seen for line in head.lower().split("\r\n") if line.startswith("authorization")]
    assert [token.rsplit(" ")[-1] for token in tokens] == ["token-1", "token-2", "token-1"]


@pytest.mark.parametrize(
    ("answer", "pause"),
    [
        (response("200 OK", TAKEN), 1.0),
        (response("200 OK", b"<html>"), 0.0),
        (response("200 OK", b"{}"), 0.0),
        (response("200 OK", b"[]"), 0.0),
        (response("502 Bad Gateway", b"<html>"), 0.0),
        (b"", 0.0),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", 0.0),
    ],
)
async def test_no_readable_answer_is_unknown_never_refused(server: RawServer, answer: bytes, pause: float) -> None:
    server.answer, server.pause_seconds = answer, pause
    with pytest.raises(OutcomeUnknown):
        await send(server.url)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("status", "body", "remedy"),
    [
        ("400 Bad Request", b'{"error":{"code":131047,"message":"re-engage"}}', Remedy.CLOSE_WINDOW),
        ("401 Unauthorized", b'{"error":{"code":190,"message":"token"}}', Remedy.ALERT),
        ("500 Internal", b'{"error":{"code":131000,"message":"something"}}', Remedy.RETRY),
        ("400 Bad Request", b"what?", Remedy.FIX),
    ],
)
async def test_an_error_code_is_a_refusal_with_its_remedy(
    server: RawServer, status: str, body: bytes, remedy: Remedy
) -> None:
    server.answer = response(status, body)
    with pytest.raises(NotSent) as refused:
        await send(server.url)
    assert refused.value.failure.remedy is remedy


async def test_a_closed_port_means_certainly_not_sent() -> None:
    with pytest.raises(NotSent) as refused:
        await send("http://127.0.0.1:9")
    assert refused.value.failure.remedy is Remedy.RETRY


async def test_a_language_that_meta_does_not_know_falls_to_the_next(server: RawServer) -> None:
    sender = GraphSender(server.url)
    with pytest.raises(NotSent) as refused:
        await sender.send_template(
            CREDENTIALS, to="9198", name="call_handoff", language_code="hi_IN", components=[], tracker="out_1"
        )
    assert refused.value.failure.remedy is Remedy.NEXT_LANGUAGE and server.seen == []
    await sender.aclose()


async def test_the_token_is_kept_from_other_hosts(server: RawServer) -> None:
    async with httpx.AsyncClient(transport=RebasedTransport(server.url)) as client:
        with pytest.raises(httpx.UnsupportedProtocol):
            await client.get("https://lookaside.example/media", headers={"Authorization": "Bearer token-1"})
    assert server.seen == []
    with pytest.raises(ConfigError):
        RebasedTransport("graph.facebook.com")


def test_codes_nobody_listed_are_not_retried() -> None:
    assert failure_of(999_999).remedy is Remedy.FIX
    assert failure_of(250).remedy is Remedy.ALERT
    assert failure_of(132001).remedy is Remedy.NEXT_LANGUAGE
