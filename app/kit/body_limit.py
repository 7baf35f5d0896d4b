"""No request brings more than its route reads: the rest is refused with 413 before, or while, it comes in."""

import re
from collections.abc import Mapping
from typing import Final

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DEFAULT_BYTES: Final = 1_000_000


class BodyLimitMiddleware:
    """Counts what comes in; a body is never gathered here.

    A length that the client declares is judged before anything is read, one that it does not declare as it comes.

    Args:
        app: What it stands before.
        larger: Pattern of a whole path -> bytes, where a route reads more than `DEFAULT_BYTES`.
        default: Bytes of everything else.
    """

    def __init__(self, app: ASGIApp, larger: Mapping[str, int], default: int = DEFAULT_BYTES) -> None:
        self._app = app
        self._larger = [(re.compile(pattern), size) for pattern, size in larger.items()]
        self._default = default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection; web sockets pass untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sizes = (size for pattern, size in self._larger if pattern.fullmatch(scope["path"]))
        limit = next(sizes, self._default)
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        too_long = declared.isdigit() and int(declared) > limit
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            if too_long:
                raise _refusal(limit)
            message = await receive()
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > limit:
                    raise _refusal(limit)
            return message

        await self._app(scope, counted, send)


def _refusal(limit: int) -> HTTPException:
    return HTTPException(413, f"the body may have at most {limit} bytes", headers={"Connection": "close"})
