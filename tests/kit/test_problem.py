"""Every error leaves as a problem document with a request id, and a 500 tells nothing of the inside."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI, HTTPException, WebSocket
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict
from structlog.testing import capture_logs

from app.errors import AppError, FieldError, NotFound, RateLimited, Unauthorized, Unavailable, Unprocessable
from app.kit import problem

pytestmark = pytest.mark.unit


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    phone: str


def make_app() -> FastAPI:
    app = FastAPI()
    errors = {
        "missing": NotFound("no such call"),
        "limited": RateLimited("slow down", retry_after_seconds=7),
        "down": Unavailable("the database does not answer"),
        "key": Unauthorized("no key"),
        "wrong": Unprocessable("wrong", errors=[FieldError("/phone", "E.164, as +919876543210")]),
        "inside": AppError("the secret is walnut"),
        "boom": RuntimeError("the secret is walnut"),
        "teapot": HTTPException(405, "not here"),
    }

    @app.get("/fail/{name}", responses=problem.responses(404, 429))
    async def fail(name: str) -> None:
        raise errors[name]

    @app.post("/body")
    async def body(body: Body) -> Body:
        return body

    @app.websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()

    problem.install(app)
    return app


@pytest_asyncio.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(make_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("missing", 404, "not_found"),
        ("limited", 429, "rate_limited"),
        ("down", 503, "unavailable"),
        ("key", 401, "unauthorized"),
        ("inside", 500, "internal_error"),
        ("boom", 500, "internal_error"),
        ("teapot", 405, "method_not_allowed"),
    ],
)
async def test_errors_are_problem_documents(client: httpx.AsyncClient, name: str, status: int, code: str) -> None:
    answer = await client.get(f"/fail/{name}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert (document["status"], document["code"]) == (status, code)
    assert document["request_id"] == answer.headers["request-id"]
    assert document["request_id"].startswith("req_")
    assert "walnut" not in answer.text


async def test_a_client_is_told_when_to_come_back(client: httpx.AsyncClient) -> None:
    assert (await client.get("/fail/limited")).headers["retry-after"] == "7"
    assert int((await client.get("/fail/down")).headers["retry-after"]) >= 1
    assert (await client.get("/fail/key")).headers["www-authenticate"] == "Bearer"


async def test_a_body_that_is_no_json_says_where(client: httpx.AsyncClient) -> None:
    answer = await client.post("/body", content=b'{"phone": 5,,}', headers={"content-type": "application/json"})
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/body" and "character 12" in error["detail"]


async def test_wrong_input_names_place_and_cure(client: httpx.AsyncClient) -> None:
    answer = await client.post("/body", json={"phone": 5, "extra": True})
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/body/phone", "/body/extra"}
    assert (await client.get("/fail/wrong")).json()["errors"] == [
        {"pointer": "/phone", "detail": "E.164, as +919876543210"}
    ]
    broken = await client.post("/body", content=b"{", headers={"content-type": "application/json"})
    assert (broken.status_code, broken.json()["code"]) == (400, "bad_request")


async def test_an_unknown_path_is_a_problem_too(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nowhere")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_crash_is_logged_once_with_its_request(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        await client.get("/fail/boom")
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["http.failed"]


async def test_a_well_formed_request_id_is_kept_and_another_is_replaced(client: httpx.AsyncClient) -> None:
    good = await client.post("/body", json={"phone": "1"}, headers={"Request-Id": "abc-123-def"})
    assert good.headers["request-id"] == "abc-123-def"
    bad = await client.post("/body", json={"phone": "1"}, headers={"Request-Id": "<script>alert(1)</script>"})
    assert bad.headers["request-id"].startswith("req_")


def test_web_sockets_pass_untouched() -> None:
    with TestClient(make_app()).websocket_connect("/ws") as socket:
        assert socket.receive_text() == "hello"


def test_the_error_model_is_in_the_openapi_document() -> None:
    document = make_app().openapi()
    answer = document["paths"]["/fail/{name}"]["get"]["responses"]["404"]
    assert answer["content"]["application/problem+json"]["schema"]["$ref"] == "#/components/schemas/Problem"
    assert "code" in document["components"]["schemas"]["Problem"]["properties"]
