"""The endpoint of media sockets: from the token in the path to a live call, and its end; above `stream`."""

import asyncio
from typing import Final

import structlog
from fastapi import APIRouter
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from app.calls.ports import LiveCall, LiveCalls, StreamClaim
from app.errors import AppError, Unavailable
from app.telephony import protocol
from app.telephony.metrics import TelephonyMetrics
from app.telephony.protocol import ProtocolViolation
from app.telephony.sockets import EXTENSION
from app.telephony.stream import CallControl, PlivoStream, Receiver, StreamEnded, close_socket
from app.telephony.tokens import StreamTokens

log = structlog.get_logger()

START_SECONDS: Final = 10.0
RECONNECT_SECONDS: Final = 30
STREAM_PATH: Final = "/v1/plivo/stream"


class MediaEndpoint:
    """Accepts the carrier's media sockets. One per process."""

    def __init__(
        self, *, tokens: StreamTokens, live_calls: LiveCalls, control: CallControl, metrics: TelephonyMetrics
    ) -> None:
        self._tokens = tokens
        self._live_calls = live_calls
        self._control = control
        self._metrics = metrics
        self._open: dict[str, PlivoStream] = {}

    @property
    def open_streams(self) -> int:
        """How many calls have a media socket here."""
        return len(self._open)

    def router(self) -> APIRouter:
        """Returns the route of the sockets."""
        router = APIRouter()
        router.add_websocket_route(STREAM_PATH + "/{token}", _Asgi(self.serve), name="plivo_stream")  # type: ignore
        return router

    def shut_down(self) -> None:
        """Ends every socket with code 1012; their calls are told `shutdown`."""
        for stream in tuple(self._open.values()):
            stream.dismiss("shutdown")

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one socket from its handshake to its end."""
        websocket = WebSocket(scope, receive, send)
        token: str = websocket.path_params["token"]
        try:
            known = await self._tokens.known(token)
        except Unavailable:
            log.exception("stream.token_store_unavailable")
            known = False
        if not known:
            self._metrics.refusals.labels("token").inc()
            await close_socket(websocket, 1008, "unknown token")
            return
        await websocket.accept()
        receiver = Receiver(receive, self._metrics, scope.get("extensions", {}).get(EXTENSION))
        try:
            started = await self._start(receiver)
            claim, live = await self._admit(token, started)
        except StreamEnded as ended:
            self._metrics.refusals.labels(ended.reason).inc()
            await close_socket(websocket, ended.close_code, ended.reason)
            return
        stream = PlivoStream(
            websocket,
            receiver,
            claim=claim,
            stream_id=started.stream_id,
            control=self._control,
            metrics=self._metrics,
        )
        await self._carry(websocket, token, claim, stream, live, started.stream_id)

    async def _start(self, receiver: Receiver) -> protocol.Started:
        try:
            async with asyncio.timeout(START_SECONDS):
                while True:
                    frame = await receiver.next()
                    if isinstance(frame, protocol.Started):
                        break
                    receiver.forgive(ProtocolViolation("before_start", "a frame before start", close_code=1008))
        except TimeoutError as error:
            raise StreamEnded("no_start", 1008) from error
        if frame.encoding != protocol.ENCODING or frame.sample_rate_hz != protocol.SAMPLE_RATE_HZ:
            log.warning("stream.wrong_format", encoding=frame.encoding[:40], sample_rate_hz=frame.sample_rate_hz)
            raise StreamEnded("wrong_format", 1003)
        return frame

    async def _admit(self, token: str, started: protocol.Started) -> tuple[StreamClaim, LiveCall]:
        try:
            claim = await self._tokens.redeem(token, started.call_id)
            if claim is None:
                raise StreamEnded("token", 1008)
            return claim, await self._live_calls.attach(claim)
        except AppError as error:
            log.warning("stream.refused", code=error.code, detail=error.detail)
            raise StreamEnded("refused", 1013 if error.retryable else 1008) from error

    async def _carry(
        self, websocket: WebSocket, token: str, claim: StreamClaim, stream: PlivoStream, live: LiveCall, stream_id: str
    ) -> None:
        older = self._open.get(claim.call_id)
        if older is not None:
            older.dismiss("replaced")
        self._open[claim.call_id] = stream
        self._metrics.streams.set(len(self._open))
        ended = StreamEnded("failed")
        try:
            live.on_started(stream, stream_id)
            ended = await stream.run(live)
        except asyncio.CancelledError:
            ended = StreamEnded("shutdown")
            raise
        finally:
            if self._open.get(claim.call_id) is stream:
                del self._open[claim.call_id]
            self._metrics.streams.set(len(self._open))
            self._metrics.disconnections.labels(ended.reason).inc()
            if not stream.replaced:
                live.on_disconnected(ended.reason)
        log.info("stream.ended", call_id=claim.call_id, tenant_id=claim.tenant_id, reason=ended.reason)
        await close_socket(websocket, ended.close_code, ended.reason)
        if not stream.replaced:
            await self._retire(token, ended.reason)

    async def _retire(self, token: str, reason: str) -> None:
        try:
            if reason in ("released", "violations"):
                await self._tokens.revoke(token)
            else:
                await self._tokens.keep(token, RECONNECT_SECONDS)
        except Unavailable:
            log.exception("stream.token_store_unavailable")


class _Asgi:
    """Keeps the router from wrapping the endpoint, so that a frame passes no layer between the server and us."""

    def __init__(self, serve: ASGIApp) -> None:
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serve(scope, receive, send)
