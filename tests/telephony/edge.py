"""The carrier's edge as the root would wire it, over fakes of the rooms below, on a real server."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from app.calls.ports import Announcement, CallRecord, Carrier, CarrierAccount, Direction, NumberRoute, StreamClaim
from app.errors import AppError, NotFound, Unavailable
from app.telephony.media import MediaEndpoint
from app.telephony.metrics import TelephonyMetrics
from app.telephony.rest import PlivoCallControl, PlivoClients
from app.telephony.sockets import MediaSocketProtocol
from app.telephony.tokens import Announcements, StreamTokens, TransferTargets
from app.telephony.webhooks import CarrierUrls, PlivoWebhooks
from tests.standins.plivo import PlivoStandin

AUTH_ID, AUTH_TOKEN = "MA" + "A" * 18, "the-tenants-own-token"
OUR_NUMBER, CALLER = "+918012345678", "+919876543210"
ROUTE = NumberRoute("ten_1", "agent_1", OUR_NUMBER, AUTH_ID, AUTH_TOKEN)


class FakeNumbers:
    async def resolve(self, e164: str) -> NumberRoute | None:
        return ROUTE if e164 == OUR_NUMBER else None


@dataclass
class FakeRegistry:
    records: dict[str, CallRecord] = field(default_factory=dict)
    rung: list[tuple[str, str, Direction, str | None]] = field(default_factory=list)
    told: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    whispered: Announcement | None = None
    regrets: Announcement | None = None
    refusal: AppError | None = None

    async def ring(
        self,
        route: NumberRoute,
        *,
        carrier_call_id: str,
        from_number: str,
        to_number: str,
        direction: Direction,
        request_id: str | None = None,
        placed_as: str | None = None,
    ) -> CallRecord:
        if self.refusal:
            raise self.refusal
        self.rung.append((from_number, to_number, direction, request_id))
        made = CallRecord(f"call_{len(self.records)}", route.tenant_id, route.agent_id)
        return self.records.setdefault(carrier_call_id, made)

    async def account_for(self, carrier_call_id: str) -> CarrierAccount | None:
        return CarrierAccount(AUTH_ID, AUTH_TOKEN) if carrier_call_id in self.records else None

    async def on_status(self, carrier_call_id: str, fields: Mapping[str, str]) -> None:
        self.told.append((fields["event"], carrier_call_id, dict(fields)))

    async def whisper(self, carrier_call_id: str) -> Announcement | None:
        return self.whispered

    async def on_transfer_ended(self, carrier_call_id: str, *, reached: bool) -> Announcement | None:
        self.told.append(("transfer_over", carrier_call_id, {"reached": str(reached)}))
        return None if reached else self.regrets

    async def on_hangup(self, carrier_call_id: str, fields: Mapping[str, str]) -> None:
        self.told.append(("hangup", carrier_call_id, dict(fields)))

    async def on_unanswered(self, route: NumberRoute, placed_as: str, fields: Mapping[str, str]) -> None:
        self.told.append(("unanswered", placed_as, dict(fields)))

    async def on_machine(self, carrier_call_id: str, result: str) -> None:
        self.told.append((result, carrier_call_id, {}))

    async def on_recording(self, carrier_call_id: str, url: str, fields: Mapping[str, str]) -> None:
        self.told.append(("recording", carrier_call_id, {**fields, "url": url}))

    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.told]


class FakeCall:
    """A live call that notes what it is told."""

    def __init__(self) -> None:
        self.carriers: list[Carrier] = []
        self.stream_ids: list[str] = []
        self.audio = bytearray()
        self.digits: list[str] = []
        self.played: list[str] = []
        self.cleared = 0
        self.gone: list[str] = []
        self.changed = asyncio.Event()
        self.explode = False

    @property
    def carrier(self) -> Carrier:
        return self.carriers[-1]

    def on_started(self, carrier: Carrier, stream_id: str) -> None:
        self.carriers.append(carrier)
        self.stream_ids.append(stream_id)
        self.changed.set()

    def on_audio(self, mulaw: bytes) -> None:
        if self.explode:
            raise ZeroDivisionError
        self.audio += mulaw

    def on_dtmf(self, digit: str) -> None:
        self.digits.append(digit)
        self.changed.set()

    def on_played(self, name: str) -> None:
        self.played.append(name)
        self.changed.set()

    def on_cleared(self) -> None:
        self.cleared += 1
        self.changed.set()

    def on_disconnected(self, reason: str) -> None:
        self.gone.append(reason)
        self.changed.set()


class FakeLiveCalls:
    def __init__(self) -> None:
        self.calls: dict[str, FakeCall] = {}
        self.claims: list[StreamClaim] = []
        self.full = False

    async def attach(self, claim: StreamClaim) -> FakeCall:
        self.claims.append(claim)
        if self.full:
            raise Unavailable("no room")
        if claim.resumed and claim.call_id not in self.calls:
            raise NotFound("no such session")
        return self.calls.setdefault(claim.call_id, FakeCall())


class Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass
class Edge:
    app: FastAPI
    url: str
    plivo: PlivoStandin
    registry: FakeRegistry
    live: FakeLiveCalls
    tokens: StreamTokens
    transfers: TransferTargets
    clients: PlivoClients
    media: MediaEndpoint
    metrics: CollectorRegistry
    urls: CarrierUrls

    @property
    def call(self) -> FakeCall:
        (only,) = self.live.calls.values()
        return only

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.get_sample_value(name, labels) or 0.0

    async def token(self, carrier_call_id: str = "carrier-call", call_id: str = "call_0", ttl_seconds: int = 30) -> str:
        return await self.tokens.issue(
            call_id=call_id, tenant_id="ten_1", carrier_call_id=carrier_call_id, ttl_seconds=ttl_seconds
        )

    def socket_url(self, token: str) -> str:
        return self.urls.stream(token)


async def until(condition: object, seconds: float = 20.0) -> None:
    """Waits for a condition of a fake, with a bound."""
    assert callable(condition)
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)
    return JSONResponse({"code": error.code, "detail": error.detail}, error.status)


async def _as_bytes(said: Announcement) -> AsyncIterator[bytes]:
    yield f"{said.language}:{said.text}".encode()


def wire(redis: Redis, plivo: PlivoStandin, public_url: str) -> Edge:
    """Builds the edge; nothing listens yet."""
    urls = CarrierUrls(public_url)
    registry, live, collected = FakeRegistry(), FakeLiveCalls(), CollectorRegistry()
    metrics, clients = TelephonyMetrics(collected), PlivoClients(plivo.url)
    tokens, transfers = StreamTokens(redis, max_call_seconds=600), TransferTargets(redis)
    control = PlivoCallControl(registry=registry, clients=clients, transfers=transfers, urls=urls, max_call_seconds=600)
    media = MediaEndpoint(tokens=tokens, live_calls=live, control=control, metrics=metrics)
    hooks = PlivoWebhooks(
        urls=urls,
        numbers=FakeNumbers(),
        registry=registry,
        tokens=tokens,
        transfers=transfers,
        announcements=Announcements(redis),
        speak=_as_bytes,
        metrics=metrics,
        max_call_seconds=600,
    )
    app = FastAPI()
    app.add_exception_handler(AppError, problem)
    app.include_router(hooks.router())
    app.include_router(media.router())
    return Edge(app, public_url, plivo, registry, live, tokens, transfers, clients, media, collected, urls)


@asynccontextmanager
async def serving(redis: Redis) -> AsyncIterator[Edge]:
    """Builds the edge and serves it on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    async with PlivoStandin({AUTH_ID: AUTH_TOKEN}) as plivo:
        edge = wire(redis, plivo, f"http://127.0.0.1:{listener.getsockname()[1]}")
        server = Server(
            uvicorn.Config(
                edge.app, log_config=None, lifespan="off", ws=MediaSocketProtocol, ws_per_message_deflate=False
            )
        )
        task = asyncio.create_task(server.serve(sockets=[listener]))
        await until(lambda: server.started)
        try:
            yield edge
        finally:
            edge.media.shut_down()
            server.should_exit = True
            await task
            edge.clients.close()
