"""`GET /v1/events`: the tenant's live signals as server-sent events. They say what changed; clients refetch it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.auth.guard import holding
from app.auth.limits import ApiLimits
from app.auth.models import AuthSubject
from app.errors import RateLimited, Unavailable
from app.kit.problem import responses
from app.kit.signals import Signals

LONGEST_SECONDS = 900.0
"""A stream ends then, so that a revoked key hears nothing for long; clients reconnect by themselves."""
MOST_STREAMS = 50
_RECONNECT_MS = 2_000

router = APIRouter(tags=["events"], responses=responses(401, 403, 429, 503))

Messages = AsyncIterator[dict[str, Any]]


async def _listening(
    request: Request, subject: Annotated[AuthSubject, Depends(holding("calls:read"))]
) -> AsyncIterator[Messages]:
    signals: Signals = request.app.state.signals
    streams: Counter[str] = request.app.state.event_streams
    if streams[subject.tenant_id] >= MOST_STREAMS:
        raise RateLimited(f"a tenant may hold {MOST_STREAMS} event streams per server", retry_after_seconds=30)
    streams[subject.tenant_id] += 1
    ApiLimits.go_on_outside(request)
    try:
        async with signals.subscribe(subject.tenant_id) as messages:
            yield messages
    finally:
        streams[subject.tenant_id] -= 1


@router.get(
    "/events", operation_id="stream_events", summary="Listen to live events", response_class=EventSourceResponse
)
async def stream_events(messages: Annotated[Messages, Depends(_listening)]) -> AsyncIterator[ServerSentEvent]:
    """Streams what happens in the tenant (`call.answered`, `call.event`, `call.ended`), with the ids to refetch.

    Nothing is kept for a client that was away: after a reconnect, fetch what matters anew.
    """
    yield ServerSentEvent(comment="listening", retry=_RECONNECT_MS)
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            async for message in messages:
                yield ServerSentEvent(event=str(message["type"]), raw_data=orjson.dumps(message).decode())
    except (TimeoutError, Unavailable):
        return
