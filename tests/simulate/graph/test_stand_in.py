"""The Graph API stand-in refuses what Meta refuses, in Meta's words."""

from typing import Any

import httpx
import pytest

from app.simulate.graph import GraphConfig, GraphStandIn
from tests.standins.graph import served

pytestmark = pytest.mark.integration
CONFIG = GraphConfig({"111": "token"}, "secret", None, {("call_handoff", "hi"): "यह {{1}} है, {{2}} के बारे में"})
TEXT = {"messaging_product": "whatsapp", "to": "919812345678", "type": "text", "text": {"body": "hi"}}


def template(name: str = "call_handoff", code: str = "hi", values: tuple[str, ...] = ("अ", "ब")) -> dict[str, Any]:
    body = {"type": "body", "parameters": [{"type": "text", "text": value} for value in values]}
    named = {"name": name, "language": {"code": code}, "components": [body]}
    return {**TEXT, "type": "template", "template": named}


@pytest.mark.parametrize(
    ("body", "token", "number", "code", "status"),
    [
        (template(), "wrong", "111", 190, 401),
        (template(), "token", "222", 190, 401),
        (template(code="hi_IN"), "token", "111", 132001, 404),
        (template(name="other"), "token", "111", 132001, 404),
        (template(values=("one",)), "token", "111", 132000, 400),
        (template(values=("one", "two\nlines")), "token", "111", 132012, 400),
        (TEXT, "token", "111", 131047, 400),
        ({**TEXT, "to": "asha"}, "token", "111", 131009, 400),
        ({**TEXT, "messaging_product": "sms"}, "token", "111", 100, 400),
        ({**TEXT, "type": "carrier_pigeon"}, "token", "111", 100, 400),
    ],
)
async def test_refusals(body: dict[str, Any], token: str, number: str, code: int, status: int) -> None:
    async with served(GraphStandIn(CONFIG).app) as base, httpx.AsyncClient(base_url=base) as client:
        answer = await client.post(f"/v24.0/{number}/messages", json=body, headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_a_taken_template_shows_on_the_phone_and_a_reply_opens_the_window() -> None:
    async with served(GraphStandIn(CONFIG).app) as base, httpx.AsyncClient(base_url=base) as client:
        bearer = {"Authorization": "Bearer token"}
        answer = await client.post("/v24.0/111/messages", json=template(), headers=bearer)
        assert answer.json()["contacts"] == [{"input": "919812345678", "wa_id": "919812345678"}]
        reply = await client.post("/_phone/reply", json={"from": "919812345678", "text": "<b>hi</b>"})
        assert reply.status_code == 200
        assert (await client.post("/v24.0/111/messages", json=TEXT, headers=bearer)).status_code == 200
        shown = (await client.get("/_phone/919812345678")).json()["messages"]
        assert [m["text"] for m in shown] == ["यह अ है, ब के बारे में", "<b>hi</b>", "hi"]
        page = (await client.get("/_phone/919812345678", headers={"Accept": "text/html"})).text
        assert "&lt;b&gt;hi" in page and "<b>hi" not in page
