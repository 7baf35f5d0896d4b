"""A body beyond its route's limit is refused with a problem document, whether its length was declared or not."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI, Request
from pydantic import BaseModel

from app.kit import problem
from app.kit.body_limit import BodyLimitMiddleware

pytestmark = pytest.mark.unit
LIMIT = 1_000


class Text(BaseModel):
    text: str


@pytest.fixture
def reached() -> list[int]:
    return []


@pytest_asyncio.fixture
async def http(reached: list[int]) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.add_middleware(BodyLimitMiddleware, larger={r"/files/[^/]+": 5 * LIMIT}, default=LIMIT)
    problem.install(app)

    @app.post("/texts")
    async def texts(body: Text) -> int:
        reached.append(len(body.text))
        return len(body.text)

    @app.post("/files/{name}")
    async def files(request: Request, name: str) -> int:
        reached.append(len(await request.body()))
        return reached[-1]

    @app.get("/nothing")
    async def nothing() -> str:
        return "read nothing"

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


async def _pieces(total: int, size: int = 100) -> AsyncIterator[bytes]:
    for _ in range(total // size):
        yield b"x" * size


async def test_a_body_within_the_limit_is_read(http: httpx.AsyncClient) -> None:
    assert (await http.post("/texts", json={"text": "x" * 900})).json() == 900
    assert (await http.post("/files/a", content=_pieces(5 * LIMIT))).json() == 5 * LIMIT
    assert (await http.get("/nothing")).json() == "read nothing"


@pytest.mark.parametrize("path", ["/texts", "/files/a"])
async def test_a_declared_length_beyond_it_is_refused(http: httpx.AsyncClient, reached: list[int], path: str) -> None:
    answer = await http.post(path, json={"text": "x" * 6 * LIMIT})
    assert answer.status_code == 413 and answer.json()["code"] == "payload_too_large"
    assert answer.headers["content-type"] == "application/problem+json" and answer.headers["request-id"]
    assert reached == []


@pytest.mark.parametrize("path", ["/texts", "/files/a"])
async def test_a_stream_without_a_length_is_cut_off(http: httpx.AsyncClient, reached: list[int], path: str) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1_000):
            sent += 100
            yield b"x" * 100

    answer = await http.post(path, content=endless(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413 and reached == []
    assert sent <= 5 * LIMIT + 100, "the rest is not taken in"
