"""A tool that a tenant wrote itself: its own schemas hold, in and out, and its writes are as safe as any."""

from collections import Counter
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from app.dialogue.agents import Caller
from tests.house import House
from tests.standins.graph import served

pytestmark = pytest.mark.integration

INPUT = {
    "type": "object",
    "required": ["card"],
    "properties": {"card": {"type": "string", "maxLength": 20}, "points": {"type": "integer", "minimum": 1}},
}
OUTPUT = {"type": "object", "required": ["points"], "properties": {"points": {"type": "integer"}}}


class Loyalty:
    """A system that nobody but its tenant knows."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.answer: Any = {"points": 120}
        self.keys: Counter[str | None] = Counter()
        self.bodies: list[Any] = []
        self.app.get("/cards/{card}")(self.read)
        self.app.post("/redeem")(self.write)

    async def read(self, card: str) -> Response:
        return JSONResponse(self.answer)

    async def write(self, request: Request) -> Response:
        self.keys[request.headers.get("idempotency-key")] += 1
        self.bodies.append(await request.json())
        return JSONResponse(self.answer)


async def test_a_tool_of_ones_own_is_held_to_its_own_schemas(house: House) -> None:
    loyalty = Loyalty()
    async with served(loyalty.app) as base:
        tenant = await house.tenant()
        await tenant.ok("PUT", "/v1/credentials/tools", json={"base_url": base, "bearer_token": "t" * 16})
        own = {
            "loyalty_points": {"url": base + "/cards/{card}", "input": INPUT, "output": OUTPUT, "retries": 0},
            "redeem_points": {"url": base + "/redeem", "write": True, "input": INPUT, "output": OUTPUT},
        }
        created = await tenant.agent(tools=own)
        agent = await house.services.agents.get(tenant.tenant_id, created["id"])
        tools = await house.services.tools.tools_of(agent, Caller("+919876500001", "call_1"))
        assert tools.offers("loyalty_points")
        read = await tools.call("loyalty_points", {"card": "77 a"})
        assert read.ok and read.data == {"points": 120}
        assert not (await tools.call("loyalty_points", {"card": "x" * 21})).ok
        written = await tools.call("redeem_points", {"card": "77", "points": "50"}, key="redeem:1")
        again = await tools.call("redeem_points", {"card": "77", "points": "50"}, key="redeem:1")
        assert written.ok and again.data == written.data and loyalty.bodies == [{"card": "77", "points": 50}]
        (key,) = loyalty.keys
        assert key is not None and key.startswith("vs-")
        loyalty.answer = {"points": "many"}
        wrong = await tools.call("loyalty_points", {"card": "78"})
        assert not wrong.ok and "$.points: type" in (wrong.error or "") and wrong.data == {}
