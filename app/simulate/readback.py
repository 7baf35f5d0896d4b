"""The tenant's own view, by REST: what the server stored of a call, and the phone that WhatsApp messages reach."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

import httpx

from app.errors import Unavailable

_ATTEMPTS: Final = 25
_PAUSE_SECONDS: Final = 0.2

Event = Mapping[str, Any]


class Readback:
    """Reads one tenant's data. Use as an async context manager.

    Args:
        url: The server's address.
        api_key: A key of the tenant that may read calls and conversations.
        graph_url: The Graph API stand-in, for the phone view; None: WhatsApp cannot be checked.
    """

    def __init__(self, url: str, api_key: str, graph_url: str | None = None) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {api_key}"}, timeout=10, trust_env=False
        )
        self._graph = httpx.AsyncClient(base_url=graph_url, timeout=10, trust_env=False) if graph_url else None

    @property
    def sees_whatsapp(self) -> bool:
        """Whether the phone's view is known."""
        return self._graph is not None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()
        if self._graph is not None:
            await self._graph.aclose()

    async def _get(self, path: str, **query: str) -> Any:
        try:
            answer = await self._http.get(path, params=query)
        except httpx.HTTPError as error:
            raise Unavailable(f"{self._http.base_url} did not answer: {error!r}") from error
        if answer.status_code != 200:
            raise Unavailable(f"GET {path} answered {answer.status_code}: {answer.text[:300]}")
        return answer.json()

    async def _all(self, path: str, **query: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while True:
            page = await self._get(path, limit="100", **query)
            rows += page["data"]
            if not page.get("has_more"):
                return rows
            query["starting_after"] = page["next_cursor"]

    async def find_call(self, carrier_call_id: str) -> dict[str, Any] | None:
        """Returns the call that the carrier knows by this id, if it is among the latest hundred."""
        page = await self._get("/v1/calls", limit="100")
        return next((row for row in page["data"] if row["carrier_call_id"] == carrier_call_id), None)

    async def call(self, call_id: str) -> dict[str, Any]:
        """Returns a call."""
        found: dict[str, Any] = await self._get(f"/v1/calls/{call_id}")
        return found

    async def events(self, call_id: str) -> list[dict[str, Any]]:
        """Returns everything that happened in a call, in order."""
        return await self._all(f"/v1/calls/{call_id}/events")

    async def transcript(self, call_id: str) -> list[dict[str, Any]]:
        """Returns the lines of a call."""
        return await self._all(f"/v1/calls/{call_id}/transcript")

    async def ended_call(self, call_id: str) -> dict[str, Any]:
        """Returns a call once its end is written; after five seconds as it is."""
        found: dict[str, Any] = {}
        for _ in range(_ATTEMPTS):
            found = await self.call(call_id)
            if found.get("ended_at"):
                break
            await asyncio.sleep(_PAUSE_SECONDS)
        return found

    async def messages(self, phone: str) -> list[dict[str, Any]]:
        """Returns the stored WhatsApp and call messages of a contact (E.164), newest conversation first."""
        rows: list[dict[str, Any]] = []
        for conversation in await self._all("/v1/conversations"):
            if conversation["phone"] == phone:
                rows += await self._all(f"/v1/conversations/{conversation['id']}/messages")
        return rows

    async def phone(self, number: str, template: str | None = None) -> Sequence[dict[str, Any]]:
        """Returns what the caller's phone shows, after waiting up to five seconds for a template if one is named."""
        shown: list[dict[str, Any]] = []
        if self._graph is None:
            return shown
        for _ in range(_ATTEMPTS):
            answer = await self._graph.get(f"/_phone/{number.lstrip('+')}")
            shown = answer.raise_for_status().json()["messages"]
            if template is None or any(bubble["template"] == template for bubble in shown):
                break
            await asyncio.sleep(_PAUSE_SECONDS)
        return shown
