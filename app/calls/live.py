"""The live sessions of this process: admitted, found, ended, drained."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from app.calls.ports import StreamClaim
from app.calls.session import CallSession
from app.errors import NotFound, Unavailable

_log = structlog.get_logger("calls")

OpenSession = Callable[[StreamClaim], Awaitable[CallSession]]
RunSession = Callable[[CallSession], Awaitable[None]]


class LiveSessions:
    """Implements `LiveCalls`.

    `open_session` builds a session from what is stored about the call; `run_session` lives it and writes its end.
    """

    def __init__(self, open_session: OpenSession, run_session: RunSession, most_of_a_tenant: int | None = None) -> None:
        self._most_of_a_tenant = most_of_a_tenant
        self._open_session = open_session
        self._run_session = run_session
        self._sessions: dict[str, CallSession] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._draining = False

    @property
    def count(self) -> int:
        """How many calls are live."""
        return len(self._sessions)

    def count_of(self, tenant_id: str) -> int:
        """How many calls of a tenant are live."""
        return sum(session.context.profile.tenant_id == tenant_id for session in self._sessions.values())

    def get(self, call_id: str) -> CallSession | None:
        """Returns the live session of a call, or None."""
        return self._sessions.get(call_id)

    async def attach(self, claim: StreamClaim) -> CallSession:
        """Creates the session of a call, or resumes it.

        Raises:
            Unavailable: This process is draining, has no speech slot left, or serves enough calls of the tenant.
            NotFound: The call is over.
        """
        session = self._sessions.get(claim.call_id)
        if session is not None and not session.is_over:
            return session
        if session is not None or claim.resumed:
            raise NotFound(f"call {claim.call_id} is over")
        if self._draining:
            raise Unavailable("this process takes no further calls", code="draining")
        if self._most_of_a_tenant is not None and self.count_of(claim.tenant_id) >= self._most_of_a_tenant:
            raise Unavailable("as many calls as this tenant may have here are live", code="tenant_calls_full")
        session = await self._open_session(claim)
        if other := self._sessions.get(claim.call_id):
            session.discard()
            return other
        self._sessions[claim.call_id] = session
        self._tasks[claim.call_id] = asyncio.create_task(self._live(session), name=claim.call_id)
        return session

    def end(self, call_id: str, reason: str) -> bool:
        """Ends a live call; returns whether there was one."""
        session = self._sessions.get(call_id)
        if session is not None:
            session.end(reason)
        return session is not None

    @property
    def is_draining(self) -> bool:
        """Whether this process takes no further calls."""
        return self._draining

    async def emptied(self, seconds: float) -> None:
        """Takes no further calls and waits for the live ones; those that remain after `seconds` go on."""
        self._draining = True
        if self._tasks:
            await asyncio.wait(tuple(self._tasks.values()), timeout=seconds)

    async def drain(self, seconds: float, closing_seconds: float) -> None:
        """Takes no further calls, waits for the live ones, then ends those that remain.

        Args:
            seconds: How long live calls may go on.
            closing_seconds: How long the records of ended calls may take; what is not written then is given up.
        """
        await self.emptied(seconds)
        for session in self._sessions.values():
            session.end("shutdown")
        if self._tasks:
            _, unwritten = await asyncio.wait(self._tasks.values(), timeout=closing_seconds)
            for task in unwritten:
                _log.error("calls.record_given_up", call_id=task.get_name())
                task.cancel()
            await asyncio.gather(*unwritten, return_exceptions=True)

    async def _live(self, session: CallSession) -> None:
        call_id = session.context.call_id
        try:
            await self._run_session(session)
        except Exception:
            _log.exception("calls.session_failed", call_id=call_id)
        finally:
            self._sessions.pop(call_id, None)
            self._tasks.pop(call_id, None)
