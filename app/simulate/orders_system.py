"""A tenant's system over HTTP that checks what it is sent, as strict as the contracts, and fails as it is told to."""

import asyncio
import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from app.errors import ToolError
from app.integrations.tool_contracts import ToolContract, ToolContracts
from app.simulate.orders import Order, Shop

_KEY: Final = re.compile(r"[\x21-\x7e]{16,255}")
_READ_METHODS: Final = ("GET", "DELETE")


class FaultKind(StrEnum):
    """How a system fails."""

    SLOW = "slow"  # answers, but late
    DOWN = "down"  # 503
    LOST = "lost"  # does it, and never says so
    MALFORMED = "malformed"  # no JSON
    WRONG = "wrong"  # JSON outside the contract
    HTML = "html"
    HUGE = "huge"
    REDIRECT = "redirect"
    DRIP = "drip"  # a byte now and then, for ever
    COMPRESSED = "compressed"


@dataclass
class Fault:
    """One way of failing, for so many requests."""

    kind: FaultKind
    times: int = 1_000_000
    seconds: float = 1.0


@dataclass
class Seen:
    """A request that was let in."""

    tool: str
    arguments: dict[str, Any]
    key: str | None
    headers: dict[str, str]


@dataclass
class TenantSystem:
    """The stand-in.

    Attributes:
        shop: The business behind it.
        bearer_token: Required in `Authorization`, if given.
        faults: Tool -> how it fails.
        seen: Requests that were let in, in order.
        done: How often each tool's work was really done: a repeated key does nothing.
        refused: Why requests were not let in.
    """

    shop: Shop
    bearer_token: str | None = None
    faults: dict[str, Fault] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    _results: dict[str, tuple[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Builds the routes from the contracts."""
        self.contracts = ToolContracts.load()
        self.app = FastAPI(title="A tenant's system")
        for name in self.contracts.names:
            contract = self.contracts.shipped(name)
            if contract is not None:
                self.app.add_api_route(
                    contract.path, self._door(contract), methods=[contract.method], operation_id=name
                )

    def _door(self, contract: ToolContract) -> Callable[[Request], Any]:
        async def serve(request: Request) -> Response:
            try:
                arguments = await self._checked(contract, request)
            except ToolError as error:
                self.refused.append(f"{contract.name}: {error.detail}")
                return JSONResponse({"detail": error.detail}, status_code=int(error.code))
            key = request.headers.get("idempotency-key")
            self.seen.append(Seen(contract.name, arguments, key, dict(request.headers)))
            return await self._answered(contract, arguments, key)

        return serve

    async def _checked(self, contract: ToolContract, request: Request) -> dict[str, Any]:
        """Returns the arguments of a request that is as the contract says."""
        expected = f"Bearer {self.bearer_token}"
        given = request.headers.get("authorization", "")
        if self.bearer_token is not None and not hmac.compare_digest(given.encode(), expected.encode()):
            raise ToolError("wrong token", code="401")
        key = request.headers.get("idempotency-key")
        if contract.write and (key is None or not _KEY.fullmatch(key)):
            raise ToolError("a write needs an Idempotency-Key of 16 to 255 characters", code="400")
        if not contract.write and key is not None:
            raise ToolError("a read has no Idempotency-Key", code="400")
        try:
            if request.method in _READ_METHODS:
                return contract.arguments({**request.query_params, **request.path_params})
            body = orjson.loads(await request.body())
            if not isinstance(body, dict):
                raise ToolError("the body is no object")
            arguments = {**body, **request.path_params}
            contract.check(arguments)
        except (ToolError, orjson.JSONDecodeError) as error:
            raise ToolError(str(error), code="422") from error
        return arguments

    async def _answered(self, contract: ToolContract, arguments: Mapping[str, Any], key: str | None) -> Response:
        fault = self.faults.get(contract.name)
        if fault is not None and fault.times > 0:
            fault.times -= 1
            answer = await self._failing(fault, contract, arguments, key)
            if answer is not None:
                return answer
        return self._done(contract, arguments, key)

    def _done(self, contract: ToolContract, arguments: Mapping[str, Any], key: str | None) -> Response:
        print_of = hashlib.sha256(orjson.dumps(dict(arguments), option=orjson.OPT_SORT_KEYS)).hexdigest()
        held = self._results.get(key or "")
        if held is not None and held[0] != contract.name + print_of:
            return JSONResponse({"detail": "the key was used for something else"}, status_code=422)
        if held is None:
            found = self.shop.answer(contract.name, arguments)
            self.done[contract.name] += 1
            if key is not None:
                self._results[key] = (contract.name + print_of, found)
        else:
            found = held[1]
        if found is None:
            return JSONResponse({"detail": "there is no such thing"}, status_code=404)
        return JSONResponse(contract.answer(found))

    async def _failing(
        self, fault: Fault, contract: ToolContract, arguments: Mapping[str, Any], key: str | None
    ) -> Response | None:
        """Returns a failure; None: only later than hoped for."""
        match fault.kind:
            case FaultKind.SLOW:
                await asyncio.sleep(fault.seconds)
                return None
            case FaultKind.DOWN:
                return Response(status_code=503)
            case FaultKind.LOST:
                self._done(contract, arguments, key)
                await asyncio.sleep(fault.seconds)
                return Response(status_code=504)
            case FaultKind.DRIP:
                return StreamingResponse(_drip(fault.seconds), media_type="application/json")
            case FaultKind.REDIRECT:
                return RedirectResponse("http://169.254.169.254/latest/meta-data")
        body, kind, headers = _BODIES[fault.kind]
        return Response(body, media_type=kind, headers=headers)


_BODIES: Final[Mapping[FaultKind, tuple[bytes, str, dict[str, str]]]] = {
    FaultKind.MALFORMED: (b'{"status": ', "application/json", {}),
    FaultKind.WRONG: (b'{"status": 7}', "application/json", {}),
    FaultKind.HTML: (b"<html><body>Sorry</body></html>", "text/html", {}),
    FaultKind.HUGE: (b"[" + b"1," * 50_000 + b"1]", "application/json", {}),
    FaultKind.COMPRESSED: (b"\x1f\x8b", "application/json", {"content-encoding": "gzip"}),
}


async def _drip(seconds: float) -> Any:
    yield b'{"order_id": "'
    for _ in range(int(seconds / 0.05)):
        await asyncio.sleep(0.05)
        yield b"1"


def demo_system(orders: Mapping[str, Order], *, bearer_token: str | None = None, today: date) -> TenantSystem:
    """Returns a demo tenant's system; it changes its own copy of `orders`."""
    return TenantSystem(Shop(dict(orders), today), bearer_token=bearer_token)
