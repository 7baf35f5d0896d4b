"""A chat-completions server as OpenAI's documentation describes it: it checks what it is sent, and may misbehave."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import jsonschema
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Answer = Callable[[str, str], Any]
"""Takes the utterance and its language; returns the content: an object, or a text as it stands."""


class LlmStandIn:
    """Attributes: `answer` makes the content; `delay_seconds`, `status` and `raw` (a whole body) are its faults."""

    def __init__(self, key: str, answer: Answer) -> None:
        self._key = key
        self.answer = answer
        self.delay_seconds = 0.0
        self.status = 200
        self.raw: bytes | None = None
        self.bodies: list[dict[str, Any]] = []
        self.app = Starlette(routes=[Route("/v1/chat/completions", self._complete, methods=["POST"])])

    @property
    def utterances(self) -> list[dict[str, str]]:
        """What was asked about."""
        return [json.loads(body["messages"][-1]["content"]) for body in self.bodies]

    async def _complete(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {self._key}":
            return JSONResponse({"error": {"message": "Incorrect API key", "type": "invalid_request_error"}}, 401)
        body = await request.json()
        fault = _fault_of(body)
        if fault is not None:
            return JSONResponse({"error": {"message": fault, "type": "invalid_request_error"}}, 400)
        self.bodies.append(body)
        await asyncio.sleep(self.delay_seconds)
        if self.raw is not None:
            return Response(self.raw, self.status, media_type="application/json")
        asked = json.loads(body["messages"][-1]["content"])
        content = self.answer(asked["utterance"], asked["language"])
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return JSONResponse({"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice]}, self.status)


def _fault_of(body: dict[str, Any]) -> str | None:
    """Returns what the real server would refuse: roles, model, and the rules of strict structured outputs."""
    if not isinstance(body.get("model"), str):
        return "you must provide a model parameter"
    if [message["role"] for message in body.get("messages", [])] != ["system", "user"]:
        return "unexpected roles"
    form = body.get("response_format", {})
    if form.get("type") != "json_schema" or not form["json_schema"].get("strict"):
        return "response_format must be a strict json_schema"
    schema = form["json_schema"]["schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    return _strictness_fault(schema)


def _strictness_fault(schema: dict[str, Any]) -> str | None:
    if schema["type"] == "object":
        if schema.get("additionalProperties") is not False:
            return "additionalProperties must be false"
        if set(schema["required"]) != set(schema["properties"]):
            return "all properties must be required"
        return next((fault for inner in schema["properties"].values() if (fault := _strictness_fault(inner))), None)
    return _strictness_fault(schema["items"]) if schema["type"] == "array" else None
