"""Reads what callers said in finished calls, for replays; the words are opened here and kept nowhere else."""

from collections.abc import Mapping
from typing import Any

from app.calls.events import CallEventKind
from app.calls.models import CallStatus
from app.calls.repository import CallRepository
from app.dialogue.past import PastCall, PastTurn
from app.kit.mongo import Database
from app.kit.sealed import SealedText

_PAGE = 100


class CallTranscripts:
    """Implements `app.dialogue.past.Transcripts`."""

    def __init__(self, database: Database, sealed: SealedText) -> None:
        self._database = database
        self._sealed = sealed

    async def newest(self, tenant_id: str, agent_id: str, most: int) -> list[PastCall]:
        """See `Transcripts.newest`."""
        calls = self._calls(tenant_id)
        query = {"agent_id": agent_id, "status": CallStatus.COMPLETED}
        found: list[PastCall] = []
        after: str | None = None
        while len(found) < most:
            page = await calls.page(query, _PAGE, after)
            for document in page.data:
                kinds = (CallEventKind.CALLER_TURN, CallEventKind.AGENT_TURN)
                if (call := _call(document["_id"], await calls.events(document["_id"], kinds))) is not None:
                    found.append(call)
                if len(found) == most:
                    break
            if not page.has_more:
                break
            after = page.data[-1]["_id"]
        return found

    async def words(self, tenant_id: str, call_id: str) -> Mapping[int, str]:
        """See `Transcripts.words`."""
        events = await self._calls(tenant_id).events(call_id, (CallEventKind.CALLER_TURN,))
        return {event["number"]: event["data"]["text"] for event in events}

    def _calls(self, tenant_id: str) -> CallRepository:
        return CallRepository(self._database.tenant(tenant_id), self._sealed)


def _call(call_id: str, events: list[dict[str, Any]]) -> PastCall | None:
    turns, language = [], ""
    for event in events:
        data = event["data"]
        if event["kind"] == CallEventKind.AGENT_TURN:
            language = language or data["language"]
            continue
        hidden = bool(data.get("hidden"))
        text = "" if hidden else data["text"]
        if text or hidden:
            turns.append(PastTurn(event["number"], text, data.get("by") == "keypad", hidden))
    return PastCall(call_id, language, tuple(turns)) if turns else None
