"""Puts the console under /console: its pages, and the files that they load."""

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from app.console import actions, files, inbox, sign_in, writing
from app.console.render import STATIC


def mount(app: FastAPI) -> None:
    """Adds the pages to the application; it answers for `app.state.services`, `calls` and the signals."""
    app.mount("/console/static", StaticFiles(directory=STATIC), name="console-static")
    for router in (sign_in.router, inbox.router, actions.router, writing.router, files.router):
        app.include_router(router, prefix="/console")
