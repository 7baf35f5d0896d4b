"""A stand-in of Meta's Graph API for WhatsApp: checks what it is sent, answers as documented, shows the phone.

Source: Meta, "WhatsApp Cloud API: messages, webhooks, error codes".
"""

import asyncio
import contextlib
import hashlib
import hmac
import html
import json
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import structlog
from fastapi import FastAPI, Header, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from app.kit.clock import Clock, SystemClock

_log = structlog.get_logger(__name__)
_PLACEHOLDER = re.compile(r"\{\{(\d+)\}\}")
_WINDOW = timedelta(hours=24)
_RETRY_SECONDS = (0.2, 1.0, 3.0)


@dataclass(frozen=True, slots=True)
class GraphConfig:
    """What this Meta knows.

    Attributes:
        numbers: phone_number_id -> the access token that may send from it.
        app_secret: Signs the webhooks.
        webhook_url: Where updates go; None: nowhere.
        templates: (name, language code) -> approved body with {{1}}, {{2}} ...
    """

    numbers: Mapping[str, str]
    app_secret: str
    webhook_url: str | None
    templates: Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Bubble:
    """One message as the customer's phone shows it."""

    wamid: str
    from_business: bool
    text: str
    at: datetime
    phone_number_id: str
    template: str | None = None
    language: str | None = None


class GraphError(Exception):
    """A refusal in Meta's own shape."""

    def __init__(self, code: int, details: str, status: int = 400) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
        self.status = status

    def body(self) -> dict[str, Any]:
        """Returns the documented error object."""
        return {
            "error": {
                "message": f"(#{self.code}) {self.details}",
                "type": "OAuthException",
                "code": self.code,
                "error_data": {"messaging_product": "whatsapp", "details": self.details},
                "fbtrace_id": secrets.token_urlsafe(12),
            }
        }


class Reply(BaseModel):
    """What the customer writes on their phone."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    sender: str = Field(alias="from", pattern=r"^\d{7,15}$")
    text: str = Field(min_length=1, max_length=4096)
    phone_number_id: str | None = None


@dataclass(slots=True)
class GraphState:
    """Everything this Meta remembers."""

    phones: dict[str, list[Bubble]] = field(default_factory=dict)
    last_inbound: dict[tuple[str, str], datetime] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)


class GraphStandIn:
    """The server; `app` is served by uvicorn, which runs the lifespan that delivers webhooks."""

    def __init__(self, config: GraphConfig, clock: Clock | None = None) -> None:
        self.config = config
        self.state = GraphState()
        self._clock = clock or SystemClock()
        self._updates: asyncio.Queue[bytes] = asyncio.Queue(maxsize=10_000)
        self.app = FastAPI(title="Graph API stand-in", lifespan=self._lifespan)
        self.app.post("/{version}/{phone_number_id}/messages")(self._messages)
        self.app.post("/_phone/reply")(self._reply)
        self.app.get("/_phone/{wa_id}")(self._phone)

    async def accept(self, body: Mapping[str, Any]) -> None:
        """Hook before a valid message is taken; a subclass may refuse it (raise GraphError) or be slow."""

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        async with httpx.AsyncClient(timeout=5.0) as client, asyncio.TaskGroup() as group:
            task = group.create_task(self._deliver(client))
            yield
            task.cancel()

    async def _deliver(self, client: httpx.AsyncClient) -> None:
        while True:
            raw = await self._updates.get()
            for pause in (*_RETRY_SECONDS, None):
                if await self._post(client, raw) or pause is None:
                    break
                await asyncio.sleep(pause)

    async def _post(self, client: httpx.AsyncClient, raw: bytes) -> bool:
        if self.config.webhook_url is None:
            return True
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": self.signature(raw)}
        try:
            answer = await client.post(self.config.webhook_url, content=raw, headers=headers)
        except httpx.HTTPError as error:
            _log.warning("graph.webhook_failed", reason=type(error).__name__)
            return False
        return answer.status_code == 200

    def signature(self, raw: bytes) -> str:
        """Returns the X-Hub-Signature-256 value of a webhook body."""
        return "sha256=" + hmac.new(self.config.app_secret.encode(), raw, hashlib.sha256).hexdigest()

    def webhook(self, phone_number_id: str, **value: Any) -> bytes:
        """Returns the bytes of one webhook as Meta writes them: one entry, one change."""
        metadata = {"display_phone_number": "15550001111", "phone_number_id": phone_number_id}
        change = {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}
        entry = {"id": f"waba-{phone_number_id}", "changes": [change]}
        return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()

    async def _messages(
        self, version: str, phone_number_id: str, request: Request, authorization: str = Header(default="")
    ) -> Response:
        try:
            return JSONResponse(await self._send(phone_number_id, authorization, await request.body()))
        except GraphError as error:
            return JSONResponse(error.body(), status_code=error.status)

    async def _send(self, phone_number_id: str, authorization: str, raw: bytes) -> dict[str, Any]:
        token = self.config.numbers.get(phone_number_id)
        if token is None or not hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
            raise GraphError(190, "Invalid OAuth access token", 401)
        body = _parsed(raw)
        self.state.requests.append(body)
        wa_id = str(body["to"]).removeprefix("+")
        bubble = self._bubble(phone_number_id, wa_id, body)
        await self.accept(body)
        self.state.phones.setdefault(wa_id, []).append(bubble)
        for status in ("sent", "delivered"):
            self._updates.put_nowait(self.status(phone_number_id, wa_id, bubble.wamid, status, body))
        return {
            "messaging_product": "whatsapp",
            "contacts": [{"input": body["to"], "wa_id": wa_id}],
            "messages": [{"id": bubble.wamid}],
        }

    def status(self, phone_number_id: str, wa_id: str, wamid: str, status: str, body: Mapping[str, Any]) -> bytes:
        """Returns the bytes of a status webhook for a message that was sent with `body`."""
        update: dict[str, Any] = {
            "id": wamid,
            "status": status,
            "timestamp": str(int(self._clock.now().timestamp())),
            "recipient_id": wa_id,
            "pricing": {"billable": True, "pricing_model": "PMP", "category": "utility", "type": "regular"},
        }
        if body.get("biz_opaque_callback_data"):
            update["biz_opaque_callback_data"] = body["biz_opaque_callback_data"]
        return self.webhook(phone_number_id, statuses=[update])

    def _bubble(self, phone_number_id: str, wa_id: str, body: Mapping[str, Any]) -> Bubble:
        now = self._clock.now()
        wamid = f"wamid.{secrets.token_hex(16).upper()}"
        if body["type"] == "template":
            name, code, text = _filled_template(self.config.templates, body["template"])
            return Bubble(wamid, True, text, now, phone_number_id, name, code)
        opened = self.state.last_inbound.get((phone_number_id, wa_id))
        if opened is None or now >= opened + _WINDOW:
            raise GraphError(131047, "More than 24 hours have passed since the customer last replied to this number")
        written = body["text"].get("body")
        if not isinstance(written, str) or not 1 <= len(written) <= 4096:
            raise GraphError(100, "text.body must have 1 to 4096 characters")
        return Bubble(wamid, True, written, now, phone_number_id)

    async def _reply(self, reply: Reply) -> dict[str, str]:
        """The customer writes; the business receives a signed webhook."""
        number = reply.phone_number_id or next(iter(self.config.numbers))
        return {"wamid": self.customer_writes(number, reply.sender, reply.text)}

    def customer_writes(self, phone_number_id: str, wa_id: str, text: str) -> str:
        """Queues the webhook of an inbound text and returns its message id."""
        now = self._clock.now()
        wamid = f"wamid.{secrets.token_hex(16).upper()}"
        self.state.last_inbound[phone_number_id, wa_id] = now
        self.state.phones.setdefault(wa_id, []).append(Bubble(wamid, False, text, now, phone_number_id))
        message = {
            "from": wa_id,
            "id": wamid,
            "timestamp": str(int(now.timestamp())),
            "type": "text",
            "text": {"body": text},
        }
        contact = {"profile": {"name": "Customer"}, "wa_id": wa_id}
        self._updates.put_nowait(self.webhook(phone_number_id, contacts=[contact], messages=[message]))
        return wamid

    async def _phone(self, wa_id: str, accept: str = Header(default="")) -> Response:
        """What the customer's phone shows: JSON, or a page for a browser."""
        bubbles = self.state.phones.get(wa_id, [])
        if "text/html" in accept:
            return HTMLResponse(_page(wa_id, bubbles))
        return JSONResponse(
            {
                "wa_id": wa_id,
                "messages": [
                    {
                        "id": bubble.wamid,
                        "from": "business" if bubble.from_business else "customer",
                        "text": bubble.text,
                        "template": bubble.template,
                        "language": bubble.language,
                        "at": bubble.at.isoformat(),
                    }
                    for bubble in bubbles
                ],
            }
        )


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise GraphError(100, "The body is not JSON") from error
    if not isinstance(body, dict) or body.get("messaging_product") != "whatsapp":
        raise GraphError(100, "messaging_product must be whatsapp")
    if body.get("recipient_type", "individual") != "individual":
        raise GraphError(100, "recipient_type must be individual")
    if not re.fullmatch(r"\+?\d{7,15}", str(body.get("to", ""))):
        raise GraphError(131009, "to must be a phone number")
    if body.get("type") not in {"text", "template"} or not isinstance(body.get(body["type"]), dict):
        raise GraphError(100, "type must be text or template, with an object of that name")
    return body


def _filled_template(templates: Mapping[tuple[str, str], str], template: Mapping[str, Any]) -> tuple[str, str, str]:
    """Returns name, language code and the text as the customer reads it."""
    name, language = template.get("name"), template.get("language")
    code = language.get("code") if isinstance(language, dict) else None
    if not isinstance(name, str) or not isinstance(code, str):
        raise GraphError(100, "template needs a name and a language.code")
    body = templates.get((name, code))
    if body is None:
        raise GraphError(132001, f"template name ({name}) does not exist in {code}", 404)
    values = [
        parameter.get("text")
        for component in template.get("components") or []
        if component.get("type") == "body"
        for parameter in component.get("parameters") or []
    ]
    expected = len(set(_PLACEHOLDER.findall(body)))
    if len(values) != expected:
        raise GraphError(132000, f"body: number of localizable_params ({len(values)}) does not match ({expected})")
    for value in values:
        if not isinstance(value, str) or not value or re.search(r"[\n\t]| {5,}", value):
            raise GraphError(132012, "a parameter is empty or holds a line break, a tab or more than 4 spaces in a row")
    return name, code, _PLACEHOLDER.sub(lambda match: str(values[int(match.group(1)) - 1]), body)


def _page(wa_id: str, bubbles: list[Bubble]) -> str:
    rows = "".join(
        f'<p style="text-align:{"left" if bubble.from_business else "right"}">'
        f"<small>{bubble.at:%H:%M:%S} {html.escape(bubble.template or '')}</small><br>{html.escape(bubble.text)}</p>"
        for bubble in bubbles
    )
    return f"<!doctype html><meta charset=utf-8><title>{html.escape(wa_id)}</title><h1>+{html.escape(wa_id)}</h1>{rows}"
