"""A stand-in of Meta's Graph API for WhatsApp: checks what it is sent, answers as documented, shows the phone.

Source: Meta, "WhatsApp Cloud API: messages, webhooks, error codes".
"""

import asyncio
import contextlib
import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse, Response

from app.kit.clock import Clock, SystemClock
from app.simulate.graph.config import GraphConfig, Sky, Weather
from app.simulate.graph.courier import Courier
from app.simulate.graph.customers import Customers
from app.simulate.graph.errors import GraphError
from app.simulate.graph.limits import Throttle
from app.simulate.graph.media import MediaShelf
from app.simulate.graph.media_routes import media_routes
from app.simulate.graph.messages import parsed, recipient_of, shown
from app.simulate.graph.phone import phone_routes
from app.simulate.graph.state import Bubble, GraphState
from app.simulate.graph.template_routes import template_routes
from app.simulate.graph.templates import TemplateShelf
from app.simulate.graph.updates import Person, entry, status, webhook

_WINDOW = timedelta(hours=24)


class GraphStandIn(Customers):
    """The server; `app` is served by uvicorn, which runs the lifespan that delivers webhooks.

    Attributes:
        config: What it knows.
        state: What it remembers.
        shelf: The templates.
        media: The files.
        sky: What goes wrong at present.
    """

    def __init__(self, config: GraphConfig, clock: Clock | None = None) -> None:
        self.config = config
        self.state = GraphState()
        self.shelf = TemplateShelf()
        self.shelf.stock(config.templates)
        self.media = MediaShelf()
        self.sky = Sky()
        self._throttle = Throttle()
        self._clock = clock or SystemClock()
        self._updates: asyncio.Queue[bytes] = asyncio.Queue(maxsize=100_000)
        self.app = FastAPI(title="Graph API stand-in", lifespan=self._lifespan)
        self.app.put("/_weather")(self._set_weather)
        self.app.include_router(phone_routes(self, lambda media_id: self.media.get(media_id, self.now())))
        self.app.post("/{version}/{phone_number_id}/messages")(self._messages)
        tokens = frozenset(config.numbers.values())
        self.app.include_router(template_routes(self.shelf, config.account_id, tokens, self.tell_of_template))
        self.app.include_router(media_routes(self))

    def now(self) -> datetime:
        """Returns Meta's time."""
        return self._clock.now()

    @property
    def first_number(self) -> str:
        """The business number that a person writes to who wrote to none yet."""
        return next(iter(self.config.numbers))

    async def accept(self, body: Mapping[str, Any]) -> None:
        """Hook before a valid message is taken; a subclass may refuse it (raise GraphError) or be slow."""

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        courier = Courier(lambda: self._updates, lambda: self.config.webhook_url, self.signature, self.sky)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(courier.run())
            yield
            task.cancel()

    def signature(self, raw: bytes) -> str:
        """Returns the X-Hub-Signature-256 value of a webhook body."""
        return "sha256=" + hmac.new(self.config.app_secret.encode(), raw, hashlib.sha256).hexdigest()

    def webhook(self, phone_number_id: str, **value: Any) -> bytes:
        """Returns the bytes of one webhook as Meta writes them: one entry, one change."""
        return webhook(self.config.account_id, phone_number_id, value)

    def tell(self, raw: bytes) -> None:
        """Queues a webhook."""
        self._updates.put_nowait(raw)

    def tell_of_template(self, change: Mapping[str, Any]) -> None:
        """Queues the webhook of a change to a template, as the methods of `shelf` return it."""
        self.tell(entry(self.config.account_id, {"time": int(self.now().timestamp()), "changes": [change]}))

    async def _set_weather(self, weather: Weather) -> Weather:
        """What goes wrong from now on."""
        self.sky.weather = weather
        return weather

    async def _messages(
        self, version: str, phone_number_id: str, request: Request, authorization: str = Header(default="")
    ) -> Response:
        await asyncio.sleep(self.sky.latency_seconds())
        try:
            self.authorise(phone_number_id, authorization)
            if self.sky.strikes(self.sky.weather.unavailable):
                raise GraphError(131016, "A service is temporarily unavailable", 503)
            answer = await self._send(phone_number_id, parsed(await request.body()))
        except GraphError as error:
            return JSONResponse(error.body(), status_code=error.status)
        if self.sky.strikes(self.sky.weather.lost):
            return Response("<h1>502 Bad Gateway</h1>", status_code=502, media_type="text/html")
        return JSONResponse(answer)

    def authorise(self, phone_number_id: str | None, authorization: str) -> None:
        """Checks a token: that of a number, or of any where no number is named.

        Raises:
            GraphError: It is another.
        """
        numbers = self.config.numbers
        tokens = list(numbers.values()) if phone_number_id is None else [numbers.get(phone_number_id)]
        given = authorization.encode()
        if not any(token and hmac.compare_digest(given, f"Bearer {token}".encode()) for token in tokens):
            raise GraphError(190, "Invalid OAuth access token", 401)

    async def _send(self, phone_number_id: str, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("status") == "read":
            self.state.read.add(str(body.get("message_id")))
            return {"success": True}
        self.state.requests.append(body)
        named, dropped = recipient_of(body)
        if dropped:
            self.state.dropped.append(body)
            return _taken(body, named, f"wamid.{secrets.token_hex(16).upper()}")
        person = self.state.person(named) if named.isdigit() else self.state.by_user_id(named)
        if person is None:
            raise GraphError(131026, "Message undeliverable: no such recipient")
        bubble = self._bubble(phone_number_id, person.wa_id, body)
        if bubble.category == "authentication" and not named.isdigit():
            raise GraphError(131062, "Business-scoped user ids are not supported for this message")
        self._throttle.check(self.config.limits, phone_number_id, person.wa_id, self.now())
        await self.accept(body)
        if bubble.kind == "reaction":
            self.state.react(body["reaction"]["message_id"], True, bubble.text)
        self._deliver(person, bubble)
        return _taken(body, named, bubble.wamid)

    def _deliver(self, person: Person, bubble: Bubble) -> None:
        error = None
        if bubble.template is None and not self._window_is_open(bubble.phone_number_id, person.wa_id):
            error = 131047
        elif not person.reachable:
            error = 131026
        elif bubble.category == "marketing" and not person.takes_marketing:
            error = 131050
        if error is not None:
            self.tell_status(bubble, person, "failed", error)
            return
        if bubble.kind != "reaction":
            self.state.phones.setdefault(person.wa_id, []).append(bubble)
        for state in ("sent", "delivered"):
            self.tell_status(bubble, person, state)

    def tell_status(self, bubble: Bubble, person: Person, state: str, error: int | None = None) -> None:
        """Queues the webhook of a status."""
        self.state.progress[bubble.wamid] = state
        self.tell(self.status(bubble.phone_number_id, person.wa_id, bubble.wamid, state, _billed(bubble), error))

    def status(
        self,
        phone_number_id: str,
        wa_id: str,
        wamid: str,
        state: str,
        body: Mapping[str, Any],
        error: int | None = None,
    ) -> bytes:
        """Returns the bytes of a status webhook for a message that was sent with `body`."""
        unknowns = self.config.unknowns
        tracker = body.get("biz_opaque_callback_data")
        value = status(
            self.state.person(wa_id),
            wamid,
            state,
            self.now(),
            category=str(body.get("category", "utility")),
            tracker=tracker if error is None or unknowns.failed_carries_tracker else None,
            error=error,
            tells_ids=unknowns.tells_user_ids,
        )
        return self.webhook(phone_number_id, **value)

    def _bubble(self, phone_number_id: str, wa_id: str, body: Mapping[str, Any]) -> Bubble:
        """Returns the message that a request makes.

        Raises:
            GraphError: Meta would refuse it.
        """
        plain = Bubble(
            f"wamid.{secrets.token_hex(16).upper()}",
            True,
            "",
            self.now(),
            phone_number_id,
            kind=str(body["type"]),
            tracker=body.get("biz_opaque_callback_data"),
        )
        if body["type"] == "template":
            template, text = self.shelf.fill(body["template"])
            category = template.category.lower()
            return replace(plain, text=text, template=template.name, language=template.language, category=category)
        if not self.config.unknowns.window_refused_by_status and not self._window_is_open(phone_number_id, wa_id):
            raise GraphError(131047, "More than 24 hours have passed since the customer last replied to this number")
        part = body[body["type"]]
        text = shown(body, lambda media_id: self._uploaded(media_id, phone_number_id))
        if body["type"] == "reaction" and self.state.bubble(part["message_id"]) is None:
            raise GraphError(131009, "reaction: no such message")
        return replace(plain, text=text, media_id=part.get("id") if isinstance(part, dict) else None)

    def _uploaded(self, media_id: str, phone_number_id: str) -> str:
        file = self.media.get(media_id, self.now())
        if file.phone_number_id != phone_number_id:
            raise GraphError(100, f"media {media_id} belongs to another number")
        return file.mime_type

    def _window_is_open(self, phone_number_id: str, wa_id: str) -> bool:
        opened = self.state.last_inbound.get((phone_number_id, wa_id))
        return opened is not None and self.now() < opened + _WINDOW


def _taken(body: Mapping[str, Any], named: str, wamid: str) -> dict[str, Any]:
    told = {"wa_id": named} if named.isdigit() else {"user_id": named}
    return {
        "messaging_product": "whatsapp",
        "contacts": [{"input": str(body.get("to") or named), **told}],
        "messages": [{"id": wamid}],
    }


def _billed(bubble: Bubble) -> dict[str, Any]:
    return {"biz_opaque_callback_data": bubble.tracker, "category": bubble.category}
