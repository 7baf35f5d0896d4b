"""Requests to addresses that tenants name go to public hosts only.

A name is resolved once and judged, and what was judged is dialled: a name that resolves to something else a moment
later, a private address behind a public name, or one in any odd notation goes nowhere.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

import httpcore
import httpx

from app.kit.tls import trusted

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_TRANSLATED: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("2002::/16"))
_TIMEOUTS: Final[tuple[tuple[type[Exception], type[httpx.TransportError]], ...]] = (
    (httpcore.ConnectTimeout, httpx.ConnectTimeout),
    (httpcore.PoolTimeout, httpx.PoolTimeout),
    (httpcore.WriteTimeout, httpx.WriteTimeout),
    (httpcore.TimeoutException, httpx.ReadTimeout),
    (httpcore.ConnectError, httpx.ConnectError),
    (httpcore.WriteError, httpx.WriteError),
    (httpcore.NetworkError, httpx.ReadError),
    (httpcore.RemoteProtocolError, httpx.RemoteProtocolError),
)


class AddressRefused(httpx.ConnectError):
    """The name resolves to an address that is not the open internet's; nothing was sent."""


class _Refused(httpcore.ConnectError):
    """As `AddressRefused`, below."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Returns the addresses of a name by the system's resolver.

    Raises:
        OSError: The name is not known.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[4][0]) for address in found]


def is_public(address: str) -> bool:
    """Returns whether an address is one of the open internet's: not private, loopback, link-local, multicast ..."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        elif any(parsed in network for network in _TRANSLATED):
            return False
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Dials what it has judged."""

    def __init__(self, resolver: Resolve = resolve) -> None:
        self._resolve = resolver
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the protocol of httpcore
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connects to the first address of `host` if all of them are public."""
        try:
            addresses = await asyncio.wait_for(self._resolve(host, port), timeout)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"{host} was not resolved in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} is not known") from error
        if not addresses or not all(is_public(address) for address in addresses):
            raise _Refused(f"{host} is no public address")
        return await self._network.connect_tcp(addresses[0], port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the protocol of httpcore
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Refuses: nothing that a tenant names is on this machine."""
        raise _Refused("a socket of this machine is not public")

    async def sleep(self, seconds: float) -> None:
        """Waits, for the pool's own retries."""
        await asyncio.sleep(seconds)


class _Body(httpx.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._stream:
                yield part
        except Exception as error:
            raise _translated(error) from error

    async def aclose(self) -> None:
        await self._stream.aclose()


class GuardedTransport(httpx.AsyncBaseTransport):
    """An httpx transport over `GuardedNetwork`; certificates are checked against the name, not the address."""

    def __init__(self, resolver: Resolve = resolve, context: ssl.SSLContext | None = None) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context or trusted(from_environment=False),
            max_connections=200,
            max_keepalive_connections=50,
            keepalive_expiry=30.0,
            network_backend=GuardedNetwork(resolver),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends one request.

        Raises:
            AddressRefused: The name leads to an address that is not public.
        """
        url = request.url
        sent = httpcore.Request(
            method=request.method,
            url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        try:
            answer = await self._pool.handle_async_request(sent)
        except Exception as error:
            raise _translated(error) from error
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(answer.stream),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._pool.aclose()


def _translated(error: Exception) -> Exception:
    if isinstance(error, _Refused):
        return AddressRefused(str(error))
    for kind, ours in _TIMEOUTS:
        if isinstance(error, kind):
            return ours(str(error))
    return error


def public_client(*, allow_private: bool) -> httpx.AsyncClient:
    """Returns a client for addresses that tenants name: no redirects, no proxies, no cookies kept.

    Args:
        allow_private: Whether this machine and network may be reached; only where software is developed.
    """
    transport = None if allow_private else GuardedTransport()
    return httpx.AsyncClient(
        follow_redirects=False,
        timeout=10.0,
        trust_env=False,
        verify=trusted(from_environment=False),
        transport=transport,
        cookies=_NoCookies(),
    )


class _NoCookies(httpx.Cookies):
    """Forgets what a server would have us keep: one client serves all tenants."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Keeps nothing."""
