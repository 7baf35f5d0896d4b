"""The simulated carrier's REST face: Plivo's Call, Record and Request resources over the simulated calls."""

import asyncio
import base64
import binascii
import secrets
import socket
import struct
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.kit.tls import trusted
from app.simulate.carrier import API_HUNG_UP, Ending, Parties, SimulatedCall
from app.simulate.hosting import GuestServer
from app.simulate.media import Network
from app.simulate.wire import CarrierRefusal

UNANSWERED: Final[Mapping[str, Ending]] = {
    "busy": Ending("Callee", "USER_BUSY", 3010, "busy"),
    "no-answer": Ending("Callee", "NO_ANSWER", 3000, "no-answer"),
    "cancel": Ending("API Request", "ORIGINATOR_CANCEL", 1000, "cancel"),
}
Pickup = Callable[[SimulatedCall], Awaitable[str]]
"""Decides for an outbound call, while it rings: `answer`, `machine`, `busy` or `no-answer`."""


@dataclass(slots=True)
class _Recording:
    recording_id: str
    call: SimulatedCall
    started_at: float
    callback_url: str | None
    stopped_at: float | None = None


async def _answered(_: SimulatedCall) -> str:
    return "answer"


class SimulatedPlivo:
    """An account holder's view of Plivo: places and carries calls, and serves `settings.plivo_api_url`.

    Use as an async context manager; `url` is the REST base address.
    """

    def __init__(
        self, accounts: Mapping[str, str], *, host: str = "127.0.0.1", port: int = 0, pickup: Pickup = _answered
    ) -> None:
        self.calls: dict[str, SimulatedCall] = {}
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self.pickup = pickup
        self._accounts = dict(accounts)
        self._host = host
        self._port = port
        self._placed: dict[str, asyncio.Task[None]] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._ringing: dict[str, SimulatedCall] = {}
        self._recordings: dict[str, _Recording] = {}
        self._server: GuestServer | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The REST base address, for `VAANISETU_PLIVO_API_URL`."""
        return f"http://{self._host}:{self._port}"

    async def __aenter__(self) -> Self:
        self._http = httpx.AsyncClient(trust_env=False, verify=trusted(), limits=httpx.Limits(max_connections=200))
        listener = socket.create_server((self._host, self._port))
        self._port = listener.getsockname()[1]
        config = uvicorn.Config(self.application(), log_config=None, access_log=False, lifespan="off")
        self._server = GuestServer(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        await self._server.ready.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for placed in self._placed.values():
            placed.cancel()
        await asyncio.gather(*self._placed.values(), *self._work, return_exceptions=True)
        await asyncio.gather(*(call.hang_up() for call in self.calls.values() if call.live))
        if self._server is not None and self._serving is not None:
            self._server.stop()
            await self._serving
        await self._http.aclose()

    def call(
        self, parties: Parties, *, auth_id: str, network: Network | None = None, **listeners: Any
    ) -> SimulatedCall:
        """Returns a call that is ready to `dial`, known to the REST face.

        Args:
            parties: Who rings whom.
            auth_id: The account whose number takes part.
            network: How bad the line is.
            **listeners: `on_heard`, `on_event`, `reconnects` of `SimulatedCall`.
        """
        call = SimulatedCall(
            parties,
            auth_id=auth_id,
            auth_token=self._accounts[auth_id],
            http=self._http,
            network=network,
            **listeners,
        )
        self.calls[call.call_id] = call
        return call

    def application(self) -> Starlette:
        """Returns the REST interface."""
        account = "/v1/Account/{auth_id}"
        routes = [
            (account + "/", self._account, ["GET"]),
            (account + "/Call/", self._make, ["POST"]),
            (account + "/Call/{call_id}/", self._transfer, ["POST"]),
            (account + "/Call/{call_id}/", self._hang_up, ["DELETE"]),
            (account + "/Call/{call_id}/Record/", self._record, ["POST"]),
            (account + "/Call/{call_id}/Record/", self._stop_recording, ["DELETE"]),
            (account + "/Request/{request_id}/", self._cancel, ["DELETE"]),
        ]
        guarded = [Route(path, self._guard(handler), methods=methods) for path, handler, methods in routes]
        return Starlette(routes=[*guarded, Route("/recordings/{recording_id}.wav", self._recording)])

    def _guard(
        self, handler: Callable[[Request, dict[str, Any]], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            auth_id = request.path_params["auth_id"]
            if not self._authorised(request, auth_id):
                return JSONResponse({"api_id": str(uuid.uuid4()), "error": "authentication failed"}, 401)
            try:
                fields = await request.json() if await request.body() else {}
            except ValueError:
                return _error(400, "the body is not JSON")
            self.requests.append((request.method, request.url.path, fields))
            return await handler(request, fields)

        return guarded

    def _authorised(self, request: Request, auth_id: str) -> bool:
        kind, _, encoded = request.headers.get("authorization", "").partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            return False
        token = self._accounts.get(auth_id)
        return kind == "Basic" and token is not None and secrets.compare_digest(given, f"{auth_id}:{token}".encode())

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    def _live(self, request: Request) -> SimulatedCall | None:
        call = self.calls.get(request.path_params["call_id"])
        return call if call is not None and call.live else None

    async def _account(self, request: Request, fields: dict[str, Any]) -> Response:
        return _ok(200, auth_id=request.path_params["auth_id"], account_type="standard", name="Simulated account")

    async def _make(self, request: Request, fields: dict[str, Any]) -> Response:
        missing = [name for name in ("from", "to", "answer_url") if not fields.get(name)]
        if missing:
            return _error(400, f"missing parameters: {', '.join(missing)}")
        request_id = str(uuid.uuid4())
        parties = Parties(
            from_number=str(fields["from"]).lstrip("+"),
            to_number=str(fields["to"]).lstrip("+"),
            answer_url=fields["answer_url"],
            hangup_url=fields.get("hangup_url"),
            ring_url=fields.get("ring_url"),
            machine_url=fields.get("machine_detection_url"),
            direction="outbound",
            request_id=request_id,
        )
        call = self.call(parties, auth_id=request.path_params["auth_id"])
        self._ringing[request_id] = call
        self._placed[request_id] = asyncio.create_task(self._ring(request_id, call))
        return _ok(201, message="call fired", request_uuid=request_id)

    async def _ring(self, request_id: str, call: SimulatedCall) -> None:
        if call.parties.ring_url:
            await call.post(call.parties.ring_url, {"CallStatus": "ringing", "Event": "Ring"})
        outcome = await self.pickup(call)
        self._ringing.pop(request_id, None)
        if outcome in UNANSWERED:
            await call.hang_up(UNANSWERED[outcome])
            return
        try:
            await call.dial()
        except CarrierRefusal:
            return
        if call.parties.machine_url:
            machine = "true" if outcome == "machine" else "false"
            await call.post(call.parties.machine_url, {"Event": "MachineDetection", "Machine": machine})

    async def _cancel(self, request: Request, fields: dict[str, Any]) -> Response:
        call = self._ringing.pop(request.path_params["request_id"], None)
        if call is None:
            return _error(404, "request not found")
        self._placed[request.path_params["request_id"]].cancel()
        await call.hang_up(UNANSWERED["cancel"])
        return Response(status_code=204)

    async def _hang_up(self, request: Request, fields: dict[str, Any]) -> Response:
        call = self._live(request)
        if call is None:
            return _error(404, "call not found")
        self._later(call.hang_up(API_HUNG_UP))
        return Response(status_code=204)

    async def _transfer(self, request: Request, fields: dict[str, Any]) -> Response:
        call = self._live(request)
        if call is None:
            return _error(404, "call not found")
        if fields.get("legs") != "aleg" or not fields.get("aleg_url"):
            return _error(400, "legs must be aleg, and aleg_url is required")
        self._later(call.transfer(fields["aleg_url"]))
        return _ok(202, message="call transferred", call_uuids=[call.call_id])

    async def _record(self, request: Request, fields: dict[str, Any]) -> Response:
        call = self._live(request)
        if call is None:
            return _error(404, "call not found")
        held = _Recording(str(uuid.uuid4()), call, time.monotonic(), fields.get("callback_url"))
        self._recordings[held.recording_id] = held
        url = f"{self.url}/recordings/{held.recording_id}.wav"
        return _ok(202, message="call recording started", recording_id=held.recording_id, url=url)

    async def _stop_recording(self, request: Request, fields: dict[str, Any]) -> Response:
        call_id = request.path_params["call_id"]
        for held in self._recordings.values():
            if held.call.call_id == call_id and held.stopped_at is None:
                held.stopped_at = time.monotonic()
                if held.callback_url:
                    duration = round((held.stopped_at - held.started_at) * 1000)
                    record = {
                        "Event": "Record",
                        "RecordUrl": f"{self.url}/recordings/{held.recording_id}.wav",
                        "RecordingID": held.recording_id,
                        "RecordingDuration": str(duration // 1000),
                        "RecordingDurationMs": str(duration),
                    }
                    self._later(held.call.post(held.callback_url, record))
        return Response(status_code=204)

    async def _recording(self, request: Request) -> Response:
        held = self._recordings.get(request.path_params["recording_id"])
        if held is None:
            return _error(404, "no such recording")
        until = held.stopped_at or time.monotonic()
        sound = b"".join(frame.mulaw for frame in held.call.heard if held.started_at <= frame.at < until)
        head = struct.pack(
            "<4sI4s4sIHHIIHHH", b"RIFF", 38 + len(sound), b"WAVE", b"fmt ", 18, 7, 1, 8000, 8000, 1, 8, 0
        )
        return Response(head + struct.pack("<4sI", b"data", len(sound)) + sound, media_type="audio/wav")


def _ok(status: int, **fields: Any) -> Response:
    return JSONResponse({"api_id": str(uuid.uuid4()), **fields}, status)


def _error(status: int, detail: str) -> Response:
    return JSONResponse({"api_id": str(uuid.uuid4()), "error": detail}, status)
