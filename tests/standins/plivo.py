"""The simulated carrier with Plivo's limits and bad days: 429 beyond its rate, errors and slowness on demand."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.simulate.exchange import SimulatedPlivo

REQUESTS_PER_WINDOW = 300
WINDOW_SECONDS = 5.0


class PlivoStandin(SimulatedPlivo):
    """Source of the limits: Plivo, 300 API requests in 5 s, then 429."""

    def __init__(self, accounts: Mapping[str, str], **options: Any) -> None:
        super().__init__(accounts, **options)
        self.failures: deque[int] = deque()
        self.delay_seconds = 0.0
        self.received = 0
        self._recent: deque[float] = deque()

    def application(self) -> Starlette:
        app = super().application()
        app.add_middleware(_BadDays, standin=self)
        return app

    def verdict(self) -> int | None:
        """Returns the error status that the next request gets, if any."""
        now = time.monotonic()
        self.received += 1
        self._recent.append(now)
        while self._recent[0] < now - WINDOW_SECONDS:
            self._recent.popleft()
        if len(self._recent) > REQUESTS_PER_WINDOW:
            return 429
        return self.failures.popleft() if self.failures else None


class _BadDays:
    def __init__(self, app: ASGIApp, standin: PlivoStandin) -> None:
        self._app = app
        self._standin = standin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = self._standin.verdict()
        if self._standin.delay_seconds:
            await asyncio.sleep(self._standin.delay_seconds)
        if status is not None:
            await JSONResponse({"api_id": "x", "error": "a bad day"}, status)(scope, receive, send)
            return
        await self._app(scope, receive, send)
