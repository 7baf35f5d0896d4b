"""The sign-in page: company, e-mail, password, and the second factor where there is one."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.auth.guard import SESSION_COOKIE
from app.auth.sessions import SESSION_LASTS
from app.console.access import CSRF_COOKIE, SIGN_IN, SignedIn
from app.console.render import page
from app.console.routes import ConsoleRoute
from app.console.texts import LANGUAGE_COOKIE, LANGUAGES
from app.errors import Unauthorized

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)
INBOX: Final = "/console/inbox"
_YEAR_SECONDS: Final = 31_536_000


@router.get("/sign-in")
async def show_sign_in(request: Request, next: str = INBOX, tenant: str = "") -> HTMLResponse:
    """Shows the form."""
    return page(request, "sign_in.html", next=_own(next), tenant=tenant, email="", problem=None)


@router.post("/sign-in")
async def sign_in(
    request: Request,
    tenant: Annotated[str, Form(max_length=64)],
    email: Annotated[str, Form(max_length=254)],
    password: Annotated[str, Form(max_length=200)],
    code: Annotated[str, Form(max_length=6)] = "",
    next: Annotated[str, Form(max_length=2_000)] = INBOX,
) -> Response:
    """Begins a session and goes to the page that was wanted; says what is wrong otherwise.

    A form of another site is refused: browsers state a form's origin.
    """
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        return page(request, "sign_in.html", 403, next=INBOX, tenant="", email="", problem="foreign_form")
    services: Any = request.app.state.services
    try:
        begun = await services.sessions.sign_in(tenant.strip(), email.strip(), password, code.strip() or None)
    except Unauthorized as error:
        if services.limits is not None and error.code != "second_factor_needed":
            await services.limits.refuse(request, error.code)
        problem = "code_needed" if error.code == "second_factor_needed" else "refused"
        return page(request, "sign_in.html", 401, next=_own(next), tenant=tenant, email=email, problem=problem)
    response = RedirectResponse(_own(next), 303)
    lasts, secure = int(SESSION_LASTS.total_seconds()), _is_secure(request)
    response.set_cookie(SESSION_COOKIE, begun.token, max_age=lasts, httponly=True, secure=secure, samesite="strict")
    response.set_cookie(CSRF_COOKIE, begun.csrf_token, max_age=lasts, secure=secure, samesite="strict")
    response.headers["Cache-Control"] = "no-store"
    return response


@router.post("/sign-out")
async def sign_out(request: Request, subject: SignedIn) -> Response:
    """Ends the session."""
    await request.app.state.services.sessions.sign_out(request.cookies[SESSION_COOKIE])
    response = Response(status_code=200, headers={"HX-Redirect": SIGN_IN})
    response.delete_cookie(SESSION_COOKIE)
    response.delete_cookie(CSRF_COOKIE)
    return response


@router.get("/language/{language}")
async def choose_language(request: Request, language: str, next: str = INBOX) -> Response:
    """Keeps the viewer's language and goes back."""
    response = RedirectResponse(_own(next), 303)
    if language in LANGUAGES:
        secure = _is_secure(request)
        response.set_cookie(
            LANGUAGE_COOKIE, language, max_age=_YEAR_SECONDS, httponly=True, secure=secure, samesite="lax"
        )
    return response


def _is_secure(request: Request) -> bool:
    is_production: bool = request.app.state.services.settings.environment == "production"
    return is_production


def _own(path: str) -> str:
    """Returns a path of the console; anything that leads elsewhere becomes the inbox."""
    is_own = path.startswith("/console/") and "\\" not in path and not any(ord(char) < 32 for char in path)
    return path if is_own else INBOX
