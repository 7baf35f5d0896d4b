"""How much of the API one tenant may use, and how fast a stranger may guess keys; both hold over all processes."""

from collections import Counter

import structlog
from fastapi import Request

from app.errors import RateLimited
from app.kit.ratelimit import Decision, RateLimiter

_GUESSES_PER_SECOND = 0.2
_SIGN_UPS, _SIGN_UPS_PER_SECOND = 5, 1 / 600
_MAILS, _MAILS_PER_SECOND = 3, 1 / 3600
_log = structlog.get_logger("auth")


class ApiLimits:
    """Takes one token per request; the response then says how many are left."""

    def __init__(
        self, limiter: RateLimiter, requests_per_second: float, burst: int, guesses: int = 20, concurrency: int = 64
    ) -> None:
        self._limiter = limiter
        self._rate = requests_per_second
        self._burst = burst
        self._guesses = guesses
        self._concurrency = concurrency
        self._serving: Counter[str] = Counter()

    async def admit(self, request: Request, tenant_id: str) -> None:
        """Lets a tenant's request in; its place among those served at a time is free again at its end.

        Raises:
            RateLimited: The tenant's bucket is empty, or as many as may be are being served.
        """
        decision = await self._limiter.take(f"{tenant_id}:api", self._rate, self._burst)
        request.state.response_headers = decision.headers()
        if not decision.allowed:
            raise _refusal("this tenant sends too many requests", decision)
        self._take_place(request, tenant_id)

    def _take_place(self, request: Request, tenant_id: str) -> None:
        if self._serving[tenant_id] >= self._concurrency:
            detail = f"{self._concurrency} requests of this tenant are being served; send fewer at a time"
            raise RateLimited(detail, code="too_many_at_once", retry_after_seconds=1)
        self._serving[tenant_id] += 1
        request.state.at_end = [lambda: self._give_place(tenant_id)]

    def _give_place(self, tenant_id: str) -> None:
        self._serving[tenant_id] -= 1
        if self._serving[tenant_id] <= 0:
            del self._serving[tenant_id]

    @staticmethod
    def go_on_outside(request: Request) -> None:
        """Gives the request's place back early: a stream, which has bounds of its own, lasts."""
        for release in request.state._state.pop("at_end", ()):
            release()

    async def refuse(self, request: Request, reason: str) -> None:
        """Notes a request without a valid key, before it is answered with 401.

        Raises:
            RateLimited: The address has tried too many.
        """
        address = _address(request)
        _log.warning("auth.refused", reason=reason, path=request.scope["path"], **{"pii.address": address})
        decision = await self._limiter.take(f"address:{address}:refused", _GUESSES_PER_SECOND, self._guesses)
        if not decision.allowed:
            request.state.response_headers = decision.headers("refused")
            raise _refusal("too many requests without a valid key", decision)

    async def admit_sign_up(self, request: Request, mark: str) -> bool:
        """Lets a stranger ask for a tenant; returns whether the person named may be written to again.

        Args:
            request: The stranger's.
            mark: A keyed hash of the address that the mail would go to.

        Raises:
            RateLimited: The stranger has asked too often: five times at once, then every ten minutes.
        """
        decision = await self._limiter.take(f"address:{_address(request)}:sign-up", _SIGN_UPS_PER_SECOND, _SIGN_UPS)
        request.state.response_headers = decision.headers("sign-up")
        if not decision.allowed:
            raise _refusal("too many sign-ups from this address", decision)
        return (await self._limiter.take(f"sign-up:{mark}:mail", _MAILS_PER_SECOND, _MAILS)).allowed


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _refusal(detail: str, decision: Decision) -> RateLimited:
    return RateLimited(f"{detail}; wait", retry_after_seconds=decision.retry_after_seconds)
