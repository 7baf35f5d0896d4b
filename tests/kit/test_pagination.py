"""Pages on the wire."""

import httpx
import pytest
from fastapi import FastAPI

from app.kit.mongo import StorePage
from app.kit.pagination import Page, Paging, to_page

pytestmark = pytest.mark.unit


async def ask(query: str) -> httpx.Response:
    app = FastAPI()

    @app.get("/things")
    async def things(paging: Paging) -> Page[str]:
        found = StorePage([{"_id": f"th_{n}"} for n in range(paging.limit)], paging.starting_after is None)
        return to_page(found, lambda document: str(document["_id"]))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.get(f"/things{query}")


async def test_the_cursor_is_the_last_id_while_more_follows() -> None:
    assert (await ask("?limit=2")).json() == {"data": ["th_0", "th_1"], "has_more": True, "next_cursor": "th_1"}
    last = (await ask("?limit=2&starting_after=th_1")).json()
    assert (last["has_more"], last["next_cursor"]) == (False, None)


@pytest.mark.parametrize("query", ["?limit=101", "?limit=0", "?starting_after=a%27b", "?limit=x"])
async def test_other_pages_are_refused(query: str) -> None:
    assert (await ask(query)).status_code == 422
