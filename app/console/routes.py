"""How the console answers what goes wrong: the way to the sign-in page, or one clear line in the viewer's language."""

from collections.abc import Callable, Coroutine
from typing import Any, Final
from urllib.parse import quote

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRoute

from app.console.access import SIGN_IN, SignInNeeded
from app.console.render import page
from app.console.texts import texts_of
from app.errors import AppError, Unprocessable

_TRY_AGAIN_SECONDS: Final = 2
_log = structlog.get_logger(__name__)


class ConsoleRoute(APIRoute):
    """A route whose errors are pages, or lines that the page on screen shows."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Returns the handler, with the errors of reading and answering the request turned into pages."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except SignInNeeded:
                return _to_sign_in(request)
            except RequestValidationError as error:
                fields = ", ".join(str(item["loc"][-1]) for item in error.errors()[:3])
                return _problem(request, Unprocessable(f"This does not fit: {fields}."))
            except AppError as error:
                return _problem(request, error)

        return answer


def is_fragment(request: Request) -> bool:
    """Returns whether htmx asks for a part of the page; what it restores from history is a whole one."""
    return "hx-request" in request.headers and "hx-history-restore-request" not in request.headers


def said(request: Request, error: AppError) -> str:
    """Returns an error as the viewer reads it: by its code in their language, else as it was raised."""
    texts = texts_of(request)
    detail = error.detail if error.status < 500 else texts("problem.server")
    return texts.known(f"problem.{error.code}", detail)


def _to_sign_in(request: Request) -> Response:
    if "hx-request" in request.headers:
        shown = request.headers.get("hx-current-url", "")
        path = "/" + shown.partition("://")[2].partition("/")[2]
        return Response(status_code=200, headers={"HX-Redirect": f"{SIGN_IN}?next={quote(path)}"})
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{SIGN_IN}?next={quote(request.url.path + query)}", 303)


def _problem(request: Request, error: AppError) -> Response:
    if error.status >= 500:
        _log.error("console.failed", code=error.code, detail=error.detail, exc_info=error)
    if is_fragment(request):
        answer = page(request, "_problem.html", error.status, problem=said(request, error))
        answer.headers["HX-Retarget"], answer.headers["HX-Reswap"] = "#notice", "innerHTML"
    else:
        answer = page(request, "problem.html", error.status, problem=said(request, error))
    if error.status in (429, 503):
        answer.headers["Retry-After"] = str(error.retry_after_seconds or _TRY_AGAIN_SECONDS)
    return answer
