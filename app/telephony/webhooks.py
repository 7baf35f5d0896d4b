"""Plivo's webhooks: the first to hear of a call; they prove the sender, tell the registry, answer with XML."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import structlog
from fastapi import APIRouter, Request, Response

from app.calls.ports import Admission, Announcement, CallDeclined, CallRegistry, Direction, NumberRoute, Numbers
from app.errors import AppError, BadRequest, Forbidden, NotFound
from app.speech.audio import wav_header
from app.telephony import form, signatures, xml
from app.telephony.form import Webhook
from app.telephony.media import STREAM_PATH
from app.telephony.metrics import TelephonyMetrics
from app.telephony.tokens import Announcements, StreamTokens, TransferTargets

log = structlog.get_logger()

PREFIX: Final = "/v1/plivo"
TOKEN_SECONDS: Final = 60
PLACED_AS: Final = "placed_as"

UNANSWERED: Final = frozenset({"busy", "failed", "timeout", "no-answer", "cancel", "rejected"})
"""`DialStatus` of a transfer that reached nobody."""

STREAM_EVENTS: Final = {
    "startstream": "stream_started",
    "started": "stream_started",
    "stopstream": "stream_stopped",
    "stopped": "stream_stopped",
    "droppedstream": "stream_dropped",
    "degradedstream": "stream_degraded",
    "failed": "stream_failed",
}


@dataclass(frozen=True, slots=True)
class CarrierUrls:
    """The addresses that the carrier is given, all under the public one."""

    public_url: str

    def hook(self, name: str) -> str:
        """Returns a webhook's address: answer, hangup, ring, status, machine, recording, transfer-ended."""
        return f"{self.public_url.rstrip('/')}{PREFIX}/{name}"

    def placed(self, name: str, call_id: str) -> str:
        """Returns a webhook's address for a call that we place: it says which."""
        return f"{self.hook(name)}?{PLACED_AS}={call_id}"

    def transfer(self, call_id: str) -> str:
        """Returns where the carrier asks whom to dial."""
        return self.hook(f"transfer/{call_id}")

    def stream(self, token: str) -> str:
        """Returns the media socket's address, `wss` where the public address is `https`."""
        parts = urlsplit(self.public_url.rstrip("/"))
        scheme = "wss" if parts.scheme == "https" else "ws"
        return urlunsplit((scheme, parts.netloc, f"{parts.path}{STREAM_PATH}/{token}", "", ""))


class PlivoWebhooks:
    """The routes under `/v1/plivo`, but for the media socket."""

    def __init__(
        self,
        *,
        urls: CarrierUrls,
        numbers: Numbers,
        registry: CallRegistry,
        tokens: StreamTokens,
        transfers: TransferTargets,
        announcements: Announcements,
        speak: Callable[[Announcement], AsyncIterator[bytes]],
        metrics: TelephonyMetrics,
        max_call_seconds: int,
        require_signatures: bool = True,
        admission: Admission | None = None,
    ) -> None:
        self._urls = urls
        self._numbers = numbers
        self._registry = registry
        self._tokens = tokens
        self._transfers = transfers
        self._announcements = announcements
        self._speak = speak
        self._metrics = metrics
        self._max_call_seconds = max_call_seconds
        self._require_signatures = require_signatures
        self._admission = admission

    def router(self) -> APIRouter:
        """Returns the routes; each takes GET and POST, as Plivo can be set to either."""
        router = APIRouter(prefix=PREFIX, include_in_schema=False)
        routes: dict[str, Callable[[Webhook], Awaitable[Response]]] = {
            "answer": self._answer,
            "hangup": self._hangup,
            "ring": self._ring,
            "status": self._status,
            "machine": self._machine,
            "recording": self._recording,
            "transfer/{call_id}": self._transfer,
            "transfer-ended": self._transfer_ended,
        }
        for name, handle in routes.items():
            router.add_api_route(f"/{name}", self._counted(name, handle), methods=["GET", "POST"])
        router.add_api_route("/whisper/{token}", self._whisper, methods=["GET", "POST"])
        router.add_api_route("/say/{token}", self._say, methods=["GET", "HEAD"])
        return router

    def _counted(
        self, name: str, handle: Callable[[Webhook], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        kind = name.partition("/")[0]

        async def endpoint(request: Request) -> Response:
            try:
                response = await handle(await form.read(request, self._urls.public_url))
            except AppError as error:
                self._metrics.webhooks.labels(kind, error.code).inc()
                raise
            self._metrics.webhooks.labels(kind, "ok").inc()
            return response

        return endpoint

    async def _answer(self, hook: Webhook) -> Response:
        route = await self._numbers.resolve(hook.our_number)
        if route is None:
            log.warning("webhook.unknown_number", carrier_call_id=hook.carrier_call_id)
            return _xml(xml.hang_up("rejected"))
        self._prove(hook, route.plivo_auth_token)
        if hook.call_ended:
            await self._prove_by_call(hook)
            await self._registry.on_hangup(hook.carrier_call_id, hook.fields)
            return _xml(xml.EMPTY)
        try:
            if self._admission is not None and hook.direction is Direction.INBOUND:
                await self._admission.admit(route, hook.from_number)
            return _xml(await self._open_stream(hook, route))
        except CallDeclined as declined:
            log.warning("webhook.call_declined", carrier_call_id=hook.carrier_call_id, code=declined.code)
            return _xml(await self._instead(route, declined))
        except AppError as error:
            log.warning("webhook.call_refused", carrier_call_id=hook.carrier_call_id, code=error.code)
            return _xml(xml.hang_up("busy" if error.retryable else "rejected"))

    async def _instead(self, route: NumberRoute, declined: CallDeclined) -> str:
        """Returns what a caller hears whom no agent takes: a sentence, and a person where there is one."""
        token = await self._announced(declined.announcement)
        sound = self._urls.hook(f"say/{token}") if token is not None else None
        if declined.transfer_number is not None:
            ended = self._urls.hook("transfer-ended")
            return xml.dial(declined.transfer_number, caller_id=route.number, action_url=ended, first_url=sound)
        return xml.hang_up("rejected") if sound is None else xml.play_and_hang_up(sound)

    async def _open_stream(self, hook: Webhook, route: NumberRoute) -> str:
        record = await self._registry.ring(
            route,
            carrier_call_id=hook.carrier_call_id,
            from_number=hook.from_number,
            to_number=hook.to_number,
            direction=hook.direction,
            request_id=hook.fields.get("RequestUUID") or hook.fields.get("ALegRequestUUID"),
            placed_as=hook.fields.get(PLACED_AS),
        )
        token = await self._tokens.issue(
            call_id=record.call_id,
            tenant_id=record.tenant_id,
            carrier_call_id=hook.carrier_call_id,
            ttl_seconds=TOKEN_SECONDS,
        )
        return xml.stream(
            self._urls.stream(token),
            status_url=self._urls.hook("status"),
            timeout_seconds=self._max_call_seconds + TOKEN_SECONDS,
        )

    async def _hangup(self, hook: Webhook) -> Response:
        if await self._is_unanswered(hook, "hangup"):
            return _done()
        await self._registry.on_hangup(hook.carrier_call_id, hook.fields)
        return _done()

    async def _ring(self, hook: Webhook) -> Response:
        if await self._is_unanswered(hook, "ring"):
            return _done()
        await self._registry.on_status(hook.carrier_call_id, {**hook.fields, "event": "ring"})
        return _done()

    async def _status(self, hook: Webhook) -> Response:
        await self._prove_by_call(hook)
        said = next(
            (hook.fields[key] for key in ("Event", "event", "StreamStatus", "Status") if key in hook.fields), ""
        )
        event = STREAM_EVENTS.get(said.lower())
        if event is None:
            log.warning("webhook.unknown_stream_event", carrier_call_id=hook.carrier_call_id, said=said[:40])
            return _done()
        await self._registry.on_status(hook.carrier_call_id, {**hook.fields, "event": event})
        return _done()

    async def _machine(self, hook: Webhook) -> Response:
        await self._prove_by_call(hook)
        said = hook.fields.get("Machine", "").lower()
        if said not in ("true", "false"):
            raise BadRequest("Machine must be true or false", code="bad_webhook")
        await self._registry.on_machine(hook.carrier_call_id, "machine" if said == "true" else "human")
        return _done()

    async def _recording(self, hook: Webhook) -> Response:
        await self._prove_by_call(hook)
        url, fields = form.recording_of(hook.fields)
        if url is None or not url.startswith(("https://", "http://")):
            raise BadRequest("RecordUrl is missing or not a web address", code="bad_webhook")
        await self._registry.on_recording(hook.carrier_call_id, url, fields)
        return _done()

    async def _transfer(self, hook: Webhook) -> Response:
        await self._prove_by_call(hook)
        number = await self._transfers.get(hook.carrier_call_id)
        if number is None:
            log.warning("webhook.transfer_without_target", carrier_call_id=hook.carrier_call_id)
            return _xml(xml.hang_up())
        ours = hook.our_number if hook.our_number.startswith("+") else None
        token = await self._announced(await self._registry.whisper(hook.carrier_call_id))
        whisper = self._urls.hook(f"whisper/{token}") if token is not None else None
        ended = self._urls.hook("transfer-ended")
        return _xml(xml.dial(number, caller_id=ours, action_url=ended, whisper_url=whisper))

    async def _transfer_ended(self, hook: Webhook) -> Response:
        """The person has hung up, or was not reached: then the caller hears how it goes on."""
        await self._prove_by_call(hook)
        await self._registry.on_status(hook.carrier_call_id, {**hook.fields, "event": "transfer_ended"})
        status = hook.fields.get("DialStatus", "completed").lower()
        said = await self._registry.on_transfer_ended(hook.carrier_call_id, reached=status not in UNANSWERED)
        token = await self._announced(said)
        return _xml(xml.hang_up() if token is None else xml.play_and_hang_up(self._urls.hook(f"say/{token}")))

    async def _announced(self, announcement: Announcement | None) -> str | None:
        return None if announcement is None else await self._announcements.put(announcement)

    async def _whisper(self, token: str) -> Response:
        """What the person hears before the caller is joined; the token stands for the signature."""
        known = await self._announcements.get(token)
        return _xml(xml.EMPTY if known is None else xml.play(self._urls.hook(f"say/{token}")))

    async def _say(self, token: str) -> Response:
        """An announcement as a WAV file."""
        known = await self._announcements.get(token)
        if known is None:
            raise NotFound("no such announcement")
        mulaw = b"".join([piece async for piece in self._speak(known)])
        return Response(wav_header(1, len(mulaw)) + mulaw, media_type="audio/wav")

    async def _is_unanswered(self, hook: Webhook, event: str) -> bool:
        """Takes a step of a call that we placed and that nobody has answered; returns whether it is one."""
        route = await self._prove_by_call(hook)
        placed_as = hook.fields.get(PLACED_AS)
        if route is None or placed_as is None or hook.direction is not Direction.OUTBOUND:
            return False
        await self._registry.on_unanswered(route, placed_as, {**hook.fields, "event": event})
        return True

    async def _prove_by_call(self, hook: Webhook) -> NumberRoute | None:
        """Proves the sender by the call's tenant; of a call that is not known by our number, which is returned."""
        account = await self._registry.account_for(hook.carrier_call_id)
        if account is not None:
            self._prove(hook, account.auth_token)
            return None
        route = await self._numbers.resolve(hook.our_number)
        if route is None:
            raise Forbidden("the webhook's signature does not fit", code="bad_signature")
        self._prove(hook, route.plivo_auth_token)
        return route

    def _prove(self, hook: Webhook, auth_token: str) -> None:
        if self._require_signatures and not signatures.fits(hook.headers, auth_token, hook.canonical):
            raise Forbidden("the webhook's signature does not fit", code="bad_signature")


def _xml(text: str) -> Response:
    return Response(text, media_type="application/xml")


def _done() -> Response:
    return Response(status_code=204)
