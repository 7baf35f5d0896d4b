"""Speaks to the Graph API through pywa: one client per token, and a clear line between refused and unknown."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from pywa_async.client import WhatsApp
from pywa_async.errors import WhatsAppError
from pywa_async.types.templates import TemplateLanguage

from app.errors import ConfigError, MessagingError
from app.kit.tls import trusted
from app.tenants.models import WhatsAppCredentials
from whatsapp.client import Client
from whatsapp.failures import Failure, failure_of, named

GRAPH_HOST = "graph.facebook.com"
_CLIENTS = 256
_LANGUAGES = {language.value: language for language in TemplateLanguage if isinstance(language.value, str)}


class NotSent(MessagingError):
    """Meta refused the message, or it certainly never left: `failure` says what to do."""

    code = "whatsapp_not_sent"

    def __init__(self, detail: str, failure: Failure) -> None:
        super().__init__(detail)
        self.failure = failure


class OutcomeUnknown(MessagingError):
    """The message may or may not have been taken; only a status webhook can tell."""

    code = "whatsapp_outcome_unknown"


@dataclass(frozen=True, slots=True)
class Accepted:
    """Meta took the message. `wa_id` is the recipient as Meta knows them."""

    wamid: str
    wa_id: str | None


class RebasedTransport(httpx.AsyncBaseTransport):
    """Carries requests meant for Meta to another origin (a stand-in, a gateway); requests to other hosts are refused.

    pywa sets the base address of its session itself, so the address is exchanged here.
    """

    def __init__(self, origin: str, inner: httpx.AsyncBaseTransport | None = None) -> None:
        self._origin = httpx.URL(origin)
        if self._origin.scheme not in {"http", "https"} or not self._origin.host:
            raise ConfigError(f"graph_api_url {origin!r} must be an http(s) origin such as https://{GRAPH_HOST}")
        self._inner = inner or httpx.AsyncHTTPTransport(verify=trusted())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends the request to the configured origin.

        Raises:
            httpx.UnsupportedProtocol: The request is meant for a host that is not Meta's; the token stays here.
        """
        if request.url.host != GRAPH_HOST:
            raise httpx.UnsupportedProtocol(f"refused to send the token to {request.url.host}", request=request)
        request.url = request.url.copy_with(
            scheme=self._origin.scheme,
            host=self._origin.host,
            port=self._origin.port,
            raw_path=self._origin.raw_path.rstrip(b"/") + request.url.raw_path,
        )
        request.headers["Host"] = self._origin.netloc.decode()
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._inner.aclose()


class GraphSender:
    """Sends templates and texts for every tenant; holds the most recently used clients open."""

    def __init__(self, graph_api_url: str, *, timeout_seconds: float = 10.0) -> None:
        self._origin = graph_api_url
        self._timeout_seconds = timeout_seconds
        self._clients: OrderedDict[str, tuple[WhatsApp, httpx.AsyncClient]] = OrderedDict()
        self._lock = asyncio.Lock()

    async def send_template(
        self,
        credentials: WhatsAppCredentials,
        *,
        to: str,
        name: str,
        language_code: str,
        components: Sequence[Mapping[str, Any]],
        tracker: str,
    ) -> Accepted:
        """Sends an approved template.

        Args:
            credentials: The tenant's number and token.
            to: Digits of the recipient's number.
            name: The template.
            language_code: Meta's code: `hi`, `en_IN` ...
            components: With the values of header, body and buttons, as Meta takes them.
            tracker: Our outbox id; comes back in every status.

        Raises:
            NotSent: Refused, or never left.
            OutcomeUnknown: Nobody knows.
        """
        language = _LANGUAGES.get(language_code)
        if language is None:
            raise NotSent(f"{language_code!r} is no template language of Meta's", failure_of(132001))
        client = await self.client(credentials)
        try:
            params = [dict(component) for component in components] or None
            sent = await client.send_template(to=to, name=name, language=language, params=params, tracker=tracker)
        except (WhatsAppError, httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise translated(error) from error
        return Accepted(sent.id, sent.chat.id)

    async def send_text(self, credentials: WhatsAppCredentials, *, to: str, text: str, tracker: str) -> Accepted:
        """Sends free text, allowed only while the window is open.

        Raises:
            NotSent: Refused, or never left.
            OutcomeUnknown: Nobody knows.
        """
        client = await self.client(credentials)
        try:
            sent = await client.send_message(to=to, text=text, tracker=tracker)
        except (WhatsAppError, httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise translated(error) from error
        return Accepted(sent.id, sent.chat.id)

    async def send_file(
        self, credentials: WhatsAppCredentials, *, to: str, kind: str, part: Mapping[str, Any], tracker: str
    ) -> Accepted:
        """Sends an uploaded file, allowed only while the window is open.

        Args:
            credentials: The tenant's number and token.
            to: Digits of the recipient's number, or their business-scoped id.
            kind: As what: `image`, `video`, `audio`, `document` or `sticker`.
            part: Its media id, with caption and name.
            tracker: Our outbox id; comes back in every status.

        Raises:
            NotSent: Refused, or never left.
            OutcomeUnknown: Nobody knows.
        """
        client = await self.client(credentials)
        try:
            sent = await client.api.send_message(
                credentials.phone_number_id,
                to,
                None,
                "individual",
                kind,
                dict(part),
                biz_opaque_callback_data=tracker,
            )
            contact = sent["contacts"][0]
            return Accepted(sent["messages"][0]["id"], contact.get("wa_id") or contact.get("user_id"))
        except (WhatsAppError, httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            raise translated(error) from error

    async def aclose(self) -> None:
        """Closes every connection."""
        async with self._lock:
            clients, self._clients = self._clients, OrderedDict()
        for _, session in clients.values():
            await session.aclose()

    async def client(self, credentials: WhatsAppCredentials) -> WhatsApp:
        """Returns the client of a number and its token; a new token has a new one."""
        token = credentials.access_token
        key = hashlib.sha256(f"{credentials.phone_number_id}\0{token}".encode()).hexdigest()
        async with self._lock:
            found = self._clients.get(key)
            if found is not None:
                self._clients.move_to_end(key)
                return found[0]
            session = httpx.AsyncClient(
                transport=RebasedTransport(self._origin), timeout=self._timeout_seconds, follow_redirects=False
            )
            client = Client(phone_id=credentials.phone_number_id, token=token, session=session)
            self._clients[key] = (client, session)
            dropped = self._clients.popitem(last=False)[1][1] if len(self._clients) > _CLIENTS else None
        if dropped is not None:
            await dropped.aclose()
        return client


def translated(error: Exception) -> NotSent | OutcomeUnknown:
    """Sorts a failure: an answer of Meta's with a code is a refusal, a connection that never stood means not sent."""
    if isinstance(error, WhatsAppError):
        if error.code == error.status_code:  # pywa's own, made of an answer without Meta's error object
            if error.code >= 500:
                return OutcomeUnknown(f"Graph API answered {error.code} without a reason")
            return NotSent(f"Graph API answered {error.code} without a reason", failure_of(error.code))
        return NotSent(f"Graph API refused ({error.code}): {error.details or error.message}", failure_of(error.code))
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return NotSent("Graph API could not be reached", failure_of(131016))
    if isinstance(error, httpx.UnsupportedProtocol):
        return NotSent(str(error), named("refused"))
    return OutcomeUnknown(f"no readable answer from the Graph API ({type(error).__name__})")
