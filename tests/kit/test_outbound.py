"""The guard on connections: private, link-local and rebound addresses are never dialled."""

import asyncio
import socket
from collections.abc import Sequence

import httpx
import pytest

from app.kit.outbound import AddressRefused, GuardedTransport, is_public, public_client

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "ff02::1",
        "no address",
    ],
)
def test_addresses_that_are_not_the_open_internets(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "142.250.4.100", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_addresses_that_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://[::1]/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://169.254.169.254/latest/meta-data",
    ],
)
async def test_no_notation_of_a_private_address_is_dialled(url: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    async with public_client(allow_private=False) as client:
        with pytest.raises((AddressRefused, httpx.ConnectError)):
            await client.get(httpx.URL(url).copy_with(port=port))
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.accept()
    listener.close()


async def test_a_name_that_is_rebound_after_it_was_judged_is_not_looked_up_again() -> None:
    answers = [["93.184.216.34"], ["127.0.0.1"]]
    asked = 0

    async def rebinding(host: str, port: int) -> Sequence[str]:
        nonlocal asked
        asked += 1
        return answers[min(asked - 1, 1)]

    dialled: list[str] = []

    class Network:
        async def connect_tcp(self, host: str, *_: object) -> None:
            dialled.append(host)
            raise OSError("not dialled")

    transport = GuardedTransport(rebinding)
    transport._pool._network_backend._network = Network()  # type: ignore[attr-defined]
    async with httpx.AsyncClient(transport=transport) as client:
        with pytest.raises(OSError, match="not dialled"):
            await client.get("http://rebound.example/")
    assert dialled == ["93.184.216.34"] and asked == 1, "the address that was judged is the one that is dialled"


async def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    async def both(host: str, port: int) -> Sequence[str]:
        return ["93.184.216.34", "10.0.0.1"]

    async with httpx.AsyncClient(transport=GuardedTransport(both)) as client:
        with pytest.raises(AddressRefused, match="no public address"):
            await client.get("http://mixed.example/")


async def test_a_resolver_that_hangs_is_a_time_out() -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    async with httpx.AsyncClient(transport=GuardedTransport(never), timeout=0.1) as client:
        with pytest.raises(httpx.ConnectTimeout):
            await client.get("http://slow.example/")


async def test_what_is_public_is_served_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole transport against a real server, its address taken for a public one."""
    monkeypatch.setattr("app.kit.outbound.is_public", lambda address: True)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        body = b'{"host": "%s"}' % asked.split(b"Host: ")[1].split(b"\r\n")[0].split(b":")[0]
        writer.write(b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async def here(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, httpx.AsyncClient(transport=GuardedTransport(here)) as client:
        answer = await client.get(f"http://shop.example:{port}/x")
    assert answer.json() == {"host": "shop.example"}
