"""A Graph stand-in without a socket: requests go straight into it, updates wait in a list."""

import json
from datetime import timedelta
from typing import Any

import httpx

from app.kit.clock import SystemClock
from app.simulate.graph import GraphConfig, GraphStandIn

NUMBER, TOKEN, PERSON = "111", "token", "919812345678"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
BODY = "यह {{1}} है, {{2}} के बारे में"
TEMPLATE = {
    "name": "call_handoff",
    "language": {"code": "hi"},
    "components": [{"type": "body", "parameters": [{"type": "text", "text": "अ"}, {"type": "text", "text": "ब"}]}],
}


class MovedClock(SystemClock):
    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> Any:
        return super().now() + self.ahead


class Desk:
    """One stand-in, and what a business says to it."""

    def __init__(self, **config: Any) -> None:
        self.clock = MovedClock()
        known = {("call_handoff", "hi"): BODY}
        self.graph = GraphStandIn(GraphConfig({NUMBER: TOKEN}, "secret", None, known, **config), self.clock)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.graph.app), base_url="http://graph")

    async def send(self, kind: str, part: Any, **more: Any) -> httpx.Response:
        named = more if {"to", "recipient"} & more.keys() else {"to": PERSON, **more}
        body = {"messaging_product": "whatsapp", "type": kind, kind: part, **named}
        return await self.client.post(f"/v24.0/{NUMBER}/messages", json=body, headers=BEARER)

    async def refused(self, kind: str, part: Any, **more: Any) -> int:
        answer = await self.send(kind, part, **more)
        return int(answer.json()["error"]["code"]) if not answer.is_success else 0

    def values(self) -> list[dict[str, Any]]:
        """Returns and forgets what the business would be told."""
        queue = self.graph._updates
        told = [json.loads(queue.get_nowait()) for _ in range(queue.qsize())]
        return [change["value"] for body in told for entry in body["entry"] for change in entry["changes"]]

    def statuses(self) -> list[dict[str, Any]]:
        return [status for value in self.values() for status in value.get("statuses", [])]
