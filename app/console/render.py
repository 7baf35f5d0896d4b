"""How a page is made: one template environment, and headers that let a page load nothing but its own files."""

from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app import __version__
from app.console.texts import LANGUAGES, texts_of

_FOLDER: Final = Path(__file__).parent
STATIC: Final = _FOLDER / "static"
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; media-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "HX-Request, Cookie, Accept-Language",
}
_templates: Final = Environment(
    loader=FileSystemLoader(_FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(request: Request, template: str, status_code: int = 200, **values: Any) -> HTMLResponse:
    """Returns a page or fragment; a name that a template misses is an error, not an empty place."""
    shared = {"t": texts_of(request), "languages": LANGUAGES, "release": __version__, "path": request.url.path}
    body = _templates.get_template(template).render(values | shared)
    return HTMLResponse(body, status_code, headers=_HEADERS)
